"""Files of a run, damaged in any way: a right answer, or one line that names the place."""

import json
import random
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, config, grow
from damaging import damage, nested, read_or_refuse, used_or_refused
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import row

from aloe.benchmark.cases import load_cases
from aloe.benchmark.scores import read_whole_scores
from aloe.calls.event import Event, appending, read_events, write_event
from aloe.calls.recorded_call import read_calls
from aloe.errors import InputError
from aloe.labels import Label, read_labels
from aloe.memory.pool.growth import Outcome, read_growth
from aloe.memory.run_folder import read_trees
from aloe.models.reply import Reply
from aloe.schema import Tree
from aloe.training.export import ROWS, Skipped
from aloe.views.table import TreeTable

TREE = json.loads(grow(config(turns=3), persona=PERSONAS[0]).model_dump_json())
REPLY = Reply(
    text="hello", raw=" hello", finish="stop", input_tokens=9, cached_tokens=1, output_tokens=2,
    logprobs={"hello": -0.1},
)  # fmt: skip
EVENT = vars(Event(role="user", model="m", tree="t", node="n", reply=vars(REPLY)))


def use(tree: Tree) -> None:
    """Walk a tree as exports and views do."""
    skipped = Skipped()
    for rows in ROWS.values():
        list(rows(tree, skipped))
    _ = TreeTable([tree], {}).rows
    for node in tree.nodes:
        tree.path(node.id)
        tree.lost(node.id)


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_a_damaged_tree_is_read_right_or_refused(tmp_path_factory: Any, seed: int) -> None:
    rng = random.Random(seed)
    line = nested(lambda: json.dumps(damage(TREE, rng)))
    if rng.random() < 0.1:
        line = line[: rng.randrange(len(line))]
    path = tmp_path_factory.getbasetemp() / "damaged.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    for tree in read_or_refuse(lambda: list(read_trees(path))):
        use(tree)


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_so_is_a_damaged_call(tmp_path_factory: Any, seed: int) -> None:
    rng = random.Random(seed)
    line = nested(lambda: json.dumps(damage(EVENT, rng)))
    path = tmp_path_factory.getbasetemp() / "events.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    for call in read_or_refuse(lambda: read_calls(path)):
        assert isinstance(call.text + call.thoughts, str)
        if reply := call.event["reply"]:
            assert isinstance(Reply.of(reply).text, str)


@pytest.mark.parametrize("lacks", [each.name for each in fields(Reply) if each.name != "text"])
def test_a_reply_of_another_version_still_answers(lacks: str) -> None:
    line = {name: value for name, value in vars(REPLY).items() if name != lacks}
    found = Reply.of({**line, "of_tomorrow": 1})
    assert (found.text, found.finish) == ("hello", "stop" if lacks != "finish" else "length")
    assert getattr(Reply.of(vars(REPLY)), lacks) == getattr(REPLY, lacks)


@pytest.mark.parametrize(("change", "said"), [
    (lambda tree: tree["nodes"][0].update(parent=tree["nodes"][0]["id"]), "not preceded by"),
    (lambda tree: tree["nodes"][1].update(parent="elsewhere"), "not preceded by"),
    (lambda tree: tree["nodes"][0].update(turn=10**9), "has turn 1000000000"),
    (lambda tree: tree["nodes"].append(tree["nodes"][-1]), "is there twice"),
    (lambda tree: tree["verdicts"][0].update(node="elsewhere"), "no reply to it"),
    (lambda tree: tree["verdicts"][0].update(second=tree["verdicts"][0]["first"]), "itself"),
    (lambda tree: tree["verdicts"][0].update(margin=float("nan")), "finite"),
    (lambda tree: tree.update(schema_version=2), "2 is newer than 1"),
])  # fmt: skip
def test_what_does_not_hang_together_is_named(
    tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    tree = json.loads(json.dumps(TREE))
    change(tree)
    path = tmp_path / "trees.jsonl"
    path.write_text(json.dumps(tree) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=said):
        list(read_trees(path))


def test_a_tree_that_stands_twice_is_not_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "trees.jsonl"
    path.write_text(2 * (json.dumps(TREE) + "\n"), encoding="utf-8")
    with pytest.raises(InputError, match="is on line 1 already"):
        list(read_trees(path))


def test_only_the_end_of_a_log_may_be_torn(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with appending(path) as file:
        write_event(file, Event(role="user", model="m", tree=None, node=None))
    whole = path.read_text()
    path.write_text(whole + '{"role": "us')
    assert len(list(read_events(path))) == 1
    path.write_text('{"role": "us\n' + whole)
    with pytest.raises(InputError, match="not a recorded call"):
        list(read_events(path))


@pytest.mark.parametrize("name", [each.name for each in fields(Event) if each.name != "about"])
def test_every_field_of_a_call_is_checked(tmp_path: Path, name: str) -> None:
    """All but `about`, which is not written."""
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(EVENT | {name: [[1]]}) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"not a recorded call: {name}"):
        list(read_events(path))


ORIGINALS: dict[str, tuple[Callable[[Path], Any], Any]] = {
    "growth": (
        lambda path: list(read_growth(path)),
        Outcome(number=3, kind="profile", axes={"age": 40}, reasons=("too short",), text="I am 4."),
    ),
    "labels": (
        read_labels,
        Label(
            pair="p", tree="t", node="n", first="a", second="b", rater="me", answer="first",
            shown="first-second", seconds=1.5,
        ),
    ),
    "scores": (read_whole_scores, row(scores=[("rule", "own", 0.5)])),
    "cases": (lambda path: load_cases(str(path)), load_cases("flip-verifiable")[0]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["growth", "labels", "scores", "cases"])
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_so_is_every_other_record(tmp_path_factory: Any, kind: str, seed: int) -> None:
    read, record = ORIGINALS[kind]
    rng = random.Random(seed)
    line = nested(lambda: json.dumps(damage(record.model_dump(mode="json"), rng)))
    path = tmp_path_factory.getbasetemp() / f"{kind}.jsonl"
    path.write_text(line[: rng.randrange(len(line))] if rng.random() < 0.1 else line + "\n")
    with used_or_refused(path):
        read(path)


def test_a_torn_end_of_a_growth_log_is_passed_over_and_nothing_else(tmp_path: Path) -> None:
    line = ORIGINALS["growth"][1].model_dump_json()
    path = tmp_path / "growth.jsonl"
    path.write_text(f"{line}\n{line[:20]}")
    assert len(list(read_growth(path))) == 1
    path.write_text(f"{line[:20]}\n{line}\n")
    with pytest.raises(InputError, match=":1: not what became of a candidate"):
        list(read_growth(path))
