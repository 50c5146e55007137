"""From a judge's answers on gold pairs to its passport: pure functions.

One number is not enough: a judge that is right 70% of the time because it likes long replies
teaches a model to ramble. So besides accuracy, this measures the known ways to be right or wrong
for the wrong reason: the order of the replies (Wang et al. 2023, arXiv 2305.17926), length (Dubois
et al. 2024, arXiv 2404.04475), one's own words (Panickssery et al. 2024, arXiv 2404.13076).
Mirrored pairs, which share both replies, tell whether the persona was read at all.

Intervals of shares are Wilson's. The votes on one pair (orders, criteria, judges of a panel) are a
cluster. People's pairs on one message share replies and are one, too; constructed pairs are treated
as independent. Mirror images are not: a judge with a fixed taste gets
opposite results on them, which makes the true interval of its accuracy narrower than the one given.
Intervals of effects treat whole mirror groups as clusters.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean

import numpy as np

from aloe.benchmark.agreement import clustered_share, cohen_kappa, krippendorff_alpha
from aloe.benchmark.gold_pairs import AuditPair, gold_hash
from aloe.benchmark.inference import confidence_interval
from aloe.benchmark.people_pairs import PeoplePair
from aloe.benchmark.statistics import average_level
from aloe.passport import Effect, JudgeIdentity, Passport, PeopleChoices, Share, Threshold
from aloe.schema import Verdict, Vote, digest

FOLDS = 10
STEPS = 10
"""Parts into which thresholds divide the pairs."""


@dataclass(frozen=True, kw_only=True)
class JudgedPair:
    """One gold pair with what the judge made of it."""

    pair: AuditPair
    verdict: Verdict
    own: Verdict | None = None
    """The better reply (first) against the judge's own; None if it was not asked for one."""

    @property
    def outcome(self) -> str:
        """`right`, `wrong`, `tie` or `abstain`."""
        if self.verdict.preferred is None:
            return self.verdict.outcome
        return "right" if self.verdict.outcome == self.label else "wrong"

    @property
    def decided(self) -> bool:
        """Whether the judge preferred one of the two."""
        return self.verdict.preferred is not None

    @property
    def label(self) -> str:
        """The outcome that would be right."""
        return "first" if self.pair.better_is_first else "second"

    @property
    def margin(self) -> float | None:
        """Margin in favour of the better reply, in nats; None without one, and of a tie.

        A tie gives no label, wherever the threshold is.
        """
        if self.verdict.margin is None or self.verdict.outcome == "tie":
            return None
        return self.verdict.margin if self.pair.better_is_first else -self.verdict.margin


def issue(
    judge: JudgeIdentity, judged: Sequence[JudgedPair], choices: PeopleChoices | None = None
) -> Passport:
    """Return the passport of the judge that gave these verdicts.

    Args:
        judge: what makes the judge.
        judged: what it was asked about.
        choices: whose choices the labels are; None if the pairs were constructed.
    """
    outcomes = Counter(each.outcome for each in judged)
    votes = [(each, vote) for each in judged for vote in each.verdict.votes]
    margins = [(each.pair.group, m) for each in judged if (m := each.margin) is not None]
    masses = [vote.mass for _, vote in votes if vote.mass is not None]
    chosen = [(each, vote) for each, vote in votes if _chose(vote)]
    return Passport(
        judge=judge,
        gold=gold_hash(each.pair for each in judged),
        pairs=len(judged),
        outcomes=dict(sorted(outcomes.items())),
        accuracy=_accuracy(judged),
        coverage=_share((each, each.decided) for each in judged),
        by_kind=_by_kind(judged),
        mirrored=_mirrored(judged),
        flips=_share((each, a.choice != b.choice) for each, a, b in _both_orders(judged)),
        first_slot=_share((each, vote.choice == _shown_first(vote)) for each, vote in chosen),
        unreadable=_share((each, vote.choice is None) for each, vote in votes),
        mass=fmean(masses) if masses else None,
        odds=_share((each, vote.logprobs is not None) for each, vote in votes),
        length_effect=_effect(judged, _length),
        self_preference=_effect(judged, _own) if any(each.own for each in judged) else None,
        kappa=cohen_kappa([(each.label, each.verdict.outcome) for each in judged]),
        alpha=krippendorff_alpha([(each.label, _rating(each)) for each in judged]),
        slope=fit_slope([m for _, m in margins]) if margins else None,
        brier=brier(margins) if margins else None,
        thresholds=tuple(thresholds([m for _, m in margins], len(judged))),
        choices=choices,
    )


def _accuracy(judged: Sequence[JudgedPair]) -> Share:
    return _share((each, each.outcome == "right") for each in judged if each.decided)


def _by_kind(judged: Sequence[JudgedPair]) -> dict[str, Share]:
    kinds: dict[str, list[JudgedPair]] = {}
    for each in judged:
        kinds.setdefault(each.pair.kind, []).append(each)
    return {kind: _accuracy(some) for kind, some in sorted(kinds.items())}


def _mirrored(judged: Sequence[JudgedPair]) -> Share:
    groups: dict[str, list[JudgedPair]] = {}
    for each in judged:
        if each.pair.mirror:
            groups.setdefault(each.pair.mirror, []).append(each)
    both = [group for group in groups.values() if len(group) > 1 and all(j.decided for j in group)]
    return _share((group[0], all(j.outcome == "right" for j in group)) for group in both)


def _share(cases: Iterable[tuple[JudgedPair, bool]]) -> Share:
    """Return the share of hits; cases of one pair, of people's of one message, are a cluster."""
    return clustered_share(
        (each.pair.group if isinstance(each.pair, PeoplePair) else each.pair.id, hit)
        for each, hit in cases
    )


def _chose(vote: Vote) -> bool:
    return vote.choice in ("first", "second")


def _shown_first(vote: Vote) -> str:
    return vote.order.split("-")[0]


def _both_orders(judged: Sequence[JudgedPair]) -> Iterator[tuple[JudgedPair, Vote, Vote]]:
    """Yield each pair with the two votes of a judge and criterion on it, where both chose."""
    for each in judged:
        asked: dict[tuple[str, str | None, int], list[Vote]] = {}
        seen: Counter[tuple[str, str | None, str]] = Counter()
        for vote in each.verdict.votes:
            # Two judges of a panel may have the same name.
            seen[vote.judge, vote.criterion, vote.order] += 1
            number = seen[vote.judge, vote.criterion, vote.order]
            asked.setdefault((vote.judge, vote.criterion, number), []).append(vote)
        for pair in asked.values():
            if len(pair) == 2 and all(map(_chose, pair)):
                yield each, pair[0], pair[1]


def _rating(judged: JudgedPair) -> str | None:
    outcome = judged.verdict.outcome
    return None if outcome == "abstain" else outcome


def _length(judged: JudgedPair) -> float | None:
    """Return by how much the longer reply is liked more than it should be: -1, 0 or 1."""
    pair = judged.pair
    if not judged.decided or len(pair.better) == len(pair.worse):
        return None
    better_is_longer = len(pair.better) > len(pair.worse)
    return float((judged.outcome == "right") == better_is_longer) - float(better_is_longer)


def _own(judged: JudgedPair) -> float | None:
    """Return by how much the judge's own reply beats the better one more than the worse does."""
    if judged.own is None or judged.own.preferred is None or not judged.decided:
        return None
    return float(judged.own.outcome == "second") - float(judged.outcome == "wrong")


def _effect(judged: Sequence[JudgedPair], value: Callable[[JudgedPair], float | None]) -> Effect:
    """Return the mean of `value` over the pairs that have one, with mirror groups as clusters."""
    found = [(each.pair.group, v) for each in judged if (v := value(each)) is not None]
    if not found:
        return Effect(value=None, low=-1.0, high=1.0, count=0)
    groups, values = zip(*found, strict=True)
    table = np.array(values)[:, None]
    try:
        interval = confidence_interval(table, groups, groups, average_level, bounds=(-1.0, 1.0))
    except ValueError:  # one group only
        return Effect(value=float(table.mean()), low=-1.0, high=1.0, count=len(found))
    return Effect(
        value=interval.estimate,
        low=max(interval.low, -1.0),
        high=min(interval.high, 1.0),
        count=len(found),
    )


def fit_slope(margins: Sequence[float]) -> float:
    """Fit P(right) = 1 / (1 + exp(-slope * |margin|)) to margins in favour of the better reply.

    Targets are drawn in from 0 and 1 as Platt (1999) does, so that a judge without a mistake gets a
    finite slope. The log-likelihood is concave, so its gradient has one zero, found by bisection;
    if that lies below 0, the slope is 0.
    """
    target = (len(margins) + 1) / (len(margins) + 2)

    def gradient(k: float) -> float:
        return sum(m * (target - _logistic(k * m)) for m in margins)

    if gradient(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0
    while gradient(high) > 0:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if gradient(middle) > 0 else (low, middle)
    return (low + high) / 2


def _logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else 1 - 1 / (1 + exp(x))


def brier(margins: Sequence[tuple[str, float]]) -> float:
    """Return the mean squared error of confidences, each from a slope fitted without its group.

    Args:
        margins: group and margin in favour of the better reply.
    """
    folds: list[list[float]] = [[] for _ in range(FOLDS)]
    for group, margin in margins:
        folds[int(digest("fold", group), 16) % FOLDS].append(margin)
    errors = []
    for held_out in folds:
        fitted = fit_slope([m for fold in folds if fold is not held_out for m in fold])
        errors += [(_logistic(fitted * abs(m)) - float(m > 0)) ** 2 for m in held_out]
    return sum(errors) / len(errors)


def thresholds(margins: Sequence[float], pairs: int) -> Iterator[Threshold]:
    """Yield accuracy and coverage at margins that divide the pairs into `STEPS` equal parts."""
    sizes = sorted(map(abs, margins))
    for least in sorted({sizes[len(sizes) * step // STEPS] for step in range(STEPS) if sizes}):
        kept = [m for m in margins if abs(m) >= least and m != 0]
        yield Threshold(
            min_margin=least,
            coverage=len(kept) / pairs,
            accuracy=sum(m > 0 for m in kept) / len(kept) if kept else None,
        )
