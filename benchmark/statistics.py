"""What a table of judge scores says: how well aligned a model is, and whether it adapts.

The four numbers are those of ALOE (arXiv 2410.03642), written so that they can be compared with
RLPA's replication (arXiv 2505.15456): the mean score at each turn, its average over the turns, the
slope of a straight line through it, and the same slope after stretching the curve onto 0..1. A
missing score stays missing: nothing is imputed, because a filled-in cell would move the slope.

Read the slope in score units before the normalised one, which ignores how large the gain was: a
rise from 4.80 to 4.81 and one from 1 to 5 can tie, and a flat curve with noise gives values as
large as 0.07 over ten turns. Neither is evidence of personalisation by itself, since the user's own
messages also reveal more with every turn; the gain over a swapped persona is.

All are computed for many weightings of the cases at once, as `aloe.benchmark.inference` needs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

ROUNDING = 1e-12
"""Levels that differ by less than this share of their size are the same level."""

MOST = 1e50
"""How far from 0 a level may be: the squares of larger ones, and products of these, overflow."""

Statistic: TypeAlias = Callable[[Array, Array], Array]
"""`statistic(scores, weights)`: numbers from a table of shape (cases, turns), NaN where a score is
missing. Weights have shape (samples, cases): in sample s case i counts weights[s, i] times, 0 or
more. One number a sample, NaN where it is undefined. `average_level` and `level_slope` are two."""


@dataclass(frozen=True, kw_only=True)
class LineFits:
    """Least-squares lines through AL(k) over the turns 1..K, one a sample."""

    slope: Array
    """Judge units per turn; NaN where fewer than two turns have a level."""
    r2: Array
    """Share of the variance that the line explains; NaN as well where the levels are flat."""
    spread: Array
    """Highest level minus lowest; 0 where they are flat."""


def is_moderate(level: float) -> bool:
    """Whether a number can be computed with: it is finite, and not so large that sums overflow."""
    return abs(level) <= MOST


def divide(a: Array, b: Array) -> Array:
    """Return a / b; NaN where b is 0."""
    found: Array = np.divide(a, b, out=np.full(np.shape(b), np.nan), where=b != 0)
    return found


def alignment_levels(scores: Array, weights: Array) -> Array:
    """AL(k) in each sample, shape (samples, turns); NaN where no case has weight and score."""
    missing = np.isnan(scores)
    return divide(weights @ np.where(missing, 0.0, scores), weights @ ~missing)


def fit_lines(scores: Array, weights: Array) -> LineFits:
    """Fit a line to AL(k) in each sample; turns without a level keep their number."""
    level = alignment_levels(scores, weights)
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
    return LineFits(slope=slope, r2=np.minimum(r2, 1.0), spread=spread)


def average_level(scores: Array, weights: Array) -> Array:
    """Mean of AL(k) over the turns that have one, in judge units; NaN if no case counts."""
    level = alignment_levels(scores, weights)
    known = ~np.isnan(level)
    return divide(np.where(known, level, 0.0).sum(axis=1), known.sum(axis=1))


def mean_cell(scores: Array, weights: Array) -> Array:
    """Mean over all cells, which is not that over the turns where some turns have few of them."""
    known = ~np.isnan(scores)
    return divide(weights @ np.where(known, scores, 0.0).sum(axis=1), weights @ known.sum(axis=1))


def level_slope(scores: Array, weights: Array) -> Array:
    """IR, in judge units per turn; NaN if fewer than two turns have a level."""
    return fit_lines(scores, weights).slope


def normalised_slope(scores: Array, weights: Array) -> Array:
    """N-IR, per turn: the slope of AL stretched onto 0..1, so that a high start hides no rise.

    A straight rise gives 1/(K-1), and one step in the middle the most: 0.152 for ten turns. It is 0
    where AL is flat, since nothing improves there.
    """
    fits = fit_lines(scores, weights)
    return np.where(fits.spread > 0, divide(fits.slope, fits.spread), fits.slope)


def explained_variance(scores: Array, weights: Array) -> Array:
    """R2 of the line through AL(k), 0..1; NaN for a flat or short series.

    It is also what the papers print as N-R2: normalising is affine, which leaves R2 as it is.
    """
    return fit_lines(scores, weights).r2


def summarise(levels: npt.ArrayLike) -> dict[str, float | None]:
    """Return the row of a results table that belongs to one curve.

    Args:
        levels: Shape (turns,), in the judge's units; NaN where a turn has no level.

    Returns:
        `al_mean` (judge units), `ir` (judge units per turn), `n_ir` (per turn), and `r2` (0..1,
        None for a flat series).

    Raises:
        ValueError: If it is not one row of numbers up to `MOST`, or fewer than two turns have a
            level.
    """
    series = np.asarray(levels, dtype=np.float64)
    if series.ndim != 1 or (np.abs(series) > MOST).any():
        raise ValueError(
            f"levels must be one row, finite (up to {MOST:g}), or NaN where missing: {series}"
        )
    present = int(np.count_nonzero(~np.isnan(series)))
    if present < 2:
        raise ValueError(f"needs levels at 2 turn(s) or more, got {present}: {series}")
    statistics = {
        "al_mean": average_level,
        "ir": level_slope,
        "n_ir": normalised_slope,
        "r2": explained_variance,
    }
    found = {
        name: float(each(series[None], np.ones((1, 1)))[0]) for name, each in statistics.items()
    }
    return {name: None if np.isnan(value) else value for name, value in found.items()}


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
