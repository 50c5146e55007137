"""Custom roles at work: called in each exchange, with what they return checked at once.

Anything invalid at that place is an error that names the role, the tree and where the role is
defined, so it never reaches a tree.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue
from pydantic_core import to_json

from aloe.agents.faults import assistant_faults
from aloe.agents.guard import called
from aloe.agents.heard import hear, hear_all, quotes_of
from aloe.agents.prompt import Prompt
from aloe.agents.registry import find_roles
from aloe.agents.roles import Exchange, RoleModel, Update
from aloe.agents.transcript import Turns
from aloe.calls.log import CallLog
from aloe.config import Config, Place
from aloe.control_characters import encodable
from aloe.errors import RoleError
from aloe.models.markup import message_in
from aloe.models.open import Model
from aloe.schema import AssistantNode, Disclosure, Persona, UserNode
from aloe.signatures import defined_in
from aloe.wording import visible

ALLOWED: dict[Place, frozenset[str]] = {
    "before user": frozenset({"note", "persona"}),
    "after user": frozenset({"note", "text"}),
    "after inducer": frozenset({"note", "text"}),
    "after assistant": frozenset({"note", "notes"}),
    "after judge": frozenset({"note", "notes"}),
    "among assistants": frozenset({"note", "text"}),
}
"""What an update may hold at each place."""

WRITES: Place = "among assistants"
"""Where a role returns a message of its own, and may return it as it is."""
REPLY = "a role among the assistants returns its reply, as a text or as Update(text=...)"


@dataclass(frozen=True, kw_only=True)
class RoleAgent:
    """A role at work: called in each exchange, what it returns checked."""

    name: str
    place: Place
    play: Callable[..., Any]
    prompt: Prompt | None
    model: Model | None
    calls: CallLog

    def model_for(self, exchange: Exchange) -> RoleModel:
        """Return what the role asks in this exchange."""
        about = exchange.said or (exchange.path[-1] if exchange.path else None)
        return RoleModel(
            name=self.name,
            prompt=self.prompt,
            model=self.model,
            calls=self.calls,
            tree=exchange.tree,
            about=about.id if about else None,
        )

    async def update(self, exchange: Exchange, model: RoleModel | None = None) -> Update:
        """Let the role see a copy of the exchange and return what it adds, notes as JSON.

        Args:
            exchange: what there is to see.
            model: the model to ask; pass one to read its replies afterwards. None: its own.

        Raises:
            RoleError: it failed, or what it returned does not fit its place.
            CallError: a call of it failed.
        """
        model = model or self.model_for(exchange)
        what, seen = f"role '{self.name}'", deepcopy(exchange)
        returned = await called(what, exchange.tree, self.play, seen, model)
        try:
            return self._checked(self._as_update(returned), exchange)
        except (ValueError, TypeError) as error:
            problem = f"role '{self.name}' returned what does not fit in tree {exchange.tree}"
            raise RoleError(f"{problem}: {defined_in(self.play)}: {error}") from None

    def _as_update(self, returned: object) -> Update:
        if isinstance(returned, Update):
            return returned
        if self.place != WRITES:
            return Update(note=returned)
        if isinstance(returned, str):
            return Update(text=returned)
        raise ValueError(f"{REPLY}, not {type(returned).__name__}")

    def _checked(self, update: Update, exchange: Exchange) -> Update:
        held = {key for key, value in vars(update).items() if value is not None and key != "notes"}
        held |= {"notes"} if update.notes else set()
        if extra := sorted(held - ALLOWED[self.place]):
            allowed = ", ".join(sorted(ALLOWED[self.place]))
            raise ValueError(f"'{extra[0]}' has no effect {self.place}; allowed: {allowed}")
        notes: object = update.notes
        if not isinstance(notes, Mapping):
            kind = type(notes).__name__
            raise ValueError(f"notes go by message, in a dictionary, not a {kind}")
        known = {node.id for node in (exchange.said, *exchange.candidates) if node}
        if strange := [node for node in update.notes if node not in known]:
            raise ValueError(f"notes on '{strange[0]}', which is not a message of this exchange")
        text = _message(update.text)
        if self.place == WRITES and text is None:
            raise ValueError(f"{REPLY}, not an Update without text")
        if self.place != WRITES and text is not None and not visible(text):
            raise ValueError("text is empty, and no user says nothing; for no change, leave it out")
        if update.persona is not None and not isinstance(update.persona, Persona):
            raise ValueError(f"persona has to be a Persona, not {type(update.persona).__name__}")
        return replace(
            update,
            note=as_json(update.note),
            notes={node: as_json(note) for node, note in update.notes.items()},
            text=text,
            persona=deepcopy(update.persona),
        )


def as_json(value: object) -> JsonValue:
    """Return `value`, a pydantic model or anything plain, as JSON has it; NaN becomes null.

    Raises:
        ValueError: it cannot be JSON.
    """
    found: JsonValue = json.loads(to_json(value, inf_nan_mode="null"))
    return found


def _message(text: object) -> str | None:
    """Return the message in a text without half surrogate pairs, which no file takes.

    Raises:
        ValueError: it is neither a text nor None.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"text has to be a string, not {type(text).__name__}")
    return message_in(encodable(text))


@dataclass(frozen=True, kw_only=True)
class RoleAssistant:
    """A role among the assistants: writes one candidate in each exchange."""

    agent: RoleAgent

    @property
    def name(self) -> str:
        """Recorded on every node that it writes."""
        return self.agent.name

    async def reply(
        self, tree: str, path: Turns, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        """Answer `user`, which follows `path`, as `AssistantAgent.reply` does.

        The role gets what was said and nothing that tells more of the persona.

        Raises:
            CallError: the role or a call of it failed.
        """
        exchange = Exchange(
            role=self.name,
            tree=tree,
            path=hear_all(path, self.name),
            said=hear(user),
            revealed=quotes_of(revealed),
        )
        model = self.agent.model_for(exchange)
        update = await self.agent.update(exchange, model)
        text = update.text or ""  # empty if the model that it asked said nothing
        told = " ".join(each.quote for each in revealed) or None
        faults = assistant_faults(text, model.reply_in(text), hint=told, asked=user.content)
        return AssistantNode.of(
            user.id,
            text,
            agent=self.name,
            turn=user.turn,
            faults=faults,
            notes=noted({}, self.name, update.note),
        )


def reworded(user: UserNode, text: str, tree: str) -> UserNode:
    """Return `user` saying `text`; what it revealed stays as long as the text still holds it."""
    new = UserNode.of(user.parent, text, tree=tree, turn=user.turn).id
    former = dict.fromkeys((*user.former, user.id))
    former.pop(new, None)
    changed = {
        "id": new,
        "content": text,
        "revealed": tuple(each for each in user.revealed if each.quote in text),
        "former": tuple(former),
    }
    return user.model_copy(update=changed)


def noted(notes: dict[str, JsonValue], name: str, note: Any) -> dict[str, JsonValue]:
    """Return `notes` with the note of a role, None for none."""
    return notes if note is None else {**notes, name: note}


def make_roles(
    config: Config, models: Mapping[str, Model], calls: CallLog
) -> tuple[RoleAgent, ...]:
    """Make the roles that settings name.

    Args:
        config: settings of the run.
        models: by agent name; a role with a prompt needs its own.
        calls: the log that every call passes.

    Raises:
        ConfigError: one cannot be used or made.
    """
    return tuple(
        RoleAgent(
            name=role.found.name,
            place=role.place,
            play=role.found.made(config.simulation.concurrency),
            prompt=role.found.prompt,
            model=models.get(role.found.name),
            calls=calls,
        )
        for role in find_roles(config)
    )
