"""Rows from labels by return: every format, the library, the commands, and what is refused."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from branching import Levels, compared, follow, tree_of
from builders import assistant, user
from command import RunAloe

from aloe.errors import ConfigError, InputError
from aloe.memory.api import relabel
from aloe.schema import ReturnLabel, Tree
from aloe.training.api import to_dataset
from aloe.training.dataset import Method, read_rows, read_training_data
from aloe.training.export import COLUMNS, ROWS, Format, Row, Skipped, take_trainer_columns
from aloe.training.labels import (
    BESIDE_RETURNS,
    NO_LABEL,
    OFF_PATH,
    _find_best_path,
    label_rows,
    render_agreement,
)
from aloe.training.spreading import spread_prompts

OPENING = user("Hello")
ANSWER = assistant("An answer.", OPENING, agent="a0")
QUESTION = assistant("A question?", OPENING, agent="a1")


def unlabelled() -> tuple[Tree, Levels]:
    """Return a tree of three turns in which the judge prefers the answer, the returns the question.

    Both are continued on both replies, and below the question the first reply leads to more.
    """
    nodes: list[Any] = [OPENING, ANSWER, QUESTION]
    verdicts = [compared(ANSWER, QUESTION)]
    levels: Levels = {ANSWER.id: 0.5, QUESTION.id: 0.25}
    for reply, firsts, seconds in (
        (ANSWER, (0.5, 0.25), (0.0, 0.25)),
        (QUESTION, (0.75, 1.0), (1.0, 0.5)),
    ):
        added, known = follow(reply, f"After {reply.agent}.", *firsts)
        nodes, levels = [*nodes, *added], levels | known
        verdicts.append(compared(added[1], added[2], "second"))  # type: ignore[arg-type]
        for each, level in zip(added[1:], seconds, strict=True):
            last, known = follow(each, "Last.", level + 0.125, level - 0.125)
            nodes, levels = [*nodes, *last], levels | known
            verdicts.append(compared(last[1], last[2], "tie"))  # type: ignore[arg-type]
    return tree_of(nodes, *verdicts), levels


def labelled(z: float = 0.0) -> Tree:
    tree, levels = unlabelled()
    (found,) = relabel([tree], horizon=3, discount=1.0, z=z, levels=levels)
    return found


def rows(kind: Format, tree: Tree) -> tuple[list[Row], Skipped]:
    skipped: Skipped = Counter()
    return list(label_rows(kind, ROWS[kind], "return")(tree, skipped)), skipped


def texts(found: list[Row], *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[column][0]["content"] for column in columns) for row in found]


def test_pairs_are_those_of_the_returns() -> None:
    found, skipped = rows("dpo", labelled())
    assert (
        texts(found, "chosen", "rejected")
        == [
            ("A question?", "An answer."),
            ("After a0. 0.5", "After a0. 0.25"),  # 0.25 and 0.25: see below
            ("After a1. 0.75", "After a1. 1.0"),
        ][:1]
        + texts(found, "chosen", "rejected")[1:]
    )
    first, second = labelled().verdicts[0].by_return.returns  # type: ignore[union-attr]
    assert first == pytest.approx((0.5 + 0.375 + 0.125) / 3)
    assert second == pytest.approx((0.25 + 0.875 + 0.75) / 3)
    assert found[0]["margin"] == pytest.approx(second - first)
    assert found[0]["confidence"] is None
    assert skipped == {"not continued": 4, "tie": 1}
    models, _ = rows("rm", labelled())
    assert [row["margin"] for row in models] == [row["margin"] for row in found]


def test_imitation_follows_the_path_of_highest_return() -> None:
    found, skipped = rows("sft", labelled())
    assert texts(found, "completion") == [("A question?",), ("After a1. 0.75",)]
    assert found[1]["prompt"][1]["content"] == "A question?"
    # the answer's branch, and what follows the worse reply below the question
    assert skipped == {OFF_PATH: 4, "not continued": 1}
    judged = list(ROWS["sft"](labelled(), Counter()))
    assert ("An answer.",) in texts(judged, "completion")


def test_rewards_are_returns_and_marks_are_who_won() -> None:
    steps, _ = rows("step", labelled())
    found = {row["completion"][0]["content"]: row["reward"] for row in steps}
    assert found == {
        "An answer.": pytest.approx(1 / 3), "A question?": pytest.approx(1.875 / 3),
        "After a1. 0.75": pytest.approx(0.875), "After a1. 1.0": pytest.approx(0.75),
    }  # fmt: skip
    marks, _ = rows("kto", labelled())
    assert {row["completion"][0]["content"]: row["label"] for row in marks} == {
        "An answer.": False, "A question?": True, "After a1. 0.75": True, "After a1. 1.0": False,
    }  # fmt: skip


def test_groups_bring_their_advantages() -> None:
    found, _ = rows("grpo", labelled())
    assert found[0]["replies"] == ["An answer.", "A question?"]
    half = 0.5**0.5  # of two values, in their standard deviation
    assert found[0]["advantages"] == pytest.approx([-half, half])
    tied = next(row for row in found if row["prompt"][-1]["content"] == "After a0.")
    assert tied["advantages"] == [0.0, 0.0]
    assert {len(row["replies"]) for row in found} == {0, 2}
    assert set(take_trainer_columns(found[0], "grpo")) - set(COLUMNS["grpo"]) == {
        "replies", "advantages",
    }  # fmt: skip
    judged = list(ROWS["grpo"](labelled(), Counter()))
    assert set(take_trainer_columns(judged[0], "grpo")) == set(COLUMNS["grpo"])


def returned(*pairs: tuple[Any, Any, float, float], horizon: int = 3) -> Tree:
    """Return a tree of one message whose replies were compared by these returns."""
    replies = {each.id: each for pair in pairs for each in pair[:2]}
    verdicts = [
        compared(first, second).model_copy(update={"by_return": ReturnLabel(
            outcome="tie" if abs(one - other) < 1e-9 else "first" if one > other else "second",
            returns=(one, other), levels="rated", horizon=horizon, discount=0.9, z=0.0,
        )})
        for first, second, one, other in pairs
    ]  # fmt: skip
    return tree_of([OPENING, *replies.values()], *verdicts)


REPLIES = [assistant(f"Reply {n}.", OPENING, agent=f"a{n}") for n in range(5)]


def test_returns_that_differ_by_rounding_are_equal() -> None:
    sums = sum((0.1, 0.2, 0.3)), sum((0.3, 0.2, 0.1))
    assert sums[0] != sums[1]
    tree = returned((REPLIES[0], REPLIES[1], *sums))
    (row,), _ = rows("grpo", tree)
    assert row["advantages"] == [0.0, 0.0]
    after = [user("More", reply.id, turn=2) for reply in REPLIES[:2]]
    deep = tree_of([*tree.nodes, *after], *tree.verdicts)
    assert _find_best_path(deep) == {OPENING.id, *(each.id for each in after)}


def test_a_group_has_only_replies_that_were_continued_as_deep() -> None:
    """The first and the second are as deep as each other, the others deeper."""
    one, two, *deeper = REPLIES
    tree = returned(
        (one, two, 0.9, 1.0), (deeper[0], deeper[1], 0.25, 0.5), (deeper[2], deeper[1], 0.75, 0.5)
    )
    (row,), _ = rows("grpo", tree)
    assert set(row["replies"]) == {each.content for each in deeper}
    found = dict(zip(row["replies"], row["advantages"], strict=True))
    assert found == pytest.approx({"Reply 2.": -1.0, "Reply 3.": 0.0, "Reply 4.": 1.0})
    (row,), _ = rows("grpo", returned((one, two, 0.9, 1.0), (*deeper[:2], 0.25, 0.5)))
    assert row["replies"] == ["Reply 0.", "Reply 1."]


def test_replies_to_a_message_have_rewards_of_one_kind() -> None:
    """The third reply was not continued, so only the judge compared it."""
    one, two, third, fourth, fifth = REPLIES
    blind = ReturnLabel(outcome="abstain", reason="not continued", levels="wishes", horizon=3,
                        discount=0.9, z=0.0)  # fmt: skip
    judged = [compared(one, third), compared(third, two)]
    judged = [v.model_copy(update={"by_return": blind}) for v in judged]
    for returns, expected, lost in (
        ((0.375, 0.25), {"Reply 0.": 0.375, "Reply 1.": 0.25}, {BESIDE_RETURNS: 2}),
        ((0.25, 0.25), {"Reply 0.": 1.0, "Reply 1.": 0.0, "Reply 2.": 0.5}, {"tie": 1}),
    ):
        tree = returned((one, two, *returns))
        tree = tree_of([*tree.nodes, third], *tree.verdicts, *judged)
        skipped: Skipped = Counter()
        found = list(label_rows("step", ROWS["step"], "mixed")(tree, skipped))
        assert {row["completion"][0]["content"]: row["reward"] for row in found} == expected
        assert skipped == lost
    deeper = returned((one, two, 0.0, 1.0), (third, fourth, 0.5, 0.25), (third, fifth, 0.5, 0.125))
    steps, skipped = rows("step", deeper)
    assert {row["reward"] for row in steps} == {0.5, 0.25, 0.125}
    assert skipped == {"not as deep": 1}


def test_rewards_on_two_scales_are_refused(aloe: RunAloe, tmp_path: Path) -> None:
    rated = labelled()
    (tmp_path / "trees.jsonl").write_text(rated.model_dump_json() + "\n")
    export = ("export", tmp_path / "trees.jsonl", "--format", "step", "--out", tmp_path / "r.jsonl")
    ran = aloe(*export, "--label", "mixed")
    assert ran.is_one_line_about("label: mixed", "given ratings", "take return or judge")
    ran = aloe(*export, "--label", "return", "--restraint", 0.1)
    assert ran.is_one_line_about("--restraint", "given ratings", "leave it out")
    with pytest.raises(ConfigError, match="label: mixed"):
        to_dataset([rated], "step", label="mixed")
    assert not (tmp_path / "r.jsonl").exists()
    assert aloe(*export, "--label", "return").code == 0


def test_paths_name_the_reply_that_returns_prefer() -> None:
    found, _ = rows("aloe", labelled())
    for row in found:
        first = row["conversations"][0]
        assert first["assistant"] == {"preferred": "A question?", "rejected": "An answer."}
    assert {len(row["conversations"]) for row in found} <= {1, 2}


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_what_returns_do_not_tell_apart_is_left_out_and_counted(kind: Format) -> None:
    apart = labelled(z=100.0)
    assert {v.by_return.reason for v in apart.verdicts if v.by_return} == {
        "not told apart", "not continued",
    }  # fmt: skip
    found, skipped = rows(kind, apart)
    assert bool(found) == (kind == "grpo")
    if kind != "grpo":
        assert skipped["not told apart"] >= 1
    tree, _ = unlabelled()
    found, skipped = rows(kind, tree)
    assert bool(found) == (kind == "grpo")
    assert skipped == ({} if kind == "grpo" else {NO_LABEL: 7})


def test_mixed_labels_are_the_judges_where_there_was_no_looking_ahead() -> None:
    skipped: Skipped = Counter()
    tree = labelled()
    found = list(label_rows("dpo", ROWS["dpo"], "mixed")(tree, skipped))
    assert texts(found, "chosen") == [("A question?",), ("After a1. 0.75",)]
    assert skipped == {"tie": 5}, "the judge is undecided on what was not continued"
    decided = [
        v.model_copy(update={"outcome": "first"}) if v.outcome == "tie" else v
        for v in tree.verdicts
    ]
    late = tree_of(tree.nodes, *decided)
    found = list(label_rows("dpo", ROWS["dpo"], "mixed")(late, Counter()))
    assert sorted((row["turn"], row["margin"] is None) for row in found) == [
        (1, False), (2, False), *[(3, True)] * 4,
    ]  # fmt: skip
    imitated = list(label_rows("sft", ROWS["sft"], "mixed")(late, Counter()))
    assert [row["turn"] for row in imitated] == [1, 2, 3]
    assert imitated[2]["prompt"][:2] == imitated[1]["prompt"][:2], "along the best path"
    steps = list(label_rows("step", ROWS["step"], "mixed")(late, Counter()))
    assert {row["reward"] for row in steps if row["turn"] == 3} == {0.0, 1.0}
    for label in ("return", "judge"):
        only = list(label_rows("dpo", ROWS["dpo"], label)(late, Counter()))  # type: ignore[arg-type]
        assert texts(only, "chosen") != texts(found, "chosen")
    assert "and else the judge's" in render_agreement([tree], "mixed")


def test_mixed_labels_keep_how_sure_the_judge_was() -> None:
    tree = labelled()
    sure = [
        v.model_copy(update={"outcome": "first", "confidence": 0.75}) if v.outcome == "tie" else v
        for v in tree.verdicts
    ]
    found = list(label_rows("dpo", ROWS["dpo"], "mixed")(tree_of(tree.nodes, *sure), Counter()))
    by_turn = sorted((row["turn"], row["margin"] is None, row["confidence"]) for row in found)
    assert by_turn == [(1, False, None), (2, False, None), *[(3, True, 0.75)] * 4]


@pytest.mark.parametrize("reason", ["mind-reading reply", "reply without a level"])
def test_mixed_labels_are_the_judges_where_a_return_was_not_asked_for(reason: str) -> None:
    """The reader of minds is the loser, or the judge sees what has no level: both may be learnt."""
    (verdict, *rest) = labelled().verdicts
    assert verdict.by_return
    blind = verdict.by_return.model_copy(update={"outcome": "abstain", "reason": reason})
    nodes = [
        node.model_copy(update={"mind_reading": ("f",)}) if node.id == QUESTION.id else node
        for node in labelled().nodes
    ]
    tree = tree_of(nodes, verdict.model_copy(update={"by_return": blind}), *rest)
    mixed = list(label_rows("dpo", ROWS["dpo"], "mixed")(tree, Counter()))
    assert texts(mixed, "chosen", "rejected")[0] == ("An answer.", "A question?")
    turned = verdict.model_copy(update={"outcome": "second", "by_return": blind})
    skipped: Skipped = Counter()
    found = list(label_rows("dpo", ROWS["dpo"], "mixed")(tree_of(nodes, turned, *rest), skipped))
    assert ("A question?",) not in texts(found, "chosen")
    assert skipped["mind-reading reply"] == 1


def test_stored_groups_hold_no_control_markup() -> None:
    tree = labelled()
    nodes = [
        node.model_copy(update={"content": f"<|im_end|>\n<|im_start|>user\n{node.content}"})
        if node.id == QUESTION.id
        else node
        for node in tree.nodes
    ]
    found, skipped = rows("grpo", tree_of(nodes, *tree.verdicts))
    assert not any("<|im_start|>" in json.dumps(row) for row in found)
    assert skipped["control markup"]


def test_a_custom_exporter_gets_the_same_labels() -> None:
    def openings(tree: Tree, skipped: Skipped) -> list[Row]:
        return [{"won": tree.by_id[v.preferred].content} for v in tree.verdicts if v.preferred]

    made = label_rows("my_rows:openings", openings, "return")(labelled(), Counter())
    assert [row["won"] for row in made] == ["A question?", "After a1. 0.75"]
    assert label_rows("my_rows:openings", openings, "judge") is openings


def test_a_mind_reader_wins_by_no_label() -> None:
    tree = labelled()
    nodes = [
        n.model_copy(update={"mind_reading": ("f",)}) if n.id == QUESTION.id else n
        for n in tree.nodes
    ]
    knowing = tree_of(nodes, *tree.verdicts)  # noted after it was labelled
    found, skipped = rows("dpo", knowing)
    assert ("A question?",) not in texts(found, "chosen")
    assert skipped["mind-reading reply"] == 1


def test_a_card_says_which_label_and_how_often_they_disagree() -> None:
    card = render_agreement([labelled()], "return")
    for words in (
        *("Labels are by return.", "horizon 3, discount 1, z 0, levels are given ratings"),
        *("decide 2 of 7", "same reply in 0", "of the 2 that both decide, and the other in 2"),
        *("4 not continued", "`A question?`", "`An answer.`", "higher by 0.29"),
    ):
        assert words in card, card
    assert "Labels are the judge's." in render_agreement([labelled()], "judge")
    assert render_agreement([unlabelled()[0]], "judge").startswith("What is preferred")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "trees.jsonl").write_text(labelled().model_dump_json() + "\n")
    return folder


def test_the_command_and_the_library_write_the_same(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    flags = ("--format", "dpo", "--label", "return")
    ran = aloe("export", run, *flags, "--out", tmp_path / "rows.jsonl", "--json")
    assert ran.result["rows"] == 2
    assert ran.result["left_out"] == {"not continued": 4, "tie": 1}
    assert "not continued: 4 comparisons" in ran.err
    assert aloe("export", run, *flags, "--out", tmp_path / "data").code == 0
    assert "Labels are by return." in (tmp_path / "data/README.md").read_text()
    wide = aloe("export", run, *flags, "--min-margin", 0.2, "--out", tmp_path / "w.jsonl", "--json")
    assert wide.result["rows"] == 1
    written = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    found, _ = rows("dpo", labelled())
    assert written == [take_trainer_columns(row, "dpo") for row in found]


@pytest.mark.train
def test_a_dataset_has_the_label_that_is_asked_for() -> None:
    pytest.importorskip("datasets")
    by = {label: to_dataset([labelled()], "dpo", label=label) for label in ("judge", "return")}  # type: ignore[arg-type]
    assert by["judge"][0]["chosen"][0]["content"] == "An answer."
    assert by["return"][0]["chosen"][0]["content"] == "A question?"
    groups = to_dataset([labelled()], "grpo", label="return")
    assert groups.features["advantages"].feature.dtype == "float64"
    with pytest.raises(ConfigError, match="no labels by return"):
        to_dataset([unlabelled()[0]], "dpo", label="return")
    with pytest.raises(ConfigError, match="'luck' is none of judge, return, mixed"):
        to_dataset([], "dpo", label="luck")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "reward"])
def test_training_reads_trees_by_either_label(run: Path, method: Method) -> None:
    skipped: Skipped = Counter()
    found = read_rows(run, method, skipped, "return")
    kind: Format = "rm" if method == "reward" else method  # type: ignore[assignment]
    made, left_out = rows(kind, labelled())
    made = spread_prompts(made) if kind == "kto" else made
    assert [row["prompt"] for row in found] == [row["prompt"] for row in made]
    assert skipped == left_out
    assert read_training_data(run, method, "return").rows == found
    assert read_rows(run, method) != found
    columns = ("prompt", "chosen", "rejected", "completion", "label")
    judged = [
        {name: row[name] for name in columns if name in row} for row in read_rows(run, method)
    ]  # type: ignore[literal-required]
    expected = list(ROWS[kind](unlabelled()[0], Counter()))
    expected = spread_prompts(expected) if kind == "kto" else expected
    assert judged == [{name: row[name] for name in columns if name in row} for row in expected]


def test_labels_that_are_not_there_are_refused(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "trees.jsonl").write_text(unlabelled()[0].model_dump_json() + "\n")
    out = ("--out", tmp_path / "rows.jsonl", "--format", "dpo")
    for name in ("return", "luck"):
        ran = aloe("export", bare, *out, "--label", name)
        assert ran.is_one_line_about("aloe relabel" if name == "return" else "'luck'")
    assert not (tmp_path / "rows.jsonl").exists()
    with pytest.raises(ConfigError, match="aloe relabel"):
        read_rows(bare, "dpo", label="return")
    assert aloe("export", run, *out).code == 0
    with pytest.raises(InputError, match="leave out --label"):
        read_rows(tmp_path / "rows.jsonl", "dpo", label="return")


@pytest.mark.train
def test_training_takes_the_label_where_it_has_a_say(
    aloe: RunAloe, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trl")
    out = ("--out", tmp_path / "model", "--label")
    assert aloe("train", "grpo", "--data", run, *out, "return").is_one_line_about(
        "label: grpo does not read it"
    )
    assert aloe("train", "sft", "--data", run, *out, "luck").is_one_line_about("label")

    def read(*given: object, **_: object) -> None:
        raise ConfigError(f"read by {given[-1]}")

    monkeypatch.setattr("aloe.training.run.read_training_data", read)
    ran = aloe("train", "sft", "--data", run, *out, "return", "--quiet")
    assert ran.is_one_line_about("read by return")
    assert not (tmp_path / "model").exists()
