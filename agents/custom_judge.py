"""A custom judge: a role that compares two replies and returns a margin."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import isfinite, isnan
from typing import Any

from aloe.agents.guard import called
from aloe.agents.judge import ORDERS, Comparison, Order, outcome_of
from aloe.agents.prompt import Prompt
from aloe.agents.roles import RoleModel
from aloe.calls.log import CallLog
from aloe.calls.together import ask_each
from aloe.errors import RoleError
from aloe.models.open import Model
from aloe.schema import Outcome, Verdict, Vote
from aloe.signatures import defined_in


@dataclass(frozen=True, kw_only=True)
class CustomJudge:
    """A custom judge, called with a `Comparison`; it returns a margin.

    Like a model it is asked in both orders, so that a constant liking for a place cancels.
    """

    use: str
    play: Callable[..., Any]
    prompt: Prompt | None
    model: Model | None
    calls: CallLog
    min_margin: float
    orders: tuple[Order, ...] = ORDERS
    """One of them for a judge that says that it is symmetric."""

    async def compare(self, asked: Comparison) -> Verdict:
        """Turn the margins into a verdict: the mean of those for the first reply counts.

        It is a tie if all are 0. None, NaN and small ones abstain, as does what is contradictory
        without end. An infinite one is a preference whose margin no file can hold.

        Raises:
            RoleError: the judge failed or returned something else.
            CallError: a call of it failed.
        """
        if asked.settled:
            return asked.verdict(asked.settled)
        asks = [partial(self._ask, asked.shown(order)) for order in self.orders]
        said = await ask_each(asks, at_once=self.calls.batches is not None)
        answers = [*zip(self.orders, said, strict=True)]
        votes = tuple(self._vote(order, margin) for order, margin in answers)
        outcome, margin = _decide([_for_first(*each) for each in answers], self.min_margin)
        return asked.verdict(outcome, votes, margin=margin)

    async def _ask(self, shown: Comparison) -> float | None:
        """Return its margin for the reply that it is shown first."""
        model = RoleModel(
            name="judge",
            prompt=self.prompt,
            model=self.model,
            calls=self.calls,
            tree=shown.tree,
            about=shown.user.id,
            among=(shown.first.id, shown.second.id),
        )
        what, seen = f"judge '{self.use}'", deepcopy(shown)
        margin = await called(what, shown.tree, self.play, seen, model)
        try:
            return _number(margin)
        except (ValueError, TypeError, OverflowError):
            raise RoleError(
                f"judge '{self.use}' failed in tree {shown.tree}: {defined_in(self.play)}: "
                f"a judge returns a number or None, not {str(margin)[:60]!r}"
            ) from None

    def _vote(self, order: Order, margin: float | None) -> Vote:
        found = _for_first(order, margin)
        choice = None if found is None else "tie" if found == 0 else outcome_of(found, 0)
        fields = {"judge": self.use, "order": order, "raw": str(margin), "choice": choice}
        return Vote.model_validate(fields)


def _for_first(order: Order, margin: float | None) -> float | None:
    """Return the margin for the first reply, of a judge that was shown both in this order."""
    return margin if margin is None or order == ORDERS[0] else -margin


def _decide(margins: Sequence[float | None], min_margin: float) -> tuple[Outcome, float | None]:
    """Return what margins for the first reply come to, and their mean if a file can hold it."""
    found = [each for each in margins if each is not None]
    mean = sum(each / len(found) for each in found)
    if len(found) < len(margins) or isnan(mean):
        return "abstain", None
    outcome: Outcome = "tie" if not any(found) else outcome_of(mean, min_margin)
    return outcome, mean if isfinite(mean) else None


def _number(margin: Any) -> float | None:
    """Return a margin as a float, None for none.

    Raises:
        ValueError, TypeError, OverflowError: it is no number. A truth value is none: it could only
            ever be for the first reply, or a tie.
    """
    if isinstance(margin, bool) or str(getattr(margin, "dtype", "")).endswith("bool"):
        raise TypeError
    return None if margin is None or isnan(margin) else float(margin)
