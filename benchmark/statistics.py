"""Numbers from a table of judge scores, for many weightings of its cases at once.

The four of `aloe.benchmark.metrics` again, computed some thirty times faster than one by one, as
`aloe.benchmark.inference` needs them; and what a number says when many were looked at or few are to
be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from aloe.benchmark.metrics import ROUNDING, Array

Statistic: TypeAlias = Callable[[Array, Array], Array]
"""`statistic(scores, weights)`: numbers from a table of shape (cases, turns), NaN where a score is
missing. Weights have shape (samples, cases): in sample s case i counts weights[s, i] times, 0 or
more. One number a sample, NaN where it is undefined. `average_level` and `level_slope` are two."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Least-squares lines through AL(k), one a sample (`metrics.improvement_rate`)."""

    slope: Array
    """Judge units per turn; NaN where fewer than two turns have a level."""
    r2: Array
    """NaN as well where the levels are flat."""
    spread: Array
    """Highest level minus lowest; 0 where they are flat."""


def levels(scores: Array, weights: Array) -> Array:
    """AL(k) in each sample, shape (samples, turns); NaN where no case has weight and score."""
    missing = np.isnan(scores)
    total, weight = weights @ np.where(missing, 0.0, scores), weights @ ~missing
    found: Array = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
    return found


def lines(scores: Array, weights: Array) -> Lines:
    """Fit a line to AL(k) in each sample."""
    level = levels(scores, weights)
    known = ~np.isnan(level)
    count = known.sum(axis=1)
    level = np.where(known, level, 0.0)
    turn = np.where(known, np.arange(1.0, level.shape[1] + 1), 0.0)
    off_turn, off_level = (
        np.where(known, each - (each.sum(axis=1) / np.maximum(count, 1))[:, None], 0.0)
        for each in (turn, level)
    )
    top = np.where(known, level, -np.inf).max(axis=1, initial=-np.inf)
    bottom = np.where(known, level, np.inf).min(axis=1, initial=np.inf)
    defined = count >= 2
    spread = np.where(defined, top - np.where(defined, bottom, 0.0), 0.0)
    spread = np.where(spread > ROUNDING * np.abs(level).max(axis=1, initial=0.0), spread, 0.0)
    product, square = (off_turn * off_level).sum(axis=1), (off_turn**2).sum(axis=1)
    slope = np.divide(product, square, out=np.full(len(level), np.nan), where=defined)
    slope = np.where(defined & (spread == 0), 0.0, slope)
    variance = (off_level**2).sum(axis=1)
    r2 = np.divide(slope * product, variance, out=np.full(len(level), np.nan), where=spread > 0)
    return Lines(slope=slope, r2=np.minimum(r2, 1.0), spread=spread)


def average_level(scores: Array, weights: Array) -> Array:
    """Mean of AL(k) over the turns that have one, in judge units; NaN if no case counts."""
    level = levels(scores, weights)
    known = ~np.isnan(level)
    count = known.sum(axis=1)
    total = np.where(known, level, 0.0).sum(axis=1)
    mean: Array = np.divide(total, count, out=np.full(len(level), np.nan), where=count > 0)
    return mean


def level_slope(scores: Array, weights: Array) -> Array:
    """IR, in judge units per turn; NaN if fewer than two turns have a level."""
    return lines(scores, weights).slope


def holm(p_values: npt.ArrayLike) -> Array:
    """P-values adjusted for how many were looked at (Holm, Scand. J. Statistics 6, 1979).

    Rejecting what stays below alpha makes a false claim among all of them with probability of at
    most alpha, however they depend on each other.

    Args:
        p_values: Shape (tests,), each within 0..1.

    Returns:
        Shape (tests,), in the same order, none smaller than it was, at most 1.

    Raises:
        ValueError: If it is not one row of values within 0..1.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    if raw.ndim != 1 or not ((raw >= 0) & (raw <= 1)).all():
        raise ValueError(f"p-values must be one row within 0..1, got {raw}")
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * np.arange(len(raw), 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def minimum_detectable_difference(
    sd: float, n_clusters: int, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The smallest true paired difference that a two-sided test would find with this power.

    (z(1 - alpha/2) + z(power)) * sd / sqrt(n), the normal approximation: optimistic below about
    thirty clusters. For two factors take the one that gives the larger answer.

    Args:
        sd: Standard deviation between clusters of the cluster's mean difference, in judge units.
        n_clusters: Profiles (or personalities), not cases, 2 or more.
        power: Probability of finding it, within alpha..1, ends excluded.
        alpha: Probability of finding something where there is nothing, within 0..1, ends excluded.

    Returns:
        A difference of 0 or more, in judge units.

    Raises:
        ValueError: If an argument is out of its range.
    """
    if not 0 <= sd < float("inf"):
        raise ValueError(f"sd must be finite and not negative, got {sd}")
    if n_clusters < 2:
        raise ValueError(f"a spread between clusters needs 2 or more, got {n_clusters}")
    if not 0 < alpha < power < 1:
        raise ValueError(f"needs 0 < alpha < power < 1, got alpha {alpha} and power {power}")
    z = NormalDist().inv_cdf
    return (z(1 - alpha / 2) + z(power)) * sd / float(np.sqrt(n_clusters))
