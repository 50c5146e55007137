"""How sure a benchmark number is, when the same few personas stand behind every score.

The turns of one dialogue depend on each other, and so do all dialogues of one profile and all of
one personality. Counting a hundred cases as a hundred independent users would make intervals far
too narrow. So profiles and personalities are resampled, each independently and with replacement,
and a case counts as often as its profile was drawn times as often as its personality was. This is
Owen's pigeonhole bootstrap (Annals of Applied Statistics 1, 2007), for errors clustered in two
ways as in Cameron, Gelbach & Miller (JBES 29, 2011).

Taken as it is, it counts noise that belongs to a single case three times, so where personas hardly
matter its intervals are up to sqrt(3) too wide; and where one factor matters most and has five
levels, they hold the truth only about 85% of the time, for percentiles know no t distribution. So
the draws keep their shape and are stretched about the estimate. Their variance becomes that of
Cameron, Gelbach & Miller: profiles alone, plus personalities alone, minus pairs of both. And the
normal quantile becomes that of t, with degrees of freedom from the three parts (Satterthwaite,
Biometrics Bulletin 2, 1946). In simulation, 95% intervals then hold the truth 92 to 96% of the time
with twenty levels of each factor and with twenty and five. With three they do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from benchmark.metrics import ROUNDING, Array

Statistic: TypeAlias = Callable[[Array, Array], Array]
"""`statistic(scores, weights)`: numbers from a table of shape (cases, turns), NaN where a score is
missing. Weights have shape (draws, cases): in draw d case i counts weights[d, i] times (whole
numbers, 0 allowed). One number a draw, NaN where it is undefined. All draws are computed at once,
which is some thirty times faster than one by one. `average_level` and `level_slope` are two."""

PART_DRAWS = 500
"""Draws for each part of the variance: a spread needs fewer than a percentile."""

LEAST_DEFINED = 0.9
"""Share of the draws in which a statistic must be defined for its percentiles to be given."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its 95% percentile interval, in the units of the statistic."""

    estimate: float
    """On the sample itself, every case counted once."""
    low: float
    """2.5th percentile of the stretched draws."""
    high: float
    """97.5th percentile of the stretched draws."""
    draws: int
    """Draws in which the statistic was defined."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An interval of a paired difference, and how surprising it would be if there were none."""

    interval: Interval
    p_value: float
    """Two-sided, within 2/(draws+1)..1."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Least-squares lines through AL(k), one a draw; see `benchmark.metrics.improvement_rate`."""

    slope: Array
    """Judge units per turn; NaN where fewer than two turns have a level."""
    r2: Array
    """NaN as well where the levels are flat."""
    spread: Array
    """Highest level minus lowest; 0 where they are flat."""


def levels(scores: Array, weights: Array) -> Array:
    """AL(k) in each draw, shape (draws, turns); NaN where no case has weight and score."""
    missing = np.isnan(scores)
    total, weight = weights @ np.where(missing, 0.0, scores), weights @ ~missing
    found: Array = np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
    return found


def lines(scores: Array, weights: Array) -> Lines:
    """Fit a line to AL(k) in each draw."""
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
    resampled = _resampled(len(table), profiles, personalities, draws, seed)
    interval, _ = _bootstrap(lambda w: statistic(table, w), resampled)
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
    missing in one is left out of the other. The p-value inverts the interval: twice the share
    of stretched draws on the rarer side of 0, the sample counted as one more draw so that it is
    never 0 (Davison & Hinkley, Bootstrap Methods and their Application, 1997, ch. 4).

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
    resampled = _resampled(len(first), profiles, personalities, draws, seed)
    interval, values = _bootstrap(lambda w: statistic(first, w) - statistic(second, w), resampled)
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


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Cases resampled by one kind of cluster."""

    clusters: int
    weights: Array
    """Shape (draws, cases)."""


@dataclass(frozen=True, kw_only=True)
class _Resampled:
    """How often each case counts in each draw."""

    both: Array
    """Shape (draws, cases): profile multiplicity times personality multiplicity."""
    profiles: _Part | None
    """None, like `personalities`, if all cases share one: it cannot vary."""
    personalities: _Part | None
    pairs: _Part


def _resampled(
    cases: int, profiles: npt.ArrayLike, personalities: npt.ArrayLike, draws: int, seed: int
) -> _Resampled:
    if draws < 1:
        raise ValueError(f"draws must be 1 or more, got {draws}")
    factors = [
        _clusters(labels, name, cases)
        for labels, name in ((profiles, "profiles"), (personalities, "personalities"))
    ]
    if max(count for count, _ in factors) < 2:
        raise ValueError("nothing to resample: all cases share one profile and one personality")
    (_, profile), (_, personality) = factors
    return _drawn(tuple(profile.tolist()), tuple(personality.tolist()), draws, seed)


@lru_cache(maxsize=2)
def _drawn(
    profiles: tuple[int, ...], personalities: tuple[int, ...], draws: int, seed: int
) -> _Resampled:
    """Draw the weights; kept, because many numbers are taken from the same cases."""
    rng, cases = np.random.default_rng(seed), len(profiles)
    factors = [(max(labels) + 1, np.array(labels)) for labels in (profiles, personalities)]
    both = np.ones((draws, cases))
    for count, index in factors:
        both *= _multiplicities(rng, draws, count, index)
    fewer = min(draws, PART_DRAWS)
    pairs = _clusters(factors[0][1] * factors[1][0] + factors[1][1], "pairs", cases)
    parts = [
        _Part(clusters=count, weights=_multiplicities(rng, fewer, count, index))
        for count, index in (*factors, pairs)
    ]
    by_profile, by_personality = (part if part.clusters > 1 else None for part in parts[:2])
    return _Resampled(both=both, profiles=by_profile, personalities=by_personality, pairs=parts[2])


def _multiplicities(
    rng: np.random.Generator, draws: int, count: int, index: npt.NDArray[np.intp]
) -> Array:
    """How often each case's cluster was drawn, shape (draws, cases)."""
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)
    return drawn[:, index]


def _clusters(labels: npt.ArrayLike, name: str, cases: int) -> tuple[int, npt.NDArray[np.intp]]:
    """How many different labels there are, and which one each case has."""
    array = np.asarray(labels)
    if array.shape != (cases,):
        raise ValueError(f"{cases} cases need as many {name}, got shape {array.shape}")
    if not cases:
        raise ValueError("there are no cases")
    different, index = np.unique(array, return_inverse=True)
    return len(different), index


def _bootstrap(
    estimator: Callable[[Array], Array], resampled: _Resampled
) -> tuple[Interval, Array]:
    """The interval, and the stretched draws in which the estimator is defined."""
    draws, cases = resampled.both.shape
    estimate = float(estimator(np.ones((1, cases)))[0])
    if np.isnan(estimate):
        raise ValueError("the statistic is undefined on the sample itself")
    values = estimator(resampled.both)
    values = values[~np.isnan(values)]
    if len(values) < LEAST_DEFINED * draws:
        raise ValueError(f"the statistic is defined in only {len(values)} of {draws} draws")
    spread = float(values.std())
    if spread > ROUNDING * max(abs(estimate), 1.0):
        error, freedom = _error(estimator, resampled)
        stretch = error / spread * t_quantile(freedom) / t_quantile(float("inf"))
        values = estimate + stretch * (values - estimate)
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(estimate=estimate, low=float(low), high=float(high), draws=len(values)), values


def _error(estimator: Callable[[Array], Array], resampled: _Resampled) -> tuple[float, float]:
    """The standard error over users, and its degrees of freedom."""

    def variance(part: _Part) -> float:
        values = estimator(part.weights)
        return float(np.var(values[~np.isnan(values)])) * part.clusters / (part.clusters - 1)

    alone = [part for part in (resampled.profiles, resampled.personalities) if part]
    if len(alone) == 1:
        return float(np.sqrt(variance(alone[0]))), alone[0].clusters - 1.0
    pairs = variance(resampled.pairs)
    each = [variance(part) for part in alone]
    total = max(*each, sum(each) - pairs)
    parts = [(max(v - pairs, 0.0), part.clusters - 1) for v, part in zip(each, alone, strict=True)]
    parts.append((pairs, resampled.pairs.clusters - 1))
    squares = sum(part * part / freedom for part, freedom in parts)
    freedom = sum(part for part, _ in parts) ** 2 / squares if squares else float("inf")
    return float(np.sqrt(total)), freedom


def t_quantile(freedom: float) -> float:
    """The 97.5th percentile of Student's t, within 1% for 1 degree of freedom and more.

    Exact for 1 and 2 and in the limit, else the expansion of Abramowitz & Stegun, 26.7.5.
    """
    z = NormalDist().inv_cdf(0.975)
    if freedom < 2:
        return float(np.tan(np.pi * 0.475)) if freedom <= 1 else _between(freedom, 1, 2)
    if freedom == 2:
        return float(0.95 * np.sqrt(2 / (1 - 0.95**2)))
    if freedom < 3:
        return _between(freedom, 2, 3)
    powers = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(power / freedom**n for n, power in enumerate(powers, 1))


def _between(freedom: float, low: int, high: int) -> float:
    """Interpolate between two whole degrees of freedom, on the scale on which t is nearly even."""
    share = (1 / low - 1 / freedom) / (1 / low - 1 / high)
    return t_quantile(low) + share * (t_quantile(high) - t_quantile(low))
