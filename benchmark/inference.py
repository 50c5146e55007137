"""How certain a benchmark figure is when the same few personas are behind every score.

The turns of one dialogue depend on each other, and so do all dialogues of one profile and all of
one personality. Counting a hundred cases as a hundred independent users would make intervals far
too narrow. So whole clusters are what varies, never cases.

If a figure differs from 0 by chance alone, each cluster's contribution might as well have had the
other sign. So the signs of all clusters are flipped at random, many times, and the p-value is the
share of flips whose result is at least as far from 0 (Fisher, The Design of Experiments, 1935).
Nothing is assumed but symmetry: of two equally good models the test is exact with few clusters,
lopsided ones, discrete scores and users who mostly do not differ, and ties count against
significance. With fewer than six clusters that differ it cannot reject at 5%, and should not: all
of five agree by chance one time in sixteen.

The interval holds every value that the same test does not reject. If most clusters agree, there is
no symmetry around any other value, so the interval is widened to what a count of the clusters that
deviate allows (`aloe.benchmark.rare_events`), but not across a rejected 0. Where clusters scatter,
flips alone decide.

Profiles and personalities are both clusters, and a case belongs to one of each. Flipping one kind
alone would leave out what the other does, so the number is then divided by its two-way standard
error (Cameron, Gelbach & Miller, JBES 29, 2011), that of the flipped data in every flip, and the
larger of the two p-values counts (MacKinnon, Nielsen & Webb, JBES 39, 2021). A kind of fewer than
six clusters gets Webb's six weights instead of two signs (Canadian J. Economics 56, 2023). A kind
that is nested in another of six clusters or more adds nothing and is left out.

Statistics other than plain means are treated as the sum of each case's contribution, found by
leaving it out (Tukey's jackknife, Annals of Mathematical Statistics 29, 1958). How often the test
errs and the intervals contain the truth is simulated in `tests/error_rates.py`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from aloe.benchmark.clusters import Clusters, Factor, cluster
from aloe.benchmark.rare_events import FREE, Bounds, rare_limits
from aloe.benchmark.sign_flips import SAME, flip
from aloe.benchmark.statistics import ROUNDING, Array, Statistic

LEVEL = 0.05
"""A p-value up to this is significant, and 1 minus it is what intervals are to hold."""

FLIPS = 20_000
"""Enough for the third digit: at a bound the p-value then has a standard error of 0.0015."""

SEED = 0
"""Of the random signs: one for all figures, so that none has two values."""

FAR = 2.0**20
"""Standard errors from the estimate at which a value that is not rejected counts as infinite."""

STEPS = 40
"""Halvings of that distance in search of a value that is not rejected."""

BISECTIONS = 20
"""Halvings of the step in which a bound lies."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its 95% interval, in the units of the statistic."""

    estimate: float
    """On the sample itself, every case counted once."""
    low: float
    """Down to here no value is rejected at 5%, or deviating clusters are too few to tell; -inf if
    none is rejected at all."""
    high: float
    """Up to here likewise; inf if none is."""

    @property
    def bounded(self) -> bool:
        """Whether there are clusters enough to reject anything on either side."""
        return bool(np.isfinite([self.low, self.high]).all())


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An interval of a paired difference, and how surprising it would be if there were none."""

    interval: Interval
    p_value: float
    """Two-sided, above 0 and at most 1; at most 0.05 exactly where the interval excludes 0."""


def count_clusters(profiles: Collection[str], personalities: Collection[str]) -> int:
    """Return on how many of the sampled things an interval rests.

    The rarer of profiles and personalities, unless all cases share one.
    """
    fewer, more = sorted((len(set(profiles)), len(set(personalities))))
    return fewer if fewer > 1 else more


def confidence_interval(
    scores: npt.ArrayLike,
    profiles: npt.ArrayLike,
    personalities: npt.ArrayLike,
    statistic: Statistic,
    *,
    mass: npt.ArrayLike | None = None,
    bounds: Bounds = FREE,
    flips: int = FLIPS,
    seed: int = SEED,
) -> Interval:
    """95% interval of a statistic when profiles and personalities are the sampled things.

    Args:
        scores: Shape (cases, turns), in judge units; NaN where a score is missing.
        profiles: Shape (cases,): a label for the profile of each case.
        personalities: Shape (cases,): a label for the personality of each case.
        statistic: What to compute; see `Statistic`.
        mass: Shape (cases,), 0 or more: on how much data of each case the statistic rests; the
            number of its scores if not given.
        bounds: What a cluster's value, and so the interval, cannot leave, if anything.
        flips: How often to flip signs where not every pattern is tried, 1 or more.
        seed: Of the flips; simulations alone need another.

    Returns:
        The estimate and its interval, in the units of the statistic.

    Raises:
        ValueError: If shapes disagree, flips is below 1, all cases share one profile and one
            personality, or the statistic is undefined, be it on the sample or without one case.
    """
    table = _table(scores, "scores")
    clusters = cluster(table, profiles, personalities, mass)
    return _test(lambda w: statistic(table, w), clusters, flips, seed, bounds).interval


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    profiles: npt.ArrayLike,
    personalities: npt.ArrayLike,
    statistic: Statistic,
    *,
    flips: int = FLIPS,
    seed: int = SEED,
) -> Difference:
    """By how much a statistic of `a` exceeds that of `b` on the same cases, and whether by chance.

    What a persona does to both cancels out. A cell missing in one is left out of the other.

    Args:
        a: Shape (cases, turns), in judge units; NaN where a score is missing.
        b: The same cases and turns under the other condition.
        profiles: Shape (cases,): a label for the profile of each case.
        personalities: Shape (cases,): a label for the personality of each case.
        statistic: What to compute of each; see `Statistic`.
        flips: How often to flip signs where not every pattern is tried, 1 or more.
        seed: Of the flips; simulations alone need another.

    Returns:
        The interval of statistic(a) - statistic(b), and its p-value.

    Raises:
        ValueError: If `a` and `b` differ in shape, and as in `confidence_interval`.
    """
    first, second = _table(a, "a"), _table(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"a has shape {first.shape}, but b has {second.shape}")
    missing = np.isnan(first) | np.isnan(second)
    first, second = np.where(missing, np.nan, first), np.where(missing, np.nan, second)
    clusters = cluster(first, profiles, personalities, None)
    return _test(lambda w: statistic(first, w) - statistic(second, w), clusters, flips, seed, FREE)


def _table(scores: npt.ArrayLike, name: str) -> Array:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"{name} must have shape (cases, turns), got {table.shape}")
    return table


def _test(
    estimator: Callable[[Array], Array], clusters: Clusters, flips: int, seed: int, bounds: Bounds
) -> Difference:
    if flips < 1:
        raise ValueError(f"flips must be 1 or more, got {flips}")
    estimate, parts = _contributions(estimator, clusters.mass)
    shares = clusters.mass[clusters.mass > 0]
    flipped = list(flip(parts, shares, clusters.factors, flips, seed))

    def p_value(at: float) -> float:
        return max(each.p_value(at) for each in flipped)

    step = max(_standard_error(parts - estimate * shares, clusters.factors), SAME * abs(estimate))
    found = Interval(
        estimate=estimate,
        low=_bound(p_value, estimate, step, -1),
        high=_bound(p_value, estimate, step, 1),
    )
    rare = rare_limits(parts, shares, clusters.factors, bounds)
    return Difference(
        interval=_widen(found, rare, bounds) if found.bounded and rare else found,
        p_value=p_value(0.0),
    )


def _widen(flipped: Interval, rare: Bounds, bounds: Bounds) -> Interval:
    """Return an interval that holds both, within the bounds, but 0 only if it is not rejected."""
    low, high = min(flipped.low, rare[0]), max(flipped.high, rare[1])
    if flipped.low > 0 >= low:
        low = flipped.low
    if flipped.high < 0 <= high:
        high = flipped.high
    low, high = max(low, bounds[0]), min(high, bounds[1])
    return Interval(estimate=flipped.estimate, low=low, high=high)


def _contributions(estimator: Callable[[Array], Array], mass: Array) -> tuple[float, Array]:
    """The estimate, and what each case with mass adds to it; exact for weighted means."""
    estimate = float(estimator(np.ones((1, len(mass))))[0])
    if np.isnan(estimate):
        raise ValueError("the statistic is undefined on the sample itself")
    counting = np.flatnonzero(mass)
    without = np.ones((len(counting), len(mass)))
    without[np.arange(len(counting)), counting] = 0
    left, shares = estimator(without), mass[counting]
    if np.isnan(left).any():
        raise ValueError("the statistic is undefined without one of the cases")
    influence = (1 - shares) * (estimate - left)
    influence -= shares * influence.sum()
    influence[np.abs(influence) < ROUNDING * max(abs(estimate), np.abs(left).max())] = 0.0
    return estimate, estimate * shares + influence


def _standard_error(influence: Array, factors: Sequence[Factor]) -> float:
    """A scale for the search of the bounds: the larger one-way standard error."""
    return float(max(np.linalg.norm(factor.sums(influence)) for factor in factors))


def _bound(
    p_value: Callable[[float], float], estimate: float, step: float, direction: int
) -> float:
    """The last value upwards (1) or downwards (-1) of the estimate from which on all are rejected.

    Values that are tested far out, then nearer and nearer, since with two factors a rejected value
    may lie among others that are not; 0 is among them, so that p-value and interval agree.
    """

    def rejected(distance: float) -> bool:
        return p_value(estimate + direction * distance) <= LEVEL

    if not rejected(FAR * (step or 1.0)):
        return direction * float("inf")
    tried = [FAR * step / 2**halvings for halvings in range(STEPS)]
    if -direction * estimate > 0:
        tried = sorted([*tried, abs(estimate)], reverse=True)
    steps = pairwise([*tried, 0.0])
    outside, inside = next((far, near) for far, near in steps if not rejected(near))
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
    return float(estimate + direction * outside)  # not inside: many a tie is at the very bound
