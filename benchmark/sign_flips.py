"""Random sign flips of clusters: what a statistic might have been if its true value were 0.

A flip changes the signs of whole clusters, so it needs only their sums. The squared statistic of
each flip is a parabola in the value being tested, which makes a p-value for another value cheap:
the bounds of an interval are found by trying many.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np

from aloe.benchmark.clusters import Factor
from aloe.benchmark.statistics import Array
from aloe.intervals import LEAST_CLUSTERS

ALL_FLIPS = 11
"""Clusters up to which every pattern of signs is tried, 2**(clusters - 1) of them."""

SAME = 1e-9
"""Statistics that differ by less than this share are tied."""


@dataclass(frozen=True, kw_only=True)
class Parabola:
    """a - 2 b x + c x**2: a sum of squares as it changes with the value that is tested."""

    a: Array
    b: Array
    c: Array

    @classmethod
    def of(cls, sums: Array, shares: Array) -> Self:
        """The sum over the last axis of (sums - x * shares)**2."""
        a, b, c = ((p * q).sum(axis=-1) for p, q in _products(sums, shares))
        return cls(a=a, b=b, c=c)

    @classmethod
    def within(cls, squares: Array, sums: Array, shares: Array) -> Self:
        """The same over both axes of a table whose rows are multiplied by roots of `squares`."""
        a, b, c = (squares @ (p * q).sum(axis=1) for p, q in _products(sums, shares))
        return cls(a=a, b=b, c=c)

    def __mul__(self, by: float) -> Self:
        return type(self)(a=self.a * by, b=self.b * by, c=self.c * by)

    def at(self, x: float) -> Array:
        """Its value, 0 where rounding makes it negative."""
        return np.maximum(self.a - 2 * x * self.b + x * x * self.c, 0.0)


def _products(sums: Array, shares: Array) -> Sequence[tuple[Array, Array]]:
    return (sums, sums), (sums, shares), (shares, shares)


@dataclass(frozen=True, kw_only=True)
class FlippedStatistic:
    """The squared statistic of the sample (first) and of its flips, for any value tested."""

    total: Parabola
    """(estimate - value)**2."""
    variances: tuple[Parabola, Parabola, Parabola] | None
    """By flipped factor, by the other, by pairs of both; None with one factor, where the variance
    is the same in all flips."""

    def p_value(self, at: float) -> float:
        """The share of flips that are at least as far from `at` as the sample is."""
        squares = self.total.at(at)
        if self.variances is not None:
            own, other, pairs = (each.at(at) for each in self.variances)
            variance = np.maximum(np.maximum(own, other), own + other - pairs)
            squares = np.divide(squares, variance, out=np.zeros_like(squares), where=variance > 0)
        return float(np.mean(squares >= squares[0] * (1 - SAME)))


def flip(
    parts: Array, shares: Array, factors: Sequence[Factor], flips: int, seed: int
) -> Iterator[FlippedStatistic]:
    """Yield the flips of each factor: of the only one, or of either of two that cross.

    Args:
        parts: Shape (cases,): what each case adds to the estimate.
        shares: Shape (cases,): what each case adds to a value that is the same for all.
        factors: What the cases are clustered by.
        flips: How often to flip where not every pattern is tried.
        seed: The same seed gives the same flips.
    """
    if len(factors) == 1:
        yield _flip_one(parts, shares, factors[0], _signs(factors[0].count, flips, seed))
        return
    enough = max(factor.count for factor in factors) >= LEAST_CLUSTERS
    for rows, columns in (factors, factors[::-1]):
        weights = (_weights if enough else _signs)(rows.count, flips, seed)
        yield _flip_crossed(parts, shares, rows, columns, weights)


@lru_cache(maxsize=4)
def _signs(clusters: int, flips: int, seed: int) -> Array:
    """1 or -1 by flip and cluster, shape (flips, clusters); the first row is the sample, all 1.

    Of few clusters it is every pattern; the other half are the same with all signs turned.
    """
    if clusters <= ALL_FLIPS:
        patterns = np.arange(2 ** (clusters - 1))[:, None] >> np.arange(clusters) & 1
    else:
        patterns = np.random.default_rng(seed).integers(0, 2, (1 + flips, clusters))
        patterns[0] = 0
    signs: Array = np.where(patterns, -1.0, 1.0)
    return signs


@lru_cache(maxsize=4)
def _weights(clusters: int, flips: int, seed: int) -> Array:
    """What stands for signs where clusters are too few to be flipped: the six weights of Webb."""
    if clusters >= LEAST_CLUSTERS:
        return _signs(clusters, flips, seed)
    halves = np.sqrt([0.5, 1.0, 1.5])
    rng = np.random.default_rng(seed)
    weights: Array = rng.choice(np.concatenate([halves, -halves]), (1 + flips, clusters))
    weights[0] = 1.0
    return weights


def _flip_one(parts: Array, shares: Array, factor: Factor, signs: Array) -> FlippedStatistic:
    """Flip the signs of the only factor; `signs` by flip and cluster."""
    sums, each = (signs @ factor.sums(values)[:, None] for values in (parts, shares))
    return FlippedStatistic(total=Parabola.of(sums, each), variances=None)


def _flip_crossed(
    parts: Array, shares: Array, rows: Factor, columns: Factor, weights: Array
) -> FlippedStatistic:
    """Flip the signs of one factor (rows) that crosses another; `weights` by flip and row."""
    sums, each = (rows.table(columns, values) for values in (parts, shares))
    squares, pairs = weights**2, int(np.count_nonzero(each))
    of_columns = weights @ sums, weights @ each
    return FlippedStatistic(
        total=Parabola.of(*(table.sum(axis=1, keepdims=True) for table in of_columns)),
        variances=(
            Parabola.within(squares, *(t.sum(axis=1, keepdims=True) for t in (sums, each)))
            * _unbiased(rows.count),
            Parabola.of(*of_columns) * _unbiased(columns.count),
            Parabola.within(squares, sums, each) * _unbiased(pairs),
        ),
    )


def _unbiased(clusters: int) -> float:
    return clusters / (clusters - 1)
