"""A custom judge: a role that compares two replies and returns a margin."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any, Literal

from aloe.agents.guard import called
from aloe.agents.judge import Comparison
from aloe.agents.prompt import Prompt
from aloe.agents.roles import RoleModel
from aloe.calls.log import CallLog
from aloe.errors import RoleError
from aloe.models.open import Model
from aloe.schema import Verdict, Vote
from aloe.signatures import defined_in


@dataclass(frozen=True, kw_only=True)
class CustomJudge:
    """A custom judge, called with a `Comparison`; it returns a margin."""

    use: str
    play: Callable[..., Any]
    prompt: Prompt | None
    model: Model | None
    calls: CallLog
    min_margin: float

    async def compare(self, asked: Comparison) -> Verdict:
        """Turn the margin into a verdict: 0 is a tie; None, NaN and small ones abstain.

        An infinite one is a preference whose margin no file can hold.

        Raises:
            RoleError: the judge failed or returned something else.
            CallError: a call of it failed.
        """
        if asked.settled:
            return asked.verdict(asked.settled)
        model = RoleModel(
            name="judge",
            prompt=self.prompt,
            model=self.model,
            calls=self.calls,
            tree=asked.tree,
            about=asked.user.id,
            among=(asked.first.id, asked.second.id),
        )
        margin = await called(f"judge '{self.use}'", asked.tree, self.play, asked, model)
        try:
            margin = _number(margin)
        except (ValueError, TypeError, OverflowError):
            raise RoleError(
                f"judge '{self.use}' failed in tree {asked.tree}: {defined_in(self.play)}: "
                f"a judge returns a number or None, not {str(margin)[:60]!r}"
            ) from None
        choice = None if margin is None else _side(margin)
        vote = Vote(judge=self.use, order="first-second", raw=str(margin), choice=choice)
        small = margin is None or 0 < abs(margin) < self.min_margin
        held = margin if margin is not None and isfinite(margin) else None
        return asked.verdict("abstain" if small else choice or "abstain", (vote,), margin=held)


def _number(margin: Any) -> float | None:
    """Return a margin as a float, None for none.

    Raises:
        ValueError, TypeError, OverflowError: it is no number. A truth value is none: it could only
            ever be for the first reply, or a tie.
    """
    if isinstance(margin, bool) or str(getattr(margin, "dtype", "")).endswith("bool"):
        raise TypeError
    return None if margin is None or isnan(margin) else float(margin)


def _side(margin: float) -> Literal["first", "second", "tie"]:
    if margin == 0:
        return "tie"
    return "first" if margin > 0 else "second"
