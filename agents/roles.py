"""Custom roles: agents that join a simulation from outside this program.

A role is a class or a function in the user's own file, named in settings:

    [roles.safety]
    use = "my_roles:SafetyCritic"     # MODULE:NAME, or an entry point of the group aloe.roles
    after = "assistant"               # or before = STAGE, or among = "assistants"
    threshold = 3                     # any other key is an argument of the role

It is called once an exchange with what there is to see (`Exchange`) and with its model
(`RoleModel`). It returns what it found, which is stored on the user's message under its name (among
the assistants: its reply), or an `Update`, which can also change what goes on:

    before user       who the user plays in this exchange
    after user        what the user says; after inducer: the same, without being marked as revealed
    among assistants  a reply of its own; it is told no more than was said (`aloe.agents.heard`), so
                      it cannot leak the persona
    after assistant   nothing, it only notes: a reply, once written, is data
    after judge       nothing, it only notes: labels are the judge's

A custom judge (`[judge] use`) is written in the same way; it is called with a `Comparison`, in both
orders unless it says `symmetric = True`, and returns its margin for the first reply.
`aloe.agents.registry` finds both, and `aloe.agents.role_agent` checks what roles return.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from aloe.agents.faults import ending_fault, silence, tidied
from aloe.agents.prompt import Prompt
from aloe.calls.log import CallLog
from aloe.calls.sample import vary_seed
from aloe.errors import ConfigError
from aloe.files.json_objects import read_object
from aloe.models.markup import message_in
from aloe.models.open import Model, Reply
from aloe.schema import AssistantNode, Disclosure, Node, Persona, UserNode, Verdict, derive_seed

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What a role sees of an exchange: everything that exists at its place."""

    role: str
    """Name of the role that sees it."""
    tree: str
    """Id of the tree."""
    path: tuple[Node, ...]
    """The conversation before this exchange, from the opening message down."""
    played: Persona | None = None
    """`persona`, or None where the role must not see it."""
    said: UserNode | None = None
    """`user`, or None where nothing has been said yet."""
    revealed: tuple[Disclosure, ...] = ()
    """What the user has revealed on this path, as marked by the inducer."""
    candidates: tuple[AssistantNode, ...] = ()
    """The replies to choose from, in the order of the assistants."""
    verdicts: tuple[Verdict, ...] = ()
    """What the judge said about them."""

    @property
    def persona(self) -> Persona:
        """Who the user agent plays.

        Raises:
            LookupError: the role is among the assistants.
        """
        if self.played is None:
            raise LookupError("a role among the assistants is not told the persona")
        return self.played

    @property
    def user(self) -> UserNode:
        """The user's message.

        Raises:
            LookupError: the role works before the user speaks.
        """
        if self.said is None:
            raise LookupError("the user has not spoken yet")
        return self.said

    @property
    def turn(self) -> int:
        """Number of the exchange on its path, from 1."""
        return len(self.path) // 2 + 1

    def rng(self) -> Random:
        """Return the role's source of randomness, the same when this exchange is played again.

        It depends on tree, role and the latest message; in a rollout, also on its number.
        """
        return self._random

    @cached_property
    def _random(self) -> Random:
        latest = self.said or (self.path[-1] if self.path else None)
        seed = derive_seed("random", self.role, self.tree, latest.id if latest else None)
        return Random(vary_seed(seed))


@dataclass(frozen=True, kw_only=True)
class Update:
    """What a role adds and changes."""

    note: object = None
    """Stored with the user's message, among the assistants with the reply that the role wrote: a
    pydantic model or anything else that serialises to JSON. None: no note."""
    notes: Mapping[str, object] = field(default_factory=dict)
    """The same by node id, for the candidates."""
    text: str | None = None
    """What the user says instead, None: no change; among the assistants: the reply, which has to be
    there and is empty if a model said nothing."""
    persona: Persona | None = None
    """Before the user speaks: who the user plays, and the judge speaks for, in this exchange."""


@dataclass(kw_only=True)
class RoleModel:
    """A role's model, asked with the role's prompt; every call is an event of the run."""

    name: str
    """Of the role."""
    prompt: Prompt | None
    model: Model | None
    """None, like the prompt, for a role without a model."""
    calls: CallLog
    tree: str
    about: str | None
    """Default for the node that a call is about; None at the very start."""
    among: tuple[str, ...] = ()
    """What tells it from others about the same node, such as the ids of the replies compared."""
    asked: Counter[str | None] = field(default_factory=Counter)
    """Calls so far in this exchange, by the node they are about, so that no two of them share a
    seed and none depends on which answer about another node came first."""
    replies: list[Reply] = field(default_factory=list)
    """What came back, in this order."""

    async def ask(self, node: Node | None = None, /, **fields: object) -> str:
        """Fill in the prompt, ask, and return the answer without label and wrapping quotes.

        Args:
            node: what the call is about, for the log; None: the user's message.
            fields: values of exactly the fields that the prompt names.

        Raises:
            ConfigError: the role has no prompt, or the fields are not those of the prompt.
            CallError: the call failed.
        """
        return await self._ask(node, fields, lambda reply: tidied(reply) or None) or ""

    async def read(self, kind: type[M], node: Node | None = None, /, **fields: object) -> M | None:
        """Ask for JSON and parse it as `kind`; return None, and count it, if that fails.

        Raises:
            ConfigError: the role has no prompt, or the fields are not those of the prompt.
            CallError: the call failed.
        """
        return await self._ask(node, fields, lambda reply: _read(kind, reply), kind)

    async def _ask(
        self,
        node: Node | None,
        fields: Mapping[str, object],
        read: Callable[[Reply], T | None],
        kind: type[BaseModel] | None = None,
    ) -> T | None:
        if self.prompt is None or self.model is None:
            raise ConfigError(f"role '{self.name}' asks its model but names no prompt")
        messages = self.prompt.render(**{name: str(value) for name, value in fields.items()})
        about = node.id if node else self.about
        seed = derive_seed("role", self.name, self.tree, about, *self.among, self.asked[about])
        self.asked[about] += 1
        async with self.calls.call(self.name, self.model, tree=self.tree, node=about) as call:
            schema = kind.model_json_schema() if kind else None
            reply = await call.ask(messages, seed=seed, schema=schema)
            self.replies.append(reply)
            found = read(reply)
            if found is None:
                call.event.outcome = "unreadable" if kind else silence(reply)
            elif (cut := ending_fault(reply)) and self.model.config.max_tokens != 1:
                call.event.outcome = cut
        return found

    def reply_in(self, text: str) -> Reply:
        """Return the latest answer that `text` is, or ends with; a whole one if there is none."""
        for reply in reversed(self.replies):
            said = message_in(tidied(reply))
            if said == text or (said and text and (text.endswith(said) or said.endswith(text))):
                return reply
        return Reply.whole(text)


def _read(kind: type[M], reply: Reply) -> M | None:
    try:
        return kind.model_validate_json(json.dumps(read_object(reply.text)))
    except (ValidationError, TypeError):  # of YAML's own types, such as dates
        return None
