"""95% intervals of what is counted within trees, whose messages are no independent draws.

Trees are the clusters: a tree in which everything goes well says little more than one reply of it.
Where there are fewer than `LEAST_CLUSTERS` trees no interval is given, as in the benchmark.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

LEAST_CLUSTERS = 6
"""The fewest of which an interval or a test says something: where every cluster goes one way, the
p-value of flipped signs is 2 / 2**clusters or more."""

Z = NormalDist().inv_cdf(0.975)


def share_interval(clusters: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """Return Wilson's interval of a share, within 0..1; None if there are too few clusters.

    The number of observations is the effective one: as many independent ones as would vary as much.

    Args:
        clusters: values 0 or 1, by cluster; none is empty.
    """
    if len(clusters) < LEAST_CLUSTERS:
        return None
    share, spread = _mean(clusters), _standard_error(clusters)
    # Where all agree, nothing varies: then each cluster counts once.
    size = share * (1 - share) / spread**2 if spread > 1e-9 else len(clusters)
    size = min(size, sum(map(len, clusters)))
    middle = (share + Z**2 / (2 * size)) / (1 + Z**2 / size)
    half = Z / (1 + Z**2 / size) * sqrt(share * (1 - share) / size + Z**2 / (4 * size**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(clusters: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """Return Student's interval of a mean; None if there are too few clusters.

    Args:
        clusters: values by cluster; none is empty.
    """
    if len(clusters) < LEAST_CLUSTERS:
        return None
    mean, half = _mean(clusters), _student(len(clusters) - 1) * _standard_error(clusters)
    return mean - half, mean + half


def _mean(clusters: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, clusters)) / sum(map(len, clusters))


def _standard_error(clusters: Sequence[Sequence[float]]) -> float:
    """Return that of the mean of all values, robust to clusters that hang together."""
    mean, count = _mean(clusters), len(clusters)
    squares = sum((sum(each) - mean * len(each)) ** 2 for each in clusters)
    return sqrt(count / (count - 1) * squares) / sum(map(len, clusters))


def _student(freedom: int) -> float:
    """Return the 97.5% point of Student's distribution (Cornish and Fisher; 1% off at most)."""
    second = (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    return Z + (Z**3 + Z) / (4 * freedom) + second / freedom**2
