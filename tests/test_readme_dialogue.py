"""The README's dialogue is one of the recorded example, and its user is the median."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median_high
from typing import NamedTuple

import pytest

from aloe.benchmark.dialogue_pair import measure_changes
from aloe.benchmark.example import copy_example
from aloe.benchmark.folder import read_bench
from aloe.memory.run_folder import read_trees
from aloe.memory.verifiable.scoring import check_wishes
from aloe.schema import Tree

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## What training changes")[2]
PROSE = " ".join(SECTION.split())
MARK = re.compile(r"(?:no )?(\w+) ([✓✗])")
SPEECH = re.compile(r"^(user|base|trained) (.*?)(?=^\w|\Z)", re.MULTILINE | re.DOTALL)


class Reply(NamedTuple):
    parts: Sequence[str]
    """What is printed of it; the rest is left out."""
    marks: Mapping[str, bool]


def plain(text: str) -> str:
    return " ".join(text.split())


def read_printed(model: str) -> list[tuple[str, Reply]]:
    """Return the user's messages to a model with its replies, in order."""
    found, user = [], ""
    for who, said in SPEECH.findall(SECTION.split("```")[1]):
        if who == "user":
            user = plain(said)
        elif who == model:
            parts = [plain(part) for part in MARK.sub("", said).split("[...]")]
            marks = {name: sign == "✓" for name, sign in MARK.findall(said)}
            found.append((user, Reply(parts, marks)))
    return found


@pytest.fixture
def example(tmp_path: Path) -> Path:
    assert copy_example(tmp_path / "demo")
    return tmp_path / "demo"


def find_tree(example: Path, model: str) -> Tree:
    said = {user for user, _ in read_printed(model)}
    trees = read_trees(example / model)
    return next(t for t in trees if said <= {plain(user.content) for user in t.users})


@pytest.mark.parametrize("model", ["base", "trained"])
def test_it_is_what_was_said(example: Path, model: str) -> None:
    tree, turns = find_tree(example, model), []
    for said, printed in read_printed(model):
        user = next(user for user in tree.users if plain(user.content) == said)
        reply = next(reply for reply in tree.replies if reply.parent == user.id)
        assert all(part in plain(reply.content) for part in printed.parts)
        assert check_wishes(tree.persona.preferences, reply.content) == printed.marks
        turns.append(user.turn)
    assert turns == [2, 3, 6]


def test_the_user_tells_the_base_nothing(example: Path) -> None:
    tree = find_tree(example, "base")
    assert not any(told.about in tree.persona.preferences for u in tree.users for told in u.told)


def test_its_user_is_one_of_the_two_in_the_middle(example: Path) -> None:
    before, after = (read_bench(example / model).own_rows for model in ("base", "trained"))
    changes = measure_changes(before, after)
    assert len(changes) == 72
    assert changes[find_tree(example, "base").id] == pytest.approx(median_high(changes.values()))
