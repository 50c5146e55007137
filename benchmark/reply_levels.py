"""The level of a reply, and its mean over some replies, by the rule of the figures.

A judge that is missing takes the reply out of every mean: judges differ in strictness, so the
others alone would be another scale.
"""

from collections.abc import Iterable
from statistics import fmean

from aloe.benchmark.scores import ReplyScores, Shown


def reply_level(row: ReplyScores, whose: Shown) -> float | None:
    """Return the mean over the judges; None if one of them is missing, as in the figures."""
    values = [score.value for score in row.of(whose)]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def mean_level(rows: Iterable[ReplyScores]) -> float | None:
    """Return the mean level for the user's own persona; None if no reply has one."""
    levels = [level for row in rows if (level := reply_level(row, "own")) is not None]
    return fmean(levels) if levels else None


def mean_gain(rows: Iterable[ReplyScores]) -> float | None:
    """Return the mean of own minus swapped; None if no reply has both."""
    pairs = [(reply_level(row, "own"), reply_level(row, "swapped")) for row in rows]
    gains = [own - swapped for own, swapped in pairs if own is not None and swapped is not None]
    return fmean(gains) if gains else None
