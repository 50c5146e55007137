"""How well a model finds out what its user has not said, from the rows of a suite.

Shares are taken over things told, over questions or over known wishes of all dialogues together,
and their intervals are those of every other figure: whole users vary, never single questions.
"""

from collections.abc import Callable
from typing import get_args

import numpy as np

from aloe.benchmark.figures import Figure, Sample
from aloe.benchmark.rare_events import COUNT, SHARE
from aloe.benchmark.scores import Elicitation
from aloe.benchmark.statistics import Array, average_level, mean_cell
from aloe.schema import Why

LAST = 2
"""Turns at the end of a dialogue whose AL is shown by itself: there it tells what asking gave."""


def compute_elicitation(data: Sample) -> dict[str, Figure]:
    """Return the figures by name; see docs/benchmark.md. Those without data have count 0."""
    shares = measure_known(data)
    if np.isnan(shares).all():
        return {}
    return {
        "known": data.figure(average_level, take_last(data, shares, 1), bounds=SHARE),
        **_ways(data),
        "unkept": data.ratio(
            _sum(data, lambda found: found.broken),
            _sum(data, lambda found: found.known if found.broken is not None else None),
        ),
        "al_last": data.figure(
            average_level, take_last(data, data.cells("own")), bounds=data.scale
        ),
        "gain_last": data.figure(average_level, take_last(data, data.gain)),
        "questions": _count(data, lambda found: found.questions),
        **_answers(data),
        "needless": _count(data, lambda found: found.needless),
    }


def take_last(data: Sample, table: Array, count: int = LAST) -> Array:
    """Return the cells of the last turns of each dialogue, shape (dialogues, count).

    Args:
        data: whose dialogues; they may differ in length.
        table: shape (dialogues, turns).
        count: of turns; a dialogue with fewer has NaN in front.
    """
    found = np.full((len(data.rows), count), np.nan)
    for place, replies in enumerate(data.rows):
        end = replies[-1].turn
        cells = table[place, max(0, end - count) : end]
        found[place, count - len(cells) :] = cells
    return found


def measure_known(data: Sample) -> Array:
    """Return the share of wishes (statements) known by each turn, shape (dialogues, turns)."""
    return measure_each(
        data, lambda found: found.known / found.knowable if found.knowable else None
    )


def measure_each(data: Sample, value: Callable[[Elicitation], float | None]) -> Array:
    """Return what `value` gives for every reply, shape (dialogues, turns); NaN for None."""
    return data.measure(lambda row: value(row.elicitation) if row.elicitation else None)


def depends_on_replies(data: Sample) -> bool:
    """Whether what comes to light depends on the replies, of some user at least."""
    found = (row.elicitation for replies in data.rows for row in replies)
    return any(each is not None and not each.scheduled for each in found)


def _count(data: Sample, value: Callable[[Elicitation], float | None]) -> Figure:
    """Return how many of something there are a reply."""
    return data.figure(mean_cell, measure_each(data, value), bounds=COUNT)


def _ways(data: Sample) -> dict[str, Figure]:
    """Return which share of what was told came to light in each way."""
    told = _sum(data, lambda found: len(found.told))

    def count(why: Why) -> Array:
        return _sum(data, lambda found: sum(each.why == why for each in found.told))

    return {f"known_{why}": data.ratio(count(why), told) for why in get_args(Why)}


def _answers(data: Sample) -> dict[str, Figure]:
    """Return which share of the questions, of those that a message followed, came to what."""
    asked = _sum(data, _asked)
    brought = _sum(data, lambda found: found.answered and found.answer == "told")
    again = _sum(data, lambda found: found.answered and found.answer == "again")
    return {
        "asked_new": data.ratio(brought, asked),
        "asked_again": data.ratio(again, asked),
        "asked_idle": data.ratio(asked - brought - again, asked),
    }


def _asked(found: Elicitation) -> int:
    """Return how many questions could be answered: at least the one that was."""
    return max(found.questions, found.answer is not None) if found.answered else 0


def _sum(data: Sample, value: Callable[[Elicitation], float | None]) -> Array:
    """Return a sum over the turns of each dialogue, shape (dialogues,)."""
    total: Array = np.nansum(measure_each(data, value), axis=1)
    return total
