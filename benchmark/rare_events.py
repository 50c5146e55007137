"""What a mean may be if most clusters have the same value and a few do not.

Flipped signs cannot tell what no cluster has shown: if all agree, nothing is left to flip, and the
interval has no width; if one of seventy deviates, the interval ends far below where the next
seventy might put the mean. So the deviations from the common value, here the median cluster's, are
taken as rare events, upwards and downwards each by itself. Their mean gets the exact limits of a
share (Clopper & Pearson, Biometrika 26, 1934) with as many independent clusters as would vary as
much (Korn & Graubard, Survey Methodology 24, 1998); none seen is limited too. Both sides
together bound the mean (Zou & Donner, Statistics in Medicine 27, 2008). Where clusters scatter to
both sides of the median, this is narrower than flipped signs.
"""

import math
from collections.abc import Sequence

import numpy as np

from aloe.benchmark.clusters import Factor
from aloe.benchmark.statistics import ROUNDING, Array
from aloe.intervals import LEAST_CLUSTERS, Z

Bounds = tuple[float, float]
"""What a cluster's value cannot be below, and above."""

FREE: Bounds = (-math.inf, math.inf)
SHARE: Bounds = (0.0, 1.0)
COUNT: Bounds = (0.0, math.inf)

UNIT = 1.0
"""By how much a cluster is taken to deviate if none does and the bounds do not tell."""

NOISE = 1e3 * ROUNDING
"""Deviations below this share of the values are none."""


def rare_limits(
    parts: Array, shares: Array, factors: Sequence[Factor], bounds: Bounds
) -> Bounds | None:
    """Return the 95% limits of a mean with few deviating clusters, within the bounds.

    Args:
        parts: Shape (cases,): what each case adds to the mean.
        shares: Shape (cases,): how much each counts, above 0 and adding up to 1.
        factors: What the cases are clustered by; those with too few clusters are passed over.
        bounds: Of the value of any cluster.
    """
    found = [
        _limits(factor.sums(parts), factor.sums(shares), bounds)
        for factor in factors
        if factor.count >= LEAST_CLUSTERS
    ]
    if not found:
        return None
    lows, highs = zip(*found, strict=True)
    return max(bounds[0], min(lows)), min(bounds[1], max(highs))


def _limits(sums: Array, shares: Array, bounds: Bounds) -> Bounds:
    values = sums / shares
    common = _median(values, shares)
    off = sums - common * shares
    off[np.abs(off) <= NOISE * np.abs(values).max() * shares] = 0.0
    width = bounds[1] - bounds[0]
    largest = float(np.abs(off / shares).max()) or (width if math.isfinite(width) else UNIT)
    up, least_up, most_up = _deviation(off, shares, largest, bounds[1] - common)
    down, least_down, most_down = _deviation(-off, shares, largest, common - bounds[0])
    mean = float(sums.sum())
    return (
        mean - math.hypot(up - least_up, most_down - down),
        mean + math.hypot(most_up - up, down - least_down),
    )


def _median(values: Array, shares: Array) -> float:
    order = np.argsort(values, kind="stable")
    half = np.searchsorted(np.cumsum(shares[order]), 0.5 - NOISE)
    return float(values[order][half])


def _deviation(off: Array, shares: Array, largest: float, room: float) -> tuple[float, ...]:
    """Return the mean deviation to one side, and its limits.

    Args:
        off: by cluster, times its share; below 0 to the other side.
        shares: by cluster.
        largest: deviation of any cluster, above 0.
        room: how far a cluster can deviate to this side.
    """
    each = np.maximum(off, 0.0)
    mean, clusters = float(each.sum()), len(each)
    if mean == 0:
        size = 1 / float((shares**2).sum())
        return 0.0, 0.0, _most(0.0, size) * max(min(largest, room), 0.0)
    share = mean / largest
    variance = clusters / (clusters - 1) * float(((each / largest - share * shares) ** 2).sum())
    size = share * (1 - share) / variance
    least, most = 1 - _most(size - share * size, size), _most(share * size, size)
    return mean, min(mean, least * largest), max(mean, most * largest)


def _most(events: float, size: float) -> float:
    """Return the upper limit of a share: a quantile of beta, by Paulson's approximation of F."""
    if size - events < NOISE * size:
        return 1.0
    a, b = 1 / (9 * (size - events)), 1 / (9 * (events + 1))
    square = (1 - a) ** 2 - Z**2 * a
    if square <= 0:
        return 1.0
    middle = (1 - a) * (1 - b)
    root = (middle + math.sqrt(middle**2 - square * ((1 - b) ** 2 - Z**2 * b))) / square
    odds = root**3 * (events + 1) / (size - events)
    return odds / (1 + odds)
