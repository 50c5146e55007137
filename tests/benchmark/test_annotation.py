"""Pairs for people in Argilla and Label Studio, and what they said."""

import json
import xml.etree.ElementTree as ET
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe

from aloe.benchmark.annotation import (
    CHOICES,
    count_replaced,
    read_answers,
    select_new,
    write_tasks,
)
from aloe.benchmark.labelling import list_pairs
from aloe.errors import ConfigError, InputError
from aloe.labels import Label, read_labels
from aloe.memory.run_folder import read_trees
from aloe.training.dataset_export import ExportPlan, export_trees
from aloe.training.usable import find_pair_flaw

GOLDEN = Path(__file__).parent.parent / "golden" / "trees.jsonl"
(TREE,) = read_trees(GOLDEN)
PAIRS = list(list_pairs([TREE]))
USER = "0e5b1c3e-6f9e-4a53-9b5c-8a1f6a9c2d11"


def annotated(task: dict[str, Any], *choices: str | None, by: Any = 7) -> dict[str, Any]:
    """Return a task as Label Studio exports it; None is a task that was skipped."""
    made = [
        {
            "completed_by": by,
            "was_cancelled": choice is None,
            "lead_time": 4.5,
            "result": [{"from_name": "better", "value": {"choices": [choice]}}] if choice else [],
        }
        for choice in choices
    ]
    return {**task, "id": 1, "annotations": made, "predictions": []}


def responded(record: dict[str, Any], *values: str) -> dict[str, Any]:
    """Return a record as Argilla exports it."""
    responses = {"better": [{"value": value, "user_id": USER} for value in values]}
    return {**record, "suggestions": {}, "responses": responses if values else {},
            "vectors": {}, "status": "completed", "_server_id": None}  # fmt: skip


def sent(tmp_path: Path, tool: Any) -> list[dict[str, Any]]:
    write_tasks(tool, PAIRS, tmp_path / f"{tool}.json")
    found: list[dict[str, Any]] = json.loads((tmp_path / f"{tool}.json").read_text())
    return found


def save(tmp_path: Path, records: Any) -> Path:
    file = tmp_path / "export.json"
    file.write_text(json.dumps(records))
    return file


def reply_of(label: Label) -> str | None:
    """Return the text of the reply that a label prefers."""
    side = {"first": label.first, "second": label.second}.get(label.answer)
    return TREE.by_id[side].content if side else None


def test_two_people_whom_a_tool_calls_alike_are_told_apart_by_name(tmp_path: Path) -> None:
    tasks = sent(tmp_path, "label-studio")

    def read(choice: str, by: Any = 1, rater: str | None = None) -> list[Label]:
        records = [annotated(task, choice, by=by) for task in tasks]
        return read_answers(save(tmp_path, records), PAIRS, rater)

    ann, bob = read("A", rater="ann"), read("B", rater="bob")
    assert {each.rater for each in [*ann, *bob]} == {"ann:label-studio:1", "bob:label-studio:1"}
    assert (select_new(bob, ann), count_replaced(bob, ann)) == (bob, 0)
    one, other = read("A"), read("B")
    assert count_replaced(select_new(other, one), one) == len(PAIRS)
    assert count_replaced(select_new(one, one), one) == 0
    both = [annotated(task, "A", by=by) for task in tasks for by in (1, 2)]
    found = read_answers(save(tmp_path, both), PAIRS, "lab")
    assert {label.rater for label in found} == {"lab:label-studio:1", "lab:label-studio:2"}
    alone = read("A", rater="lab")
    assert {label.rater for label in alone} == {"lab:label-studio:1"}
    assert {label.rater for label in select_new(found, alone)} == {"lab:label-studio:2"}


def test_people_see_what_aloe_label_shows_and_no_more(tmp_path: Path) -> None:
    for tool in ("argilla", "label-studio"):
        for pair, record in zip(PAIRS, sent(tmp_path, tool), strict=True):
            shown = record["fields"] if tool == "argilla" else record["data"]
            assert (record["id"] if tool == "argilla" else shown.pop("pair")) == pair.id
            replies = {TREE.by_id[i].content for i in (pair.verdict.first, pair.verdict.second)}
            assert {shown["reply_a"], shown["reply_b"]} == replies
            assert shown["persona"] == TREE.persona.text
            assert [m["content"] for m in shown["history"]] == [
                node.content for node in TREE.path(pair.verdict.node)
            ]
            for telling in ("agent", "outcome", "margin", "votes", "hint", *TREE.models):
                assert telling not in {*record, *shown}
    firsts = [TREE.by_id[pair.verdict.first].content for pair in PAIRS]
    swapped = [r["data"]["reply_a"] != f for r, f in zip(sent(tmp_path, "label-studio"), firsts,
                                                         strict=True)]  # fmt: skip
    assert len(set(swapped)) == 2


@pytest.mark.parametrize("seconds", ["Infinity", "-Infinity", "NaN", "1e999", "9" * 400])
def test_a_time_that_is_no_number_of_seconds_is_refused(tmp_path: Path, seconds: str) -> None:
    file = save(tmp_path, [annotated(task, "A") for task in sent(tmp_path, "label-studio")])
    file.write_text(file.read_text().replace("4.5", seconds))
    with pytest.raises(InputError, match=r"export\.json.*'lead_time' is no number of seconds"):
        read_answers(file, PAIRS)


def test_what_shows_the_records_knows_their_fields(tmp_path: Path) -> None:
    (task, *_), (record, *_) = sent(tmp_path, "label-studio"), sent(tmp_path, "argilla")
    view = ET.parse(tmp_path / "label-studio.xml").getroot()
    shown = {tag.get("value", "").removeprefix("$") for tag in view if tag.tag != "Header"}
    assert shown - {""} == task["data"].keys() - {"pair"}
    (question,) = view.findall("Choices")
    assert [choice.get("value") for choice in question] == list(CHOICES.values())
    settings = json.loads((tmp_path / "argilla.settings.json").read_text())
    assert [field["name"] for field in settings["fields"]] == list(record["fields"])
    options = settings["questions"][0]["settings"]["options"]
    assert {each["value"]: each["text"] for each in options} == CHOICES


def test_answers_mean_the_reply_that_was_shown(tmp_path: Path) -> None:
    tasks = sent(tmp_path, "label-studio")
    for side, choice in (("reply_a", "A"), ("reply_b", "B")):
        file = save(tmp_path, [annotated(task, choice) for task in tasks])
        found = read_answers(file, PAIRS)
        assert [reply_of(label) for label in found] == [task["data"][side] for task in tasks]
        assert {(label.rater, label.seconds) for label in found} == {("label-studio:7", 4.5)}
    records = sent(tmp_path, "argilla")
    file = save(tmp_path, [responded(record, "b") for record in records])
    found = read_answers(file, PAIRS)
    assert [reply_of(label) for label in found] == [r["fields"]["reply_b"] for r in records]
    assert {label.rater for label in found} == {f"argilla:{USER}"}
    mixed = [
        annotated(tasks[0], "Equally good", None, by={"id": 3, "email": "ann@here"}),
        {**tasks[1], "annotations": []},
        responded(records[2]),
        {**records[3], "responses": None},
        responded(records[3], "tie"),
    ]
    said = [(label.rater, label.answer) for label in read_answers(save(tmp_path, mixed), PAIRS)]
    ann = "label-studio:ann@here"
    assert said == [(ann, "tie"), (ann, "skip"), (f"argilla:{USER}", "tie")]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda task: task["data"].update(pair="ffff"), 'names the pair "ffff"'),
        (lambda task: task["data"].pop("pair"), "names the pair null"),
        (lambda task: task.pop("annotations"), "no record of Label Studio"),
        (lambda task: task.update(data=[]), "'data' is no object"),
        (lambda task: task["annotations"][0].update(result=[]), "answers 'better' with null"),
        (lambda task: task["annotations"][0].pop("completed_by"), "whose is it"),
        (
            lambda task: task["annotations"][0]["result"][0]["value"].update(choices=["C"]),
            '"C"; offered were A, B, Equally good',
        ),
        *(
            (
                lambda task, choices=choices: task["annotations"][0]["result"][0]["value"].update(
                    choices=choices
                ),
                "answers 'better' with",
            )
            for choices in (["A", "B"], [], [["A"]], [{"a": 1}], None)
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_record(tmp_path: Path, spoil: Any, words: str) -> None:
    tasks = [annotated(task, "A") for task in sent(tmp_path, "label-studio")]
    spoil(tasks[2])
    with pytest.raises(InputError) as error:
        read_answers(save(tmp_path, tasks), PAIRS)
    assert words in str(error.value)
    assert "export.json" in str(error.value)
    assert "3" in str(error.value).partition(words)[0]
    with pytest.raises(InputError, match="answers 'better' with \"A\"; offered were a, b, tie"):
        read_answers(save(tmp_path, [responded(sent(tmp_path, "argilla")[0], "A")]), PAIRS)
    for odd in (["a"], {"a": 1}, 1, None):
        with pytest.raises(InputError, match="answers 'better' with"):
            read_answers(save(tmp_path, [responded(sent(tmp_path, "argilla")[0], odd)]), PAIRS)
    with pytest.raises(ConfigError, match=r"ends in \.json"):
        write_tasks("argilla", PAIRS, tmp_path / "tasks.jsonl")


def test_labels_come_in_once_and_become_verdicts(aloe: RunAloe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "trees.jsonl").write_bytes(GOLDEN.read_bytes())
    out = tmp_path / "tasks.json"
    ran = aloe("label", run, "--to", "label-studio", "--out", out, "--json")
    shown = str(out.with_suffix(".xml"))
    assert ran.result == {"out": str(out), "pairs": len(PAIRS), "shown_by": shown}
    assert not (run / "labels.jsonl").exists()
    assert aloe("label", run, "--to", "excel", "--out", out).is_one_line_about("'excel'", "argilla")
    with pytest.raises(ConfigError, match="no labels by people"):
        export_trees(ExportPlan(run=run, row_format="dpo", out=run / "x.jsonl", label="people"))

    sound = {
        pair.id
        for pair in PAIRS
        if not any(
            find_pair_flaw(TREE, *each)
            for each in permutations((pair.verdict.first, pair.verdict.second))
        )
    }
    tasks = [task for task in json.loads(out.read_text()) if task["data"]["pair"] in sound][:3]
    save(tmp_path, [annotated(task, "A") for task in tasks])
    for new in (3, 0):
        ran = aloe("label", run, "--from", tmp_path / "export.json", "--json")
        assert ran.result["labels"] == 3
        assert f"3 labels, {new} of them new" in ran.err
    assert len((run / "labels.jsonl").read_text().splitlines()) == 3
    save(tmp_path, [annotated(tasks[0], "B"), annotated(tasks[1], "B", by=8), {"odd": 1}])
    before = (run / "labels.jsonl").read_bytes()
    assert aloe("label", run, "--from", tmp_path / "export.json").code == 2
    assert (run / "labels.jsonl").read_bytes() == before
    save(tmp_path, [annotated(tasks[0], "B"), annotated(tasks[1], "B", by=8)])
    ran = aloe("label", run, "--from", tmp_path / "export.json")
    assert (ran.code, "1 earlier answer replaced" in ran.err) == (0, True)
    labels = read_labels(run / "labels.jsonl")
    assert select_new(labels, labels) == []
    whose = ("label", run, "--from", tmp_path / "export.json", "--rater")
    assert aloe(*whose, "label-studio:7").is_one_line_about("count twice", "rename", "labels.jsonl")
    assert read_labels(run / "labels.jsonl") == labels

    plan = ExportPlan(run=run, row_format="dpo", out=run / "x.jsonl", label="people", columns=True)
    done = export_trees(plan)
    assert done.skipped["people are split"] == 1
    assert done.skipped["no label by people"] == len(TREE.verdicts) - 3
    wanted = {0: "reply_b", 2: "reply_a"}  # a changed mind, and one who kept it
    assert {row["chosen"][0]["content"] for row in done.rows} == {
        tasks[at]["data"][side] for at, side in wanted.items()
    }
    assert {row["confidence"] for row in done.rows} == {1.0}
