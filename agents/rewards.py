"""What a trainer asks of the agents: how good replies are, and what their users say next.

Reinforcement learning works on batches of plain conversations, agents on one tree at a time. The
functions here take what TRL's reward functions take (lists of prompts and completions, and a list
for each further column of `aloe export --format grpo`) and hand each conversation, with the persona
that its row carries, to the agents that also play and judge simulations. So rewards come from the
same judge as the trees' labels, and there is no second prompt.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from aloe.agents.disclosing import note_told
from aloe.agents.rating import PointwiseJudge
from aloe.agents.rule_user import RuleUser
from aloe.agents.user import UserAgent
from aloe.config import UserConfig
from aloe.errors import CallError, ConfigError
from aloe.files.records import describe
from aloe.memory.personas import find_problem
from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.models.markup import message_in
from aloe.schema import AssistantNode, Node, Persona, UserNode

Conversation = Sequence[Mapping[str, str]]
"""Messages with `role` and `content`, user and assistant by turns."""

T = TypeVar("T")
Wait = Callable[[Coroutine[Any, Any, list[T]]], list[T]]
"""Runs a coroutine to its end, always in the same loop."""

POLICY = "policy"
"""What nodes call the model under training."""


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A conversation as the agents know it."""

    persona: Persona
    tree: str
    path: tuple[Node, ...]


def talks(conversations: Sequence[Conversation], columns: Mapping[str, Any]) -> list[Talk]:
    """Return the conversations of a batch, each with the persona in its row's columns."""
    found = []
    for index, messages in enumerate(conversations):
        named = ("profile", "personality", "preferences", "facts", "tree")
        row = {name: columns[name][index] for name in named if name in columns}
        path = _path(messages, row["tree"])
        found.append(Talk(persona=read_persona(row), tree=row["tree"], path=path))
    return found


def read_persona(row: Mapping[str, Any]) -> Persona:
    """Return the persona that the columns of a row describe."""
    given = {"facts": tuple(row["facts"])} if row.get("facts") else {}
    wishes = dict(row.get("preferences") or ())
    return Persona.of(row["profile"], row["personality"], preferences=wishes, **given)


def _path(messages: Conversation, tree: str) -> tuple[Node, ...]:
    path: list[Node] = []
    for message in messages:
        parent, text = path[-1].id if path else None, said_in(message)
        turn = len(path) // 2 + 1
        if message["role"] == "user":
            path.append(UserNode.of(parent, text, tree=tree, turn=turn))
        elif message["role"] == "assistant" and parent:
            path.append(AssistantNode.of(parent, text, agent=POLICY, turn=turn))
    return tuple(path)


def said_in(message: Mapping[str, str]) -> str:
    """Return what a message says: the policy's replies come with all that it wrote around them."""
    content = message["content"]
    return message_in(content) if message["role"] == "assistant" else content.strip()


def check_columns(row: Mapping[str, Any], *, by_rule: bool) -> None:
    """Make sure that a row carries what the agents need to know.

    Args:
        row: the columns of one row.
        by_rule: whether its wishes must be such that a program can check them.

    Raises:
        ConfigError: something is missing or unknown.
    """
    for name in ("profile", "personality"):
        if not (isinstance(row.get(name), str) and row[name].strip()):
            raise ConfigError(f"has no '{name}'; export it with `aloe export --format grpo`")
    wishes = row.get("preferences") or []
    try:
        known = all(value in {w.value for w in DIMENSIONS[name]} for name, value in wishes)
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise ConfigError("'preferences' are not pairs of a dimension and its value")
    try:
        persona = read_persona(row)
    except ValidationError as error:
        raise ConfigError(describe(error)) from None
    if problem := find_problem(persona):
        raise ConfigError(problem)
    if by_rule and not wishes:
        raise ConfigError(
            "has a persona without wishes that a program can check; reward it with a judge"
        )


def rules(
    *, completions: Sequence[Conversation], preferences: Sequence[Any], **_columns: Any
) -> list[float]:
    """Return for each completion the share of its user's wishes that it keeps, in [0, 1].

    Raises:
        ConfigError: a user has no wishes that a program can check; any reply would keep them all.
    """
    if not all(preferences):
        raise ConfigError(
            "the reward rules: a row has no wishes that a program can check (its 'preferences' "
            "are empty); leave such rows out, or reward them with a judge"
        )
    return [
        measure_satisfaction(dict(wishes), said_in(completion[-1]))
        for completion, wishes in zip(completions, preferences, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class JudgeReward:
    """Rates completions with the pointwise judge; all calls of a batch are in flight at once."""

    judge: PointwiseJudge
    wait: Wait[float | None]

    __name__ = "judge"

    def __call__(
        self,
        *,
        prompts: Sequence[Conversation],
        completions: Sequence[Conversation],
        **columns: Any,
    ) -> list[float | None]:
        """Return a reward in [0, 1] for each completion; None where the judge gave no rating.

        An empty completion gets 0 without a call.

        Raises:
            ModelError: the judge cannot be asked at all.
        """
        whole = [[*prompt, *reply] for prompt, reply in zip(prompts, completions, strict=True)]
        return self.wait(_together(self._rate, talks(whole, columns)))

    async def _rate(self, talk: Talk) -> float | None:
        *before, user, reply = talk.path
        assert isinstance(user, UserNode)
        assert isinstance(reply, AssistantNode)
        try:
            return await self.judge.share(talk.persona, talk.tree, before, user, reply)
        except CallError:
            return None


@dataclass(frozen=True, kw_only=True)
class Users:
    """Writes the next user message of each conversation."""

    model: UserAgent | None
    """Plays the users whose wishes no program can check; None if there are none."""
    wait: Wait[str | None]
    config: UserConfig = field(default_factory=UserConfig)
    """When users tell something."""

    def __call__(self, conversations: Sequence[Conversation], **columns: Any) -> list[str | None]:
        """Return what the users say now; None where one stays silent or a call failed.

        Raises:
            ModelError: the model cannot be asked at all.
        """
        return self.wait(_together(self._speak, talks(conversations, columns)))

    async def _speak(self, talk: Talk) -> str | None:
        persona, path = talk.persona, list(talk.path)
        rule = RuleUser(config=self.config)
        user = self.model if self.model and not persona.preferences else rule
        if user is self.model and self.config.disclosure != "schedule":
            path = note_told(persona, path)
        try:
            node = await user.speak(persona, talk.tree, path)
        except CallError:
            return None
        return node.content or None


async def _together(
    ask: Callable[[Talk], Coroutine[Any, Any, T]], asked: Sequence[Talk]
) -> list[T]:
    return list(await asyncio.gather(*map(ask, asked)))
