"""Whose labels become verdicts."""

from collections import Counter
from pathlib import Path

import pytest
from builders import config, grow

from aloe.errors import ConfigError
from aloe.labels import SEEN, Answer, Label, append_labels, pair_id
from aloe.training.people import NOBODY, read_people, take_people

TREE = grow(config())
VERDICT = TREE.verdicts[0]


def label(rater: str, answer: Answer) -> Label:
    return Label(
        pair=pair_id(TREE.id, VERDICT), tree=TREE.id, node=VERDICT.node, first=VERDICT.first,
        second=VERDICT.second, rater=rater, answer=answer, shown="first-second", seconds=1.0,
    )  # fmt: skip


def test_labels_given_beside_the_judges_marks_are_left_out(tmp_path: Path) -> None:
    labels = [label("ann", "first"), label(SEEN, "second")]
    append_labels(tmp_path / "labels.jsonl", labels)
    skipped: Counter[str] = Counter()
    (verdict,) = take_people(TREE, read_people(tmp_path), skipped).verdicts
    assert (verdict.outcome, verdict.confidence) == ("first", 1.0)
    assert skipped == {NOBODY: len(TREE.verdicts) - 1}


def test_a_run_with_no_other_labels_has_none_by_people(tmp_path: Path) -> None:
    append_labels(tmp_path / "labels.jsonl", [label(SEEN, "second")])
    with pytest.raises(ConfigError, match="only labels given beside the judge's marks"):
        read_people(tmp_path)
