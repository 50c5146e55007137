"""The players of the experiment's trees that are no models.

Who plays the user, and what of it is disclosed, must not cost what the experiment is about:
with two cores every call is one reply less to learn from. So the user speaks by rule, the inducer
marks all that is not a question of the bank, and rewriters edit replies that other assistants write
anyway, so it costs no call at all.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aloe.agents.assistant import Assistant, AssistantAgent
from aloe.agents.rewriter import rewrite
from aloe.agents.transcript import Turns, chat_messages
from aloe.memory.questions import find_questions_in
from aloe.memory.verifiable.asking import OPEN, find_asked
from aloe.memory.verifiable.catalogue import DIMENSIONS, Wishes
from aloe.memory.verifiable.phrases import find_all_stated, find_questions
from aloe.models.open import Message
from aloe.schema import AssistantNode, Disclosure, UserNode, derive_seed

REWRITER, STRANGER, ASKER = "rewriter", "stranger", "asker"
"""What nodes call them; their replies are counted apart."""

ChooseWishes = Callable[[Sequence[str], int], Wishes]
"""Returns the wishes that a reply is edited for; is given the user's messages and a seed."""

OPEN_SHARE = 0.5
"""Share of the asker's questions that name nothing."""
OPEN_QUESTIONS = (
    "How would you like me to answer you?",
    "What do you look for in a reply?",
    "Is there anything I should change about my answers?",
    "What makes a reply work for you?",
    "Which style of answer suits you?",
    "How do you want my replies to be?",
)

STRANGE_WISHES = 2
"""As many as a user has of those that take effort."""


def stated_wishes(texts: Sequence[str], _seed: int) -> Wishes:
    """Return what this user has asked for so far."""
    return find_all_stated(texts)


def strange_wishes(dimensions: Iterable[str]) -> ChooseWishes:
    """Return what draws wishes that nobody stated, of those that take effort.

    Beside a reply edited for a stranger, one that was edited for this user is better for that
    alone. Without it whatever edits add is preferred, and a model learns to add it to every reply.
    """
    names = sorted(dimensions)

    def drawn(texts: Sequence[str], seed: int) -> Wishes:
        left = [name for name in names if name not in find_all_stated(texts)]
        chosen = random.Random(seed).sample(left, min(STRANGE_WISHES, len(left)))
        return {name: DIMENSIONS[name][0].value for name in chosen}

    return drawn


def training_questions() -> tuple[str, ...]:
    """Return the questions that training users ask; no benchmark asks them."""
    text = (Path(__file__).parent / "questions.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


@dataclass(frozen=True, kw_only=True)
class DeployedAssistant(AssistantAgent):
    """Answers as it will be benchmarked: with the conversation and no instruction of ours."""

    def _messages(self, path: Turns, user: UserNode, hint: str | None) -> list[Message]:  # noqa: ARG002
        return chat_messages([*path, user])


@dataclass(frozen=True, kw_only=True)
class Trimmed:
    """An assistant whose replies, where they hit the token limit, end with their last sentence.

    The limit is the experiment's own, there to save time, and replies are cut back to whole
    sentences before anybody reads them. So only what holds no whole sentence stays marked as cut
    off; else most of what a chatty small model says could not be learnt from.
    """

    source: Assistant

    @property
    def name(self) -> str:
        """Recorded on every node that it writes."""
        return self.source.name

    async def reply(
        self, tree: str, path: Turns, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        """Answer `user`.

        Raises:
            CallError: the call failed.
        """
        written = await self.source.reply(tree, path, user, revealed)
        if written.faults == ("truncated",) and written.content[-1] in ".!?":
            return written.model_copy(update={"faults": ()})
        return written


@dataclass(frozen=True, kw_only=True)
class AskedOnce:
    """An assistant whose reply two others read: it is asked once for each message."""

    source: Assistant
    _asked: dict[str, "asyncio.Task[AssistantNode]"] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Recorded on every node that it writes."""
        return self.source.name

    async def reply(
        self, tree: str, path: Turns, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        """Answer `user`, or wait for the answer that is on its way.

        Raises:
            CallError: the call failed; the next time it is made anew.
        """
        if user.id not in self._asked:
            answer = self.source.reply(tree, path, user, revealed)
            self._asked[user.id] = asyncio.ensure_future(answer)
        try:
            return await self._asked[user.id]
        except BaseException:
            self._asked.pop(user.id, None)
            raise


@dataclass(frozen=True, kw_only=True)
class Rewriter:
    """Edits another assistant's reply until it keeps some wishes.

    It reads the messages and nothing of the persona, so it serves no wish before it was stated.
    """

    source: Assistant
    name: str = REWRITER
    wishes: ChooseWishes = stated_wishes

    async def reply(
        self, tree: str, path: Turns, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        """Answer `user` with an edited reply; empty if there is nothing to edit.

        Raises:
            CallError: the call of the other assistant failed.
        """
        written = await self.source.reply(tree, path, user, revealed)
        seed = derive_seed(self.name, tree, user.id)
        wishes = self.wishes([node.content for node in [*path[::2], user]], seed)
        text = "" if written.faults else rewrite(written.content, wishes, seed)
        faults = () if text else ("empty",)
        return AssistantNode.of(user.id, text, agent=self.name, turn=user.turn, faults=faults)


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Adds one question to another assistant's reply, as long as there is something to ask.

    It reads the messages and nothing of the persona. What it knows beside them is the catalogue:
    the dimensions that users may care about, and how many of them each user does. It can go on when
    it knows all, for trees from which a model is to learn when to stop.
    """

    source: Assistant
    dimensions: Sequence[str]
    wishes: int
    """Of each user."""
    needless: float = 0.0
    """Share of the messages to which it asks something though it knows all wishes."""
    name: str = ASKER

    async def reply(
        self, tree: str, path: Turns, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        """Answer `user`, and ask; empty if there is no reply to add to.

        Raises:
            CallError: the call of the other assistant failed.
        """
        written = await self.source.reply(tree, path, user, revealed)
        text = written.content
        rng = random.Random(derive_seed(self.name, tree, user.id))
        about = self._choose([*path, user], rng)
        if text and about:
            phrases = OPEN_QUESTIONS if about == OPEN else find_questions(about, "train")
            text += ("\n" if "\n" in text else " ") + rng.choice(phrases)
        return AssistantNode.of(
            user.id, text, agent=self.name, turn=user.turn, faults=written.faults
        )

    def _choose(self, said: Turns, rng: random.Random) -> str | None:
        """Return what to ask about: a dimension neither known nor asked for yet, or `OPEN`.

        Whom an open question brought to nothing new is asked none again, and whoever wants no
        questions is asked nothing. A needless question is about any dimension.
        """
        known = [find_all_stated([node.content for node in said[: end + 1 : 2]])
                 for end in range(0, len(said), 2)]  # fmt: skip
        if known[-1].get("question") == "none":
            return None
        if len(known[-1]) >= self.wishes:
            return self._ask_anything(rng) if rng.random() < self.needless else None
        texts = [node.content for node in said]
        asked = [_find_asked(texts[n], texts[:n:2]) for n in range(1, len(said), 2)]
        dry = any(OPEN in each and known[n] == known[n + 1] for n, each in enumerate(asked))
        done = known[-1].keys() | set().union(*asked)
        left = sorted(set(self.dimensions) - done)
        if not dry and (not left or rng.random() < OPEN_SHARE):
            return OPEN
        return rng.choice(left) if left else None

    def _ask_anything(self, rng: random.Random) -> str:
        return OPEN if rng.random() < OPEN_SHARE else rng.choice(sorted(self.dimensions))


def _find_asked(reply: str, messages: Sequence[str]) -> set[str]:
    questions = find_questions_in(reply, messages)
    return {about for each in questions if (about := find_asked(each))}
