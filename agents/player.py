"""Who plays a user: a rule, or a model."""

from dataclasses import dataclass
from typing import Protocol

from aloe.agents.rewording import Rewording
from aloe.agents.transcript import Turns
from aloe.config import Disclosing
from aloe.schema import Persona, UserNode


def plays_by_rule(persona: Persona, disclosure: Disclosing) -> bool:
    """Whether a rule plays a persona in a simulation: if a program can check its wishes.

    By the schedule a model plays all of a simulation's users, and wishes are their manner. The
    benchmark (`aloe.graphs.dialogue`) and GRPO (`aloe.agents.rewards`) let the rule play whoever
    has wishes, by the schedule too: they score how wishes are kept and which were told, and only a
    rule is sure to tell them.
    """
    return bool(persona.preferences) and disclosure != "schedule"


class User(Protocol):
    """Writes the user's messages: a model (`UserAgent`), or a rule (`RuleUser`)."""

    async def speak(self, persona: Persona, tree: str, path: Turns) -> UserNode:
        """Write the user message that follows `path`."""

    async def recheck(
        self, persona: Persona, tree: str, path: Turns, changed: Rewording
    ) -> UserNode:
        """Return a message that a custom role reworded, with the faults of what it says now."""

    def done(self, persona: Persona, tree: str, path: Turns) -> bool:
        """Whether the conversation has come to its end with the message that ends `path`."""


@dataclass(frozen=True, kw_only=True)
class UserByPersona:
    """A rule or a model, whichever plays the persona."""

    model: User
    rule: User
    disclosure: Disclosing

    async def speak(self, persona: Persona, tree: str, path: Turns) -> UserNode:
        """Write the user message that follows `path`.

        Raises:
            CallError: a call failed.
        """
        return await self._player(persona).speak(persona, tree, path)

    async def recheck(
        self, persona: Persona, tree: str, path: Turns, changed: Rewording
    ) -> UserNode:
        """Return a message that a custom role reworded, with the faults of what it says now.

        Raises:
            CallError: a call failed.
        """
        return await self._player(persona).recheck(persona, tree, path, changed)

    def done(self, persona: Persona, tree: str, path: Turns) -> bool:
        """Whether the conversation has come to its end with the message that ends `path`."""
        return self._player(persona).done(persona, tree, path)

    def _player(self, persona: Persona) -> User:
        return self.rule if plays_by_rule(persona, self.disclosure) else self.model
