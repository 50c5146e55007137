r"""Labels that look ahead: which of two siblings led to the better conversation.

The return of a reply is the discounted mean of its own level and of the levels of what follows
below it (`aloe.memory.levels`). With level l(a), discount g, and d the turns that are looked at,

    S_1(a) = l(a)
    S_d(a) = l(a) + g * mean over user messages u below a (mean over replies c to u of S_(d-1)(c))
    R(a)   = S_d(a) / (1 + g + ... + g^(d-1)),

where only messages and replies count that were continued deep enough, and d is the horizon or, if
the talk below a is shorter, its depth. So R(a) is on the scale of the levels, that of a reply that
was not continued is its level, and with discount 0 or horizon 1 every reply's is. Each message
counts the same, and so does each reply to it, however often they were continued further down.

With a question cost, l(a) is the level less that cost for each question of a that brought nothing
(`aloe.memory.levels.charge_questions`), so that asking on when there is nothing left to find out
is worse than not asking.

Two replies are told apart by the branches into which the talk below each first parts. The standard
error of their difference is that of the permutation test, near enough: all branches of both count
as drawn from one lot, and their spread about the common mean (over n - 2, as two means are taken
from n branches) says by how much two replies that lead to the same would differ. So a few branches
that happen to be equal do not pass for certainty, as they would if each reply's own spread counted,
and no difference exceeds `sqrt(n - 2)` errors: with three branches each, chance alone parts them
entirely once in ten times. It holds for what varies from the parting on; what was said above was
said once. Of one branch nothing is known, and no difference is taken for real, unless `z` is 0,
which takes every difference at face value. The level of a reply's own turn is no estimate: it has
the error 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, pvariance
from typing import Self

from aloe.errors import ConfigError
from aloe.memory.levels import Levels, charge_questions, find_levels
from aloe.schema import AssistantNode, Outcome, ReturnLabel, Tree, UserNode, Verdict
from aloe.verdict import NOT_CONTINUED, ROUNDING

NO_LEVEL_BELOW = "no level below"
"""The reason where a talk went on, but nothing that followed has a level."""


@dataclass(frozen=True, kw_only=True)
class ReturnRule:
    """How far labels look, and what difference they take for real."""

    horizon: int = 3
    """Turns, the reply's own included; at least 1."""
    discount: float = 0.9
    """Weight in [0, 1] of each further turn, relative to the one before."""
    z: float = 1.0
    """Standard errors that a difference has to exceed; at least 0."""
    question_cost: float = 0.0
    """Taken off a reply's level for each of its questions that brought nothing; at least 0."""

    @classmethod
    def checked(cls, horizon: int, discount: float, z: float, question_cost: float) -> Self:
        """Return the rule with these numbers.

        Raises:
            ConfigError: a number is out of range.
        """
        if horizon < 1:
            raise ConfigError(f"horizon: {horizon} turns; it counts the reply's own, so at least 1")
        if not 0 <= discount <= 1:
            raise ConfigError(f"discount: {discount} is not between 0 and 1")
        if not 0 <= z < inf:
            raise ConfigError(f"z: {z} is not a number of standard errors; give 0 or more")
        if not 0 <= question_cost < inf:
            raise ConfigError(f"question_cost: {question_cost} is no cost; give 0 or more")
        return cls(horizon=horizon, discount=discount, z=z, question_cost=question_cost)

    @property
    def turns(self) -> int:
        """Turns that have any weight."""
        return self.horizon if self.discount else 1


@dataclass(frozen=True, kw_only=True)
class Return:
    """What came of a reply."""

    value: float
    """On the scale of the levels."""
    branches: tuple[float, ...]
    """What it is by each branch into which the talk first parts; one if it never does."""
    depth: int
    """Turns that it covers, the reply's own included."""


def find_returns(tree: Tree, levels: Levels, rule: ReturnRule) -> dict[str, Return]:
    """Return the returns of all replies of `tree` that have a level, by node id."""
    below = _Below(tree, charge_questions(tree, levels, rule.question_cost), rule.discount)
    return {reply: below.measure(reply, rule.turns) for reply in levels.by_reply}


def label_returns(tree: Tree, rule: ReturnRule, rated: Mapping[str, float] | None = None) -> Tree:
    """Return `tree` with a label by return on each of its verdicts, in place of earlier ones.

    Replies that no judge compared, as a tournament leaves some, get no label: one by return stands
    beside the judge's, so that they can be held against each other.

    Args:
        tree: any tree.
        rule: how far to look.
        rated: levels by node id; see `aloe.memory.levels`.
    """
    levels = find_levels(tree, rated)
    returns = find_returns(tree, levels, rule)
    labelled = [
        verdict.model_copy(update={"by_return": _compare(tree, verdict, returns, levels, rule)})
        for verdict in tree.verdicts
    ]
    return tree.model_copy(update={"verdicts": tuple(labelled)})


def forget_returns(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts without labels by return, which a tree that changes no longer bears out."""
    return [v.model_copy(update={"by_return": None}) if v.by_return else v for v in verdicts]


def keep_returns(before: Sequence[Verdict], now: Sequence[Verdict]) -> list[Verdict]:
    """Return new verdicts on a tree with the labels by return that still hold.

    Those hold that were made from wishes or ratings; those made from how the judge of `before`
    ranked siblings went with it.

    Args:
        before: the verdicts that have the labels.
        now: verdicts on the same replies, which may name a pair in the other order.
    """
    labels = {v.first + v.second: v.by_return for v in before if v.by_return}
    turned = {v.second + v.first: _turn(v.by_return) for v in before if v.by_return}
    found = {pair: each for pair, each in (turned | labels).items() if each.levels != "siblings"}
    return [
        verdict.model_copy(update={"by_return": label})
        if (label := found.get(verdict.first + verdict.second))
        else verdict
        for verdict in now
    ]


def _turn(label: ReturnLabel) -> ReturnLabel:
    """Return the label of the same pair named in the other order."""
    swapped: dict[Outcome, Outcome] = {"first": "second", "second": "first"}
    changes = {"outcome": swapped.get(label.outcome, label.outcome)}
    returns = label.returns and label.returns[::-1]
    return label.model_copy(update={**changes, "returns": returns})


def _compare(
    tree: Tree,
    verdict: Verdict,
    returns: Mapping[str, Return],
    levels: Levels,
    rule: ReturnRule,
) -> ReturnLabel:
    first, second = returns.get(verdict.first), returns.get(verdict.second)
    label = ReturnLabel(
        outcome="abstain",
        levels=levels.source,
        horizon=rule.horizon,
        discount=rule.discount,
        z=rule.z,
        question_cost=rule.question_cost,
    )
    if first is None or second is None:
        reason = levels.missing[verdict.second if first else verdict.first]
        return label.model_copy(update={"reason": reason})
    if rule.turns > 1 and min(first.depth, second.depth) == 1:
        ends = [each for each in (verdict.first, verdict.second) if returns[each].depth == 1]
        reason = NO_LEVEL_BELOW if all(map(tree.children, ends)) else NOT_CONTINUED
        return label.model_copy(update={"reason": reason})
    if first.depth != second.depth:
        return label.model_copy(update={"reason": "not as deep"})
    error = _find_error(first, second)
    found = {"returns": (first.value, second.value), "error": error}
    return label.model_copy(update=found | _decide(first.value - second.value, error, rule.z))


def _find_error(first: Return, second: Return) -> float | None:
    """Return the standard error of the difference; None if one of them has one branch only."""
    if first.depth == 1:
        return 0.0
    one, other = len(first.branches), len(second.branches)
    if min(one, other) == 1:
        return None
    spread = pvariance([*first.branches, *second.branches]) * (one + other) / (one + other - 2)
    return sqrt(spread * (1 / one + 1 / other))


def _decide(difference: float, error: float | None, z: float) -> dict[str, str]:
    """Return outcome and, of an abstention, reason."""
    if error is None and z:
        return {"reason": "one branch only"}
    bar = z * (error or 0.0)
    if max(abs(difference), bar) <= ROUNDING:
        return {"outcome": "tie"}
    if abs(difference) <= bar + ROUNDING:
        return {"reason": "not told apart"}
    return {"outcome": "first" if difference > 0 else "second"}


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """A discounted sum of levels."""

    value: float
    branches: tuple[float, ...]
    """What it is by each branch of the first fork; itself if there is none."""


class _Below:
    """What follows below the replies of a tree, as far as it has levels."""

    def __init__(self, tree: Tree, levels: Mapping[str, float], discount: float) -> None:
        self._levels = levels
        self._discount = discount
        self._sums: dict[tuple[str, int], _Sum] = {}
        self._messages: dict[str, list[list[str]]] = {}
        self._depths: dict[str, int] = {}
        for node in reversed(tree.nodes):  # children stand behind their parents
            if isinstance(node, AssistantNode) and node.id in levels:
                self._enter(tree, node.id)

    def _enter(self, tree: Tree, reply: str) -> None:
        self._messages[reply] = [
            [node.id for node in tree.children(user.id) if node.id in self._levels]
            for user in tree.children(reply)
            if isinstance(user, UserNode)
        ]
        deepest = [self._depths[each] for replies in self._messages[reply] for each in replies]
        self._depths[reply] = 1 + max(deepest, default=0)

    def measure(self, reply: str, turns: int) -> Return:
        """Return the return of a reply over up to so many turns."""
        depth = min(turns, self._depths[reply])
        found = self._sum(reply, depth)
        weight = sum(self._discount**turn for turn in range(depth))
        branches = tuple(each / weight for each in found.branches)
        return Return(value=found.value / weight, branches=branches, depth=depth)

    def _sum(self, reply: str, depth: int) -> _Sum:
        """Return S_depth of a reply that is at least as deep."""
        if (reply, depth) not in self._sums:
            self._sums[reply, depth] = self._add_up(reply, depth)
        return self._sums[reply, depth]

    def _add_up(self, reply: str, depth: int) -> _Sum:
        own = self._levels[reply]
        if depth == 1:
            return _Sum(value=own, branches=(own,))
        deep = (
            [self._sum(each, depth - 1) for each in replies if self._depths[each] >= depth - 1]
            for replies in self._messages[reply]
        )
        below = _average([_average(sums) for sums in deep if sums])
        return _Sum(
            value=own + self._discount * below.value,
            branches=tuple(own + self._discount * each for each in below.branches),
        )


def _average(sums: Sequence[_Sum]) -> _Sum:
    """Return the mean, which parts into the sums, or as the only one does."""
    if len(sums) == 1:
        return sums[0]
    values = tuple(each.value for each in sums)
    return _Sum(value=fmean(values), branches=values)
