"""Numbers with their intervals, from the rows of one suite under one condition.

Every row of the arrays here is one dialogue, and what varies are profiles and personalities as a
whole (see `aloe.benchmark.inference`), so repetitions with other seeds are repetitions and not more
users. A cell is the mean over the judges, and missing if one judge's
rating is: judges differ in strictness, so the others alone would be another scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from aloe.benchmark.inference import Interval, confidence_interval
from aloe.benchmark.rare_events import FREE, SHARE, Bounds
from aloe.benchmark.scores import ReplyScores, Shown
from aloe.benchmark.statistics import Array, Statistic, average_level, divide
from aloe.players import RULE
from aloe.schema import Record

SCALES: dict[str, Bounds] = {"rule": (0.0, 1.0), "model": (1.0, 5.0)}
"""Lowest and highest level, by who gives it."""


class Figure(Record):
    """A number with its 95% interval."""

    value: float | None
    """None where it is undefined."""
    low: float | None = None
    """None, like `high`, where too few profiles and personalities are there to tell, fewer than
    six, or the number is undefined without one of the dialogues."""
    high: float | None = None
    count: int = Field(ge=0)
    """Cells, replies or dialogues that it rests on."""

    @classmethod
    def of(cls, interval: Interval, count: int) -> "Figure":
        """Return an interval as a figure; without its ends if one of them is infinite."""
        low, high = (interval.low, interval.high) if interval.bounded else (None, None)
        return cls(value=interval.estimate, low=low, high=high, count=count)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The dialogues of one suite under one condition, as arrays."""

    dialogues: tuple[tuple[str, int], ...]
    """Case and seed of each."""
    profiles: tuple[str, ...]
    personalities: tuple[str, ...]
    judges: tuple[str, ...]
    by_judge: dict[Shown, Array]
    """Shape (dialogues, turns, judges); NaN where missing."""
    rows: tuple[tuple[ReplyScores, ...], ...]
    """The replies of each dialogue, by turn."""

    @property
    def judged_by(self) -> Literal["rule", "model"]:
        """Who gives the levels."""
        return "rule" if self.judges == (RULE,) else "model"

    @property
    def scale(self) -> Bounds:
        """Lowest and highest level that they can give."""
        return SCALES[self.judged_by]

    def cells(self, shown: Shown) -> Array:
        """Return the mean over the judges, shape (dialogues, turns); NaN if one is missing."""
        mean: Array = self.by_judge[shown].mean(axis=2)
        return mean

    @property
    def gain(self) -> Array:
        """Own minus swapped, shape (dialogues, turns)."""
        return self.cells("own") - self.cells("swapped")

    def each(self, name: str) -> Array:
        """Return a number of every reply, shape (dialogues, turns); NaN where it is None."""

        def value(reply: ReplyScores) -> float | None:
            found = getattr(reply, name) if reply.reply else None
            return len(found) if isinstance(found, tuple) else found

        return self.measure(value)

    def measure(self, value: Callable[[ReplyScores], float | None]) -> Array:
        """Return what `value` gives for every reply, shape (dialogues, turns); NaN for None."""
        turns = self.by_judge["own"].shape[1]
        found = np.full((len(self.rows), turns), np.nan)
        for row, replies in enumerate(self.rows):
            for reply in replies:
                number = value(reply)
                found[row, reply.turn - 1] = np.nan if number is None else float(number)
        return found

    def figure(
        self,
        statistic: Statistic,
        table: Array | None = None,
        *,
        mass: Array | None = None,
        bounds: Bounds = FREE,
    ) -> Figure:
        """Return a statistic of `table` with its interval.

        Args:
            statistic: see `aloe.benchmark.statistics.Statistic`.
            table: shape (dialogues, turns); the cells for the own persona if not given.
            mass: shape (dialogues,): on how much of each dialogue it rests; the number of its
                cells if not given.
            bounds: what no value can leave, nor can the interval.
        """
        cells = self.cells("own") if table is None else table
        count = int(np.count_nonzero(~np.isnan(cells)))
        if not len(cells):
            return Figure(value=None, count=0)
        plain = float(statistic(cells, np.ones((1, len(cells))))[0])
        if np.isnan(plain):
            return Figure(value=None, count=count)
        try:
            found = confidence_interval(
                cells, self.profiles, self.personalities, statistic, mass=mass, bounds=bounds
            )
        except ValueError:  # one cluster only, or undefined without one of the dialogues
            return Figure(value=plain, count=count)
        return Figure.of(found, count)

    def curve(self, table: Array, *, bounds: Bounds = FREE) -> tuple[Figure, ...]:
        """Return the mean of each turn of `table`, over the dialogues that have it."""
        turns = range(table.shape[1])
        return tuple(
            self.figure(average_level, table[:, turn : turn + 1], bounds=bounds) for turn in turns
        )

    def ratio(self, hits: Array, of: Array) -> Figure:
        """Return sum of `hits` over sum of `of` (each one number a dialogue) with its interval."""

        def share(_: Array, weights: Array) -> Array:
            return divide(weights @ hits, weights @ of)

        return self.figure(share, of[:, None], mass=of, bounds=SHARE).model_copy(
            update={"count": int(of.sum())}
        )

    def rate(self, name: str) -> Figure:
        """Return the share of the replies in which `name` holds."""
        found = self.each(name)
        known = ~np.isnan(found)
        return self.ratio((found > 0).sum(axis=1), known.sum(axis=1))


def sample(rows: Sequence[ReplyScores]) -> Sample:
    """Arrange the rows of one suite under one condition.

    Args:
        rows: in any order, complete dialogues.
    """
    found: dict[tuple[str, int], list[ReplyScores]] = {}
    for row in rows:
        found.setdefault((row.case, row.seed), []).append(row)
    dialogues = {key: sorted(each, key=lambda r: r.turn) for key, each in sorted(found.items())}
    judges = tuple(sorted({score.judge for row in rows for score in row.scores}))
    shape = (len(dialogues), max((row.turn for row in rows), default=0), len(judges))
    tables: dict[Shown, Array] = {
        "own": np.full(shape, np.nan),
        "swapped": np.full(shape, np.nan),
    }
    for number, replies in enumerate(dialogues.values()):
        for reply in replies:
            for score in reply.scores:
                if score.value is not None:
                    place = number, reply.turn - 1, judges.index(score.judge)
                    tables[score.shown][place] = score.value
    return Sample(
        dialogues=tuple(dialogues),
        profiles=tuple(replies[0].profile for replies in dialogues.values()),
        personalities=tuple(replies[0].personality for replies in dialogues.values()),
        judges=judges,
        by_judge=tables,
        rows=tuple(tuple(replies) for replies in dialogues.values()),
    )


def length_terms(cells: Array, words: Array) -> tuple[Statistic, Statistic]:
    """Return two statistics: what a doubled length is worth, and IR at equal length.

    Scores are regressed on the turn and on log2 of the words, within dialogues, so what a dialogue
    is like as a whole explains nothing. Both are NaN where the lengths or turns do not vary.

    Args:
        cells: shape (dialogues, turns), in judge units; NaN where missing.
        words: the same shape.
    """
    known = ~np.isnan(cells) & ~np.isnan(words)
    turn = np.broadcast_to(np.arange(1.0, cells.shape[1] + 1), cells.shape)
    terms = [turn, np.log2(np.maximum(np.nan_to_num(words), 1.0)), np.nan_to_num(cells)]
    turns, lengths, scores = (_within(each, known) for each in terms)
    squares = np.stack(
        [(a * b).sum(axis=1) for a, b in ((turns, turns), (turns, lengths), (lengths, lengths))]
    )
    products = np.stack([(a * scores).sum(axis=1) for a in (turns, lengths)])

    def solved(weights: Array) -> tuple[Array, Array]:
        tt, tl, ll = squares @ weights.T
        t, x = products @ weights.T
        determinant = tt * ll - tl * tl
        known = np.where(determinant > 1e-9 * np.maximum(tt * ll, 1e-12), determinant, 0.0)
        return divide(ll * t - tl * x, known), divide(tt * x - tl * t, known)

    return (lambda _, weights: solved(weights)[1], lambda _, weights: solved(weights)[0])


def _within(table: Array, known: npt.NDArray[np.bool_]) -> Array:
    """Return what deviates from each dialogue's own mean; 0 where not known."""
    counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, table, 0.0).sum(axis=1, keepdims=True) / counts
    deviation: Array = np.where(known, table - mean, 0.0)
    return deviation
