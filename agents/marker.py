"""Who marks what a message reveals: a rule, or a model (`aloe.agents.inducer`)."""

from dataclasses import dataclass
from typing import Protocol

from aloe.agents.rule_user import BACK_TO, QUESTIONS
from aloe.memory.verifiable.manners import ASIDES
from aloe.players import is_said_by_rule
from aloe.schema import Disclosure, UserNode, sentences


class Marker(Protocol):
    """Marks what a message reveals: a model (`Inducer`), or a rule."""

    async def induce(self, tree: str, user: UserNode) -> tuple[Disclosure, ...]:
        """Return what `user`, a message, reveals."""


@dataclass(frozen=True, kw_only=True)
class RuleMarker:
    """Marks every sentence of a rule user that is no question of the bank and tells something."""

    questions: frozenset[str] = frozenset(QUESTIONS)

    async def induce(self, tree: str, user: UserNode) -> tuple[Disclosure, ...]:  # noqa: ARG002
        """Return what `user`, a message, reveals."""
        said = sentences(user.content)
        beside = self.questions | ASIDES
        told = (text for text in said if text.removeprefix(BACK_TO).strip() not in beside)
        return tuple(Disclosure(quote=text) for text in told)


@dataclass(frozen=True, kw_only=True)
class MarkerByAuthor:
    """A rule for what a rule said; a model for the rest, and for what a custom role reworded."""

    model: Marker
    rule: Marker

    async def induce(self, tree: str, user: UserNode) -> tuple[Disclosure, ...]:
        """Return what `user`, a message, reveals.

        Raises:
            CallError: a call failed.
        """
        marker = self.rule if is_said_by_rule(user) else self.model
        return await marker.induce(tree, user)
