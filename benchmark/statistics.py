"""How sure a benchmark number is, when the same few personas stand behind every score.

The turns of one dialogue depend on each other, and so do all dialogues of one profile and all of
one personality. Counting a hundred cases as a hundred independent users would make intervals far
too narrow. So profiles and personalities are resampled, each independently and with replacement,
and a case counts as often as its profile was drawn times as often as its personality was. This is
Owen's pigeonhole bootstrap (Annals of Applied Statistics 1, 2007), for errors clustered in two
ways as in Cameron, Gelbach & Miller (JBES 29, 2011).

It is known to be conservative: noise that belongs to a single case is counted up to three times in
the variance, so where personas hardly matter intervals are up to sqrt(3) too wide. It errs the
other way where one factor matters most and has few levels: with five personalities the spread
between them is underestimated by a factor sqrt(4/5), percentiles know no t distribution, and in
simulation 95% intervals hold the truth only about 85% of the time. More personas help; more turns
do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from benchmark.metrics import Array, alignment_levels, average, improvement_rate

Statistic: TypeAlias = Callable[[Array, Array], float]
"""`statistic(scores, weights)`: a number from a table of shape (cases, turns), NaN where a score is
missing, in which case i counts weights[i] times (shape (cases,), whole numbers, 0 allowed). NaN
where it is undefined. `average_level` and `level_slope` are two."""

LEAST_DEFINED = 0.9
"""Share of the draws in which a statistic must be defined for its percentiles to be given."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its 95% percentile interval, in the units of the statistic."""

    estimate: float
    """On the sample itself, every case counted once."""
    low: float
    """2.5th percentile of the draws."""
    high: float
    """97.5th percentile of the draws."""
    draws: int
    """Draws in which the statistic was defined."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An interval of a paired difference, and how surprising it would be if there were none."""

    interval: Interval
    p_value: float
    """Two-sided, within 2/(draws+1)..1."""


def average_level(scores: Array, weights: Array) -> float:
    """Weighted mean of AL(k) over the turns, in judge units; NaN if no case counts."""
    levels = alignment_levels(scores, weights)
    return float("nan") if np.isnan(levels).all() else average(levels)


def level_slope(scores: Array, weights: Array) -> float:
    """Weighted IR, in judge units per turn; NaN if fewer than two turns have a level."""
    levels = alignment_levels(scores, weights)
    if np.count_nonzero(~np.isnan(levels)) < 2:
        return float("nan")
    return improvement_rate(levels).slope


def cluster_bootstrap(
    scores: npt.ArrayLike,
    profiles: npt.ArrayLike,
    personalities: npt.ArrayLike,
    statistic: Statistic,
    *,
    draws: int = 2000,
    seed: int,
) -> Interval:
    """95% interval of a statistic when profiles and personalities are the sampled things.

    If one of the two has a single value it cannot vary, and only the other one is resampled.
    Draws in which the statistic is undefined, possible where the cases do not cross, are left out.

    Args:
        scores: Shape (cases, turns), in judge units; NaN where a score is missing.
        profiles: Shape (cases,): a label for the profile of each case.
        personalities: Shape (cases,): a label for the personality of each case.
        statistic: What to compute; see `Statistic`.
        draws: How often to resample, 1 or more.
        seed: The same seed and data give the same interval.

    Returns:
        The estimate and its interval, in the units of the statistic.

    Raises:
        ValueError: If shapes disagree, draws is below 1, nothing can be resampled, or the statistic
            is undefined on the sample or in more than a tenth of the draws.
    """
    table = _table(scores, "scores")
    weights = _weights(len(table), profiles, personalities, draws, seed)
    interval, _ = _bootstrap(lambda w: statistic(table, w), weights)
    return interval


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    profiles: npt.ArrayLike,
    personalities: npt.ArrayLike,
    statistic: Statistic,
    *,
    draws: int = 2000,
    seed: int,
) -> Difference:
    """By how much a statistic of `a` exceeds that of `b` on the same cases, and whether by chance.

    Both get the same weights in every draw, so what a persona does to both cancels out. A cell
    missing in one is left out of the other. The p-value inverts the percentile interval: twice the
    share of draws on the rarer side of 0, the sample counted as one more draw so that it is never
    0 (Davison & Hinkley, Bootstrap Methods and their Application, 1997, ch. 4).

    Args:
        a: Shape (cases, turns), in judge units; NaN where a score is missing.
        b: The same cases and turns under the other condition.
        profiles: Shape (cases,): a label for the profile of each case.
        personalities: Shape (cases,): a label for the personality of each case.
        statistic: What to compute of each; see `Statistic`.
        draws: How often to resample, 1 or more.
        seed: The same seed and data give the same answer.

    Returns:
        The interval of statistic(a) - statistic(b), and its p-value.

    Raises:
        ValueError: If `a` and `b` differ in shape, and as in `cluster_bootstrap`.
    """
    first, second = _table(a, "a"), _table(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"a has shape {first.shape}, but b has {second.shape}")
    missing = np.isnan(first) | np.isnan(second)
    first, second = np.where(missing, np.nan, first), np.where(missing, np.nan, second)
    weights = _weights(len(first), profiles, personalities, draws, seed)
    interval, values = _bootstrap(lambda w: statistic(first, w) - statistic(second, w), weights)
    rarer = min(np.count_nonzero(values <= 0), np.count_nonzero(values >= 0))
    return Difference(interval=interval, p_value=min(1.0, 2 * float(1 + rarer) / (1 + len(values))))


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


def _table(scores: npt.ArrayLike, name: str) -> Array:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"{name} must have shape (cases, turns), got {table.shape}")
    return table


def _weights(
    cases: int, profiles: npt.ArrayLike, personalities: npt.ArrayLike, draws: int, seed: int
) -> Array:
    """Shape (draws, cases): profile multiplicity times personality multiplicity."""
    if draws < 1:
        raise ValueError(f"draws must be 1 or more, got {draws}")
    rng = np.random.default_rng(seed)
    factors = [
        _clusters(labels, name, cases)
        for labels, name in ((profiles, "profiles"), (personalities, "personalities"))
    ]
    if max(count for count, _ in factors) < 2:
        raise ValueError("nothing to resample: all cases share one profile and one personality")
    weights = np.ones((draws, cases))
    for count, index in factors:
        weights *= rng.multinomial(count, np.full(count, 1 / count), size=draws)[:, index]
    return weights


def _clusters(labels: npt.ArrayLike, name: str, cases: int) -> tuple[int, npt.NDArray[np.intp]]:
    """How many different labels there are, and which one each case has."""
    array = np.asarray(labels)
    if array.shape != (cases,):
        raise ValueError(f"{cases} cases need as many {name}, got shape {array.shape}")
    if not cases:
        raise ValueError("there are no cases")
    different, index = np.unique(array, return_inverse=True)
    return len(different), index


def _bootstrap(estimator: Callable[[Array], float], weights: Array) -> tuple[Interval, Array]:
    """The interval, and the draws in which the estimator is defined."""
    draws, cases = weights.shape
    estimate = estimator(np.ones(cases))
    if np.isnan(estimate):
        raise ValueError("the statistic is undefined on the sample itself")
    values = np.array([estimator(row) for row in weights])
    values = values[~np.isnan(values)]
    if len(values) < LEAST_DEFINED * draws:
        raise ValueError(f"the statistic is defined in only {len(values)} of {draws} draws")
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(estimate=estimate, low=float(low), high=float(high), draws=len(values)), values
