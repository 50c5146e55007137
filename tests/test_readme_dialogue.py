"""The README's dialogue is one of the recorded example, and its user is the median."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
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
    opening = read_printed(model)[0][0]
    return next(t for t in read_trees(example / model) if plain(t.users[0].content) == opening)


@pytest.mark.parametrize("model", ["base", "trained"])
def test_it_is_what_was_said(example: Path, model: str) -> None:
    tree, turns = find_tree(example, model), []
    for said, printed in read_printed(model):
        user = next(user for user in tree.users if plain(user.content) == said)
        reply = next(reply for reply in tree.replies if reply.parent == user.id)
        assert all(part in plain(reply.content) for part in printed.parts)
        assert check_wishes(tree.persona.preferences, reply.content) == printed.marks
        turns.append(user.turn)
    assert turns == [1, 2, 6]


def test_the_user_complains_to_the_base_in_vain(example: Path) -> None:
    tree = find_tree(example, "base")
    quoted = re.findall(r'"(In my book[^"]*)"', PROSE)
    assert [user.turn for user in tree.users if quoted[0] in user.content] == [4]
    thanked = [check_wishes(tree.persona.preferences, r.content)["thanks"] for r in tree.replies]
    assert not any(thanked[:6])


def test_its_user_gains_as_much_as_the_median(example: Path) -> None:
    before, after = (read_bench(example / model).own_rows for model in ("base", "trained"))
    changes = measure_changes(before, after)
    assert len(changes) == 72
    assert changes[find_tree(example, "base").id] == pytest.approx(median(changes.values()))
