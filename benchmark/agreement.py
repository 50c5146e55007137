"""How far two raters agree beyond chance, and how sure a share is.

Plain agreement flatters: two judges that both say "first" nine times in ten agree 82% of the time
by luck alone. Cohen's kappa (1960) takes that out for two raters who rated everything;
Krippendorff's alpha (2004, nominal data) does so for any number of raters and lets ratings be
missing, so that an abstention need not count as an opinion. Both are 1 in full agreement and 0 at
chance, and None where chance would already give full agreement: there is then nothing to measure.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import sqrt

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
    share = hits / total
    centre = (share + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z / (1 + Z * Z / total) * sqrt(share * (1 - share) / total + (Z / (2 * total)) ** 2)
    return Share(
        value=share,
        low=min(share, max(0.0, centre - half)),
        high=max(share, min(1.0, centre + half)),
        count=total,
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


def _unequal_pairs(ratings: Counter[Hashable]) -> int:
    """Return the number of ordered pairs of ratings that differ."""
    return ratings.total() ** 2 - sum(n * n for n in ratings.values())
