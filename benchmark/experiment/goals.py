"""What an experiment was to show, and whether it did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aloe.benchmark.compare import Side, compare
from aloe.benchmark.experiment.pipeline import BASE, CONTROL
from aloe.benchmark.experiment.tested import Tested
from aloe.benchmark.figures import Figure, sample
from aloe.benchmark.markdown import format_interval, format_percent
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.statistics import Array, average_level, divide

GOAL = 0.32
"""Relative gain in average AL that is aimed at: what the paper reports on average."""
AT_LEAST = 0.2
"""What the whole interval of that gain is to be above."""
AROUND = 0.05
"""How far from 0 own - swapped of the shuffled control may be."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One thing that was to be shown."""

    name: str
    found: str
    reached: bool

    @classmethod
    def above(cls, name: str, figure: Figure) -> "Goal":
        """Return the goal that the whole interval of a figure is above 0."""
        return cls(name=name, found=format_interval(figure), reached=is_above(figure))

    @classmethod
    def not_above(cls, name: str, figure: Figure) -> "Goal":
        """Return the goal that a figure has an interval and it is not above 0."""
        reached = figure.low is not None and figure.low <= 0
        return cls(name=name, found=format_interval(figure), reached=reached)


def judge_goals(by_name: Mapping[str, Tested], best: str) -> list[Goal]:
    """Return what was to be shown, with what was found."""
    base, tuned, control = by_name[BASE], by_name[best], by_name[CONTROL]
    relative = compute_relative_gain(base.rows, tuned.rows)
    gain = tuned.result.figures["gain"]
    slope = compute_differences(base.side, tuned.side)["ir"]
    control_gain = control.result.figures["gain"]
    control_slope = compute_differences(base.side, control.side)["ir"]
    return [
        Goal(
            name=f"average AL at least {GOAL:.0%} above the base",
            found=format_percent(relative),
            reached=(relative.value or 0.0) >= GOAL,
        ),
        Goal(
            name=f"its whole interval above {AT_LEAST:.0%}",
            found=format_percent(relative),
            reached=relative.low is not None and relative.low > AT_LEAST,
        ),
        Goal.above("own - swapped above 0", gain),
        Goal.above("IR above the base's", slope),
        Goal.not_above("shuffled: own - swapped not above 0", control_gain),
        Goal(
            name=f"shuffled: own - swapped at most {AROUND} from 0",
            found=format_interval(control_gain),
            reached=control_gain.value is not None and abs(control_gain.value) <= AROUND,
        ),
        Goal.not_above("shuffled: IR not above the base's", control_slope),
    ]


def is_above(figure: Figure) -> bool:
    """Whether the whole interval is above 0."""
    return figure.low is not None and figure.low > 0


def compute_relative_gain(base: Sequence[ReplyScores], tuned: Sequence[ReplyScores]) -> Figure:
    """Return by which share of the base's average AL the tuned model's is higher."""
    one, other = sample(base), sample(tuned)
    levels, turns = one.cells("own"), one.by_judge["own"].shape[1]

    def ratio(table: Array, weights: Array) -> Array:
        before = average_level(table[:, :turns], weights)
        return divide(average_level(table[:, turns:], weights), before) - 1.0

    assert one.dialogues == other.dialogues, "every model meets the same users"
    return one.figure(ratio, np.hstack([levels, other.cells("own")]))


def compute_differences(base: Side, other: Side) -> dict[str, Figure]:
    """Return by how much `other` exceeds `base`, by metric."""
    return {line.metric: line.difference for line in compare([base, other])}
