"""How far two raters agree beyond chance, and how sure a share is.

Raw agreement flatters: two judges that both say "first" nine times in ten agree 82% of the time by
luck alone. Cohen's kappa (1960) corrects for that with two raters who rated everything;
Krippendorff's alpha (2004, nominal data) does so for any number of raters and allows missing
ratings, so that an abstention need not count as an opinion. Both are 1 in full agreement and 0 at
chance, and None if chance alone would give full agreement, because then there is nothing to
measure. For levels there is the intraclass correlation: how much of the spread of ratings is due to
the replies.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt

from aloe.passport import Share

Z = 1.959963984540054
"""Normal quantile of a two-sided 95% interval."""


def wilson(hits: int, total: int) -> Share:
    """Return `hits` of `total` as a share with Wilson's 95% interval (JASA 22, 1927).

    Raises:
        ValueError: it is not a share.
    """
    if not 0 <= hits <= total:
        raise ValueError(f"{hits} of {total} is no share")
    if total == 0:
        return Share(value=None, low=0.0, high=1.0, count=0)
    return _interval(hits / total, total, total)


def clustered_share(found: Iterable[tuple[Hashable, bool]]) -> Share:
    """Return a share with Wilson's 95% interval for cases that stand in clusters.

    What several people or votes say about one pair is not independent, so the interval is that of
    as many independent cases as would vary as much (linearised variance over clusters): no fewer
    than if the cases of each cluster were always the same (Kish), no more than there are. Clusters
    of one case each give Wilson's interval.

    Args:
        found: the cluster of each case, and whether it is a hit.
    """
    clusters: dict[Hashable, list[bool]] = {}
    for cluster, hit in found:
        clusters.setdefault(cluster, []).append(hit)
    total = sum(map(len, clusters.values()))
    hits = sum(map(sum, clusters.values()))
    if total == len(clusters):
        return wilson(hits, total)
    share = hits / total
    apart = sum((sum(each) - share * len(each)) ** 2 for each in clusters.values())
    fewest = total**2 / sum(len(each) ** 2 for each in clusters.values())
    varied = total**2 * share * (1 - share)  # 0: all are hits or none, so nothing tells how alike
    independent = min(varied / apart if apart else total, total) if varied else fewest
    return _interval(share, max(independent, fewest), total)


def _interval(share: float, independent: float, count: int) -> Share:
    """Return a share of `count` cases, which say as much as so many independent ones."""
    n = independent
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(share * (1 - share) / n + (Z / (2 * n)) ** 2)
    return Share(
        value=share,
        low=min(share, max(0.0, centre - half)),
        high=max(share, min(1.0, centre + half)),
        count=count,
    )


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Return Cohen's kappa of two raters, given what each said about each item."""
    if not pairs:
        return None
    total = len(pairs)
    observed = sum(a == b for a, b in pairs) / total
    left, right = (Counter(side) for side in zip(*pairs, strict=True))
    expected = sum(left[each] * right[each] for each in left) / total**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def krippendorff_alpha(units: Sequence[Sequence[Hashable | None]]) -> float | None:
    """Return Krippendorff's alpha for nominal ratings; None stands for a missing one.

    Args:
        units: for each item, what each rater said; items with fewer than two ratings do not count.
    """
    rated = [Counter(r for r in unit if r is not None) for unit in units]
    rated = [unit for unit in rated if unit.total() >= 2]
    totals: Counter[Hashable] = sum(rated, Counter())
    count = totals.total()
    if len(totals) < 2:
        return None
    disagreeing = sum(_unequal_pairs(unit) / (unit.total() - 1) for unit in rated) / count
    return 1 - disagreeing / (_unequal_pairs(totals) / (count * (count - 1)))


def intraclass_correlation(ratings: npt.ArrayLike) -> tuple[float, float] | None:
    """Return ICC(2,1) and ICC(2,k): absolute agreement of one rater, and of the mean of all.

    Items and raters are both taken as samples, so a rater who is stricter than the others lowers
    it (Shrout & Fleiss, Psychological Bulletin 86, 1979).

    Args:
        ratings: Shape (items, raters); items with a NaN do not count.

    Returns:
        The two, each 1 or less; None with fewer than two raters or items, or if all ratings are
        equal.
    """
    table = np.asarray(ratings, dtype=np.float64)
    table = table[~np.isnan(table).any(axis=1)]
    items, raters = table.shape
    if items < 2 or raters < 2 or np.ptp(table) == 0:
        return None
    mean = table.mean()
    between = raters * ((table.mean(axis=1) - mean) ** 2).sum() / (items - 1)
    across = items * ((table.mean(axis=0) - mean) ** 2).sum() / (raters - 1)
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + mean
    error = (rest**2).sum() / ((items - 1) * (raters - 1))
    single = between + (raters - 1) * error + raters * (across - error) / items
    mean_of_all = between + (across - error) / items
    if single <= 0 or mean_of_all <= 0:
        return None
    return float((between - error) / single), float((between - error) / mean_of_all)


def _unequal_pairs(ratings: Counter[Hashable]) -> int:
    """Return the number of ordered pairs of ratings that differ."""
    return ratings.total() ** 2 - sum(n * n for n in ratings.values())
