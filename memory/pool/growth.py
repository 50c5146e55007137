"""The growth log: what became of every candidate, and what follows from it.

growth.jsonl holds one line per candidate, in the order they were judged: what was requested,
whether it was accepted, and if not the reasons and the text, so that rejections can be inspected.
The saturation curve, the acceptance over the last window, and the number at which growth resumes
(no seed is ever used twice) all come from here. It is only a record: a pool opens without it.

What was accepted and still has no mate is in waiting.jsonl, written anew after each round, from
which the next growth takes it up.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from aloe.files.appending import append_lines, cut_torn_line
from aloe.files.records import read_models
from aloe.files.writing import model_lines, replace_text
from aloe.memory.axes import Axes, Kind
from aloe.memory.descriptions import Description
from aloe.schema import Lineage, Record


class Outcome(Record):
    """What became of one candidate: one line of growth.jsonl."""

    number: int
    """Position among all candidates of the pool, from 0; its seeds derive from it."""
    kind: Kind
    axes: Axes
    reasons: tuple[str, ...] = ()
    """Why it was refused; empty if it was accepted."""
    nearest: str | None = None
    """Content hash of the most similar description; None if the gate was not reached."""
    similarity: float | None = None
    text: str | None = None
    """The text if it was refused; accepted texts are in personas.jsonl, or wait for a mate."""

    @classmethod
    def of(cls, number: int, given: Description, reasons: Sequence[str] = ()) -> "Outcome":
        """Build the line of a candidate that was accepted (no reasons) or refused."""
        return cls(
            number=number,
            kind=given.kind,
            axes=given.axes,
            reasons=tuple(reasons),
            similarity=given.lineage.nearest,
            text=given.text if reasons else None,
        )


class Waiting(Record):
    """An accepted description without a mate: one line of waiting.jsonl."""

    kind: Kind
    text: str
    axes: Axes
    lineage: Lineage


def write_waiting(path: Path, descriptions: Sequence[Description]) -> None:
    """Keep what waits for a mate, in place of what waited before.

    Raises:
        StoreError: the file cannot be written.
    """
    if descriptions or path.exists():
        lines = (Waiting.model_validate(each, from_attributes=True) for each in descriptions)
        replace_text(path, model_lines(lines))


def read_waiting(path: Path) -> list[Description]:
    """Return what waits for a mate.

    Raises:
        InputError: a line is broken (with its number).
    """
    if not path.exists():
        return []
    found = read_models(path, Waiting, what="not a description that waits; delete the file")
    return [
        Description(kind=line.kind, text=line.text, axes=line.axes, lineage=line.lineage)
        for _, line in found
    ]


class GrowthLog:
    """The growth log of one pool, read once and then appended to.

    Args:
        path: growth.jsonl.
        window: how many candidates the acceptance rate looks back on.
    """

    def __init__(self, path: Path, window: int) -> None:
        self.refusals: Counter[str] = Counter()
        self.judged = 0
        self.accepted = 0
        self.next_number = 0
        self._path = path
        self._recent: deque[bool] = deque(maxlen=window)
        cut_torn_line(path)
        for outcome in read_growth(path):
            self._count(outcome)
        self._recent.clear()

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Append outcomes.

        Raises:
            StoreError: the file cannot be written.
        """
        lines = "".join(o.model_dump_json(exclude_defaults=True) + "\n" for o in outcomes)
        then = "admitted personas are saved, and the same command resumes from there"
        append_lines(self._path, lines, then=then)
        for outcome in outcomes:
            self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        self.judged += 1
        self.accepted += not outcome.reasons
        self.refusals.update(outcome.reasons)
        self.next_number = max(self.next_number, outcome.number + 1)
        self._recent.append(not outcome.reasons)

    @property
    def acceptance(self) -> float | None:
        """Accepted share of this process's last window; None until the window is full."""
        full = len(self._recent) == self._recent.maxlen
        return sum(self._recent) / len(self._recent) if full else None

    @property
    def curve(self) -> list[bool]:
        """The fates in the window, oldest first."""
        return list(self._recent)


def read_growth(path: Path) -> Iterator[Outcome]:
    """Yield the outcomes in a growth log; a torn last line is passed over.

    Raises:
        InputError: a line is broken (with its number).
    """
    if not path.exists():
        return
    for _, outcome in read_models(path, Outcome, what="not what became of a candidate", torn=True):
        yield outcome
