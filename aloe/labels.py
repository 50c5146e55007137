"""What people said about pairs of replies: one line per label, append-only.

A label records what was shown first, never what the judge said: the file is as blind as the person
was. If a person labels a pair several times the last label counts, so a change of mind is another
line and labelling can stop at any point.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from aloe.files.appending import append_lines
from aloe.files.records import read_models
from aloe.files.writing import model_lines
from aloe.schema import Record, Tree, Verdict, digest

LABELS = "labels.jsonl"
"""The file of labels beside the trees of a run."""

Answer = Literal["first", "second", "tie", "skip"]

SEEN = "browser"
"""Rater of labels that were given beside the judge's marks, in `aloe trace --tui`: they are kept
like the others, and left out where people are compared with the judge."""


class Label(Record):
    """What one person said about one comparison."""

    pair: str
    """Content hash of tree, message and both replies; see `pair_id`."""
    tree: str
    node: str
    """User node whose replies were compared."""
    first: str
    second: str
    rater: str
    answer: Answer
    """The better reply as the verdict counts them, or `skip` where the person would not say."""
    shown: Literal["first-second", "second-first"]
    """Which reply was shown as A, then which as B."""
    seconds: float
    """Time that the person took."""


def pair_id(tree: str, verdict: Verdict) -> str:
    """Return the content hash under which a comparison is labelled."""
    return digest(tree, verdict.node, verdict.first, verdict.second)


def read_labels(path: Path) -> list[Label]:
    """Return the labels in `path` that count, the oldest first; none if there is no such file.

    Raises:
        InputError: a line is broken (with its number).
    """
    if not path.exists():
        return []
    return latest(label for _, label in read_models(path, Label, what="not a label"))


def latest(labels: Iterable[Label]) -> list[Label]:
    """Return the last label of each person on each pair, in the order of those."""
    found: dict[tuple[str, str], Label] = {}
    for label in labels:
        found.pop((label.rater, label.pair), None)
        found[label.rater, label.pair] = label
    return list(found.values())


def fit_labels(labels: Iterable[Label], trees: Iterable[Tree]) -> Iterator[Label]:
    """Yield the labels of comparisons that `trees` hold, each pair in the order it has there."""
    verdicts = {
        (tree.id, frozenset((each.first, each.second))): each
        for tree in trees
        for each in tree.verdicts
    }
    for label in labels:
        if verdict := verdicts.get((label.tree, frozenset((label.first, label.second)))):
            yield label if label.first == verdict.first else _turn(label, verdict)


def _turn(label: Label, verdict: Verdict) -> Label:
    """Return the label of a pair that the verdict names in the other order."""
    answers: dict[Answer, Answer] = {"first": "second", "second": "first"}
    shown = "second-first" if label.shown == "first-second" else "first-second"
    return label.model_copy(
        update={
            "pair": pair_id(label.tree, verdict),
            "first": label.second,
            "second": label.first,
            "answer": answers.get(label.answer, label.answer),
            "shown": shown,
        }
    )


def append_labels(path: Path, labels: Iterable[Label]) -> None:
    """Add labels, all or none.

    Raises:
        StoreError: the file cannot be written.
    """
    append_lines(path, model_lines(labels))
