"""What people said about pairs of replies: one line a label, only ever appended.

A label says what was shown first, never what the judge had said: the file is as blind as the
person was. Of several labels of one person on one pair the last counts, so changing one's mind is
another line and a run of labels can be stopped anywhere.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from aloe.errors import InputError, StoreError
from aloe.schema import Record, Verdict, digest

Answer = Literal["first", "second", "tie", "skip"]


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
    found: list[Label] = []
    if not path.exists():
        return found
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            try:
                found.append(Label.model_validate_json(line))
            except ValidationError as error:
                text = f"not a label: {error.errors()[0]['msg']}; mend the line or take it out"
                raise InputError(path, text, line=number) from None
    return latest(found)


def latest(labels: Iterable[Label]) -> list[Label]:
    """Return the last label of each person on each pair, in the order of those."""
    found: dict[tuple[str, str], Label] = {}
    for label in labels:
        found.pop((label.rater, label.pair), None)
        found[label.rater, label.pair] = label
    return list(found.values())


def append_label(path: Path, label: Label) -> None:
    """Add one label.

    Raises:
        StoreError: the file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(label.model_dump_json() + "\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror})") from None
