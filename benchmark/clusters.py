"""Which cases vary together: those of one profile, and those of one personality."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aloe.benchmark.statistics import Array
from aloe.intervals import LEAST_CLUSTERS


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One way to put the cases into clusters."""

    count: int
    index: npt.NDArray[np.intp]
    """Shape (cases,): the cluster of each case."""

    def sums(self, values: Array) -> Array:
        """Sums by cluster of `values`, one a case."""
        total: Array = np.bincount(self.index, values, minlength=self.count).astype(np.float64)
        return total

    def table(self, columns: "Factor", values: Array) -> Array:
        """Sums of `values` by cluster and by cluster of another factor."""
        table = np.zeros((self.count, columns.count))
        np.add.at(table, (self.index, columns.index), values)
        return table


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """The cases that count, and what they are clustered by."""

    mass: Array
    """Shape (all cases,), adding up to 1."""
    factors: Sequence[Factor]
    """Over the cases with mass: one of them, or two that cross."""


def cluster(
    table: Array,
    profiles: npt.ArrayLike,
    personalities: npt.ArrayLike,
    mass: npt.ArrayLike | None,
) -> Clusters:
    """Find the clusters of a table of scores.

    Args:
        table: Shape (cases, turns), NaN where a score is missing.
        profiles: Shape (cases,): a label for the profile of each case.
        personalities: Shape (cases,): a label for the personality of each case.
        mass: Shape (cases,), 0 or more: how much each case counts; the number of its scores if
            not given.

    Raises:
        ValueError: If there is not one label for each case, no case counts, or nothing varies.
    """
    known = (~np.isnan(table)).sum(axis=1) if mass is None else np.asarray(mass)
    labels = []
    for name, each in (("profiles", profiles), ("personalities", personalities), ("masses", known)):
        if np.shape(each) != (len(table),):
            raise ValueError(f"{len(table)} cases need as many {name}, got shape {np.shape(each)}")
        labels.append(np.asarray(each))
    if not len(table):
        raise ValueError("there are no cases")
    if not known.sum() > 0:
        raise ValueError("the statistic is undefined on the sample itself")
    one, other = (_factor(each[known > 0]) for each in labels[:2])
    if max(one.count, other.count) < 2:
        raise ValueError("nothing varies: all cases share one profile and one personality")
    return Clusters(mass=known / known.sum(), factors=_crossing(one, other))


def _factor(labels: npt.NDArray[np.generic]) -> Factor:
    different, index = np.unique(labels, return_inverse=True)
    return Factor(count=len(different), index=index)


def _crossing(one: Factor, other: Factor) -> Sequence[Factor]:
    """Leave out a factor that is nested in another of clusters enough, which counts it already."""
    pairs = len(np.unique(one.index * other.count + other.index))
    nested = {one.count: other, other.count: one}.get(pairs)
    if one.count == 1 or other.count == 1 or one.count == other.count == pairs:
        return (max(one, other, key=lambda factor: factor.count),)
    return (nested,) if nested and nested.count >= LEAST_CLUSTERS else (one, other)
