"""What a table of judge scores says: how well aligned, and whether it gets better with talking.

The four numbers are those of ALOE (arXiv 2410.03642), written so that they can be compared with
RLPA's replication (arXiv 2505.15456): the mean score at each turn, its average over the turns, the
slope of a straight line through it, and the same slope after stretching the curve onto 0..1.
A missing score stays missing: nothing is imputed, because a filled-in cell would move the slope.

Read the slope in score units before the normalised one. The normalised slope forgets how large
the gain was: a rise from 4.80 to 4.81 and one from 1 to 5 can tie, and a flat truth seen through
noise gives values as large as 0.07 over ten turns. Neither slope is evidence of personalisation by
itself, since the user's own messages also reveal more with every turn; the gain over a
swapped persona is.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

ROUNDING = 1e-12
"""Levels that differ by less than this share of their size are the same level."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A straight line through levels over the turns 1..K."""

    slope: float
    """Level per turn."""
    intercept: float
    """Level at turn 0, one turn before the first."""
    r2: float | None
    """Share of the variance that the line explains, 0..1; None if there is no variance."""


def alignment_levels(scores: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """AL(k): the mean score of the k-th reply over the cases that have one.

    Args:
        scores: Shape (cases, turns), in the judge's units; NaN where a score is missing.
        weights: Shape (cases,), not negative; how often each case counts. Once, if not given.

    Returns:
        Shape (turns,), in the judge's units; NaN at a turn where no case has weight and score.

    Raises:
        ValueError: If scores are not a finite-or-NaN table, or there is not one weight of 0 or more
            for each case.
    """
    table = _numbers(scores, "scores", ndim=2)
    counts = np.ones(len(table)) if weights is None else np.asarray(weights, dtype=np.float64)
    if counts.shape != table.shape[:1]:
        raise ValueError(f"{len(table)} cases need as many weights, got shape {counts.shape}")
    if not (counts >= 0).all():
        raise ValueError(f"weights must not be negative or missing, got {counts}")
    missing = np.isnan(table)
    total = counts @ np.where(missing, 0.0, table)
    weight = counts @ ~missing
    levels: Array = np.divide(total, weight, out=np.full(len(weight), np.nan), where=weight > 0)
    return levels


def average(levels: npt.ArrayLike) -> float:
    """Mean of AL(k) over the turns that have one: every turn counts alike.

    Args:
        levels: Shape (turns,), NaN where a turn has no level.

    Returns:
        A value in the judge's units.

    Raises:
        ValueError: If no turn has a level.
    """
    series = _series(levels, least=1)
    return float(series[~np.isnan(series)].mean())


def improvement_rate(levels: npt.ArrayLike) -> Fit:
    """IR: the least-squares line through AL(k) over k = 1..K.

    Turns without a level are left out of the fit and keep their number. A flat series has slope 0,
    its own level as intercept, and no R2, which would be 0/0: a level line fits it perfectly, and
    yet explains nothing.

    R2 is also what the papers print as N-R2. Normalising is affine and R2 does not change under
    affine maps, so the two are the same number, and only this one is offered.

    Args:
        levels: Shape (turns,), NaN where a turn has no level.

    Returns:
        The line; its slope in judge units per turn.

    Raises:
        ValueError: If fewer than two turns have a level.
    """
    series = _series(levels, least=2)
    present = ~np.isnan(series)
    turn, level = np.arange(1.0, len(series) + 1)[present], series[present]
    if _spread(level) == 0:
        return Fit(slope=0.0, intercept=float(level.mean()), r2=None)
    turns_off, levels_off = turn - turn.mean(), level - level.mean()
    product, square = turns_off @ levels_off, turns_off @ turns_off
    slope = product / square
    return Fit(
        slope=float(slope),
        intercept=float(level.mean() - slope * turn.mean()),
        r2=min(1.0, float(slope * product / (levels_off @ levels_off))),
    )


def normalised(levels: npt.ArrayLike) -> Array:
    """N-AL(k): the levels stretched so that the lowest is 0 and the highest is 1.

    A flat series becomes all 0: no turn stands above the lowest, and there is nothing to stretch.

    Args:
        levels: Shape (turns,), NaN where a turn has no level.

    Returns:
        Shape (turns,), within 0..1, NaN where the level is.

    Raises:
        ValueError: If fewer than two turns have a level.
    """
    series = _series(levels, least=2)
    present = series[~np.isnan(series)]
    spread = _spread(present)
    if spread == 0:
        return np.where(np.isnan(series), np.nan, 0.0)
    stretched: Array = (series - present.min()) / spread
    return stretched


def normalised_improvement_rate(levels: npt.ArrayLike) -> float:
    """N-IR: the slope of N-AL(k), so that a high start does not hide that a model improves.

    A straight rise gives 1/(K-1). The largest possible value is that of one step in the middle:
    0.152 for ten turns. A flat series gives 0.0, because it does not improve; the limit of small
    changes does not exist there.

    Args:
        levels: Shape (turns,), NaN where a turn has no level.

    Returns:
        Share of the range per turn, without unit.

    Raises:
        ValueError: If fewer than two turns have a level.
    """
    return improvement_rate(normalised(levels)).slope


def summary(levels: npt.ArrayLike) -> dict[str, float | None]:
    """The row of a results table that belongs to one curve.

    Args:
        levels: Shape (turns,), NaN where a turn has no level.

    Returns:
        `al_mean` (judge units), `ir` (judge units per turn), `n_ir` (per turn), and `r2` (0..1,
        None for a flat series).

    Raises:
        ValueError: If fewer than two turns have a level.
    """
    fit = improvement_rate(levels)
    return {
        "al_mean": average(levels),
        "ir": fit.slope,
        "n_ir": normalised_improvement_rate(levels),
        "r2": fit.r2,
    }


def personalisation_gain(own: npt.ArrayLike, swapped: npt.ArrayLike) -> Array:
    """How much better replies suit the user they were written for than somebody else.

    What suits everybody cancels out, so 0 is the line of no personalisation. Given score tables,
    the difference is taken within each case, and `alignment_levels` of it uses only the pairs that
    are complete; given levels, it is the difference of two means.

    Args:
        own: Shape (turns,) or (cases, turns): judged with the user's own persona.
        swapped: The same shape: the same replies judged with another user's persona.

    Returns:
        The same shape, own minus swapped, in judge units; NaN where either is missing.

    Raises:
        ValueError: If the shapes differ.
    """
    ours, theirs = np.asarray(own, dtype=np.float64), np.asarray(swapped, dtype=np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"own has shape {ours.shape}, but swapped has {theirs.shape}")
    gain: Array = ours - theirs
    return gain


def _numbers(values: npt.ArrayLike, name: str, ndim: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), got shape {array.shape}")
    if np.isinf(array).any():
        raise ValueError(f"{name} must be finite, or NaN where missing, got an infinite one")
    return array


def _series(levels: npt.ArrayLike, least: int) -> Array:
    series = _numbers(levels, "levels", ndim=1)
    present = int(np.count_nonzero(~np.isnan(series)))
    if present < least:
        raise ValueError(f"needs levels at {least} turn(s) or more, got {present}: {series}")
    return series


def _spread(level: Array) -> float:
    spread = float(np.ptp(level))
    return spread if spread > ROUNDING * float(np.abs(level).max()) else 0.0
