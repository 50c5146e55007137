"""The model under test, and the conditions under which it answers.

A candidate gets the conversation and nothing else: no persona, no hint, no instruction, as a
deployed model would. Each control changes one thing about that, and puts the candidate's figures in
context. `floor` is another, untuned model. `ceiling` is told who the user is. `shuffled` is told
that the user is somebody else, so it personalises for the wrong person. `no-history` sees only the
last message, because the user's messages themselves reveal more over time. `concise` is told to be
brief, because everybody likes a short and friendly reply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aloe.agents.faults import assistant_faults, tidied
from aloe.agents.prompt import Prompt, shipped
from aloe.agents.transcript import Turns, chat_messages
from aloe.calls.log import CallLog
from aloe.config import Condition
from aloe.models.http_stream import Hear
from aloe.models.open import Message, Model
from aloe.schema import AssistantNode, Persona, UserNode, derive_seed

TRIES = 2
"""Samples asked for while the model says nothing."""

NAME = "candidate"
"""What nodes and events call it, whatever the condition: dialogues under two conditions differ
only where the model answers differently."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What one condition means."""

    about: str
    """What it shows, for people."""
    told: Literal["own", "swapped"] | None = None
    """Whose persona it is told; None for nobody's."""
    history: bool = True
    """Whether it sees what was said before the last message."""
    concise: bool = False
    """Whether it is told to be brief."""


CONDITIONS: Mapping[Condition, Terms] = {
    "candidate": Terms(about="the model under test"),
    "floor": Terms(about="another model, untuned: what comes for free"),
    "ceiling": Terms(about="told who the user is: what can be reached", told="own"),
    "no-history": Terms(about="sees the last message only: what the messages give", history=False),
    "concise": Terms(about="told to be brief: what brevity alone gives", concise=True),
    "shuffled": Terms(about="told of somebody else: must not gain", told="swapped"),
}


@dataclass(frozen=True, kw_only=True)
class CandidateAgent:
    """Answers under the terms of one condition."""

    model: Model
    calls: CallLog
    terms: Terms = CONDITIONS["candidate"]
    name: str = NAME
    """Recorded on every node that it writes."""
    told_prompt: Prompt = field(default_factory=lambda: shipped("candidate_told"))
    concise_prompt: Prompt = field(default_factory=lambda: shipped("candidate_concise"))

    async def reply(
        self,
        tree: str,
        path: Turns,
        user: UserNode,
        told: Persona | None = None,
        hear: Hear | None = None,
        *,
        history: Sequence[Message] = (),
    ) -> AssistantNode:
        """Answer `user`, which follows `path`; empty if the model says nothing in `TRIES` samples.

        Args:
            tree: dialogue that the call is for.
            path: what was said before.
            user: the message to answer.
            told: persona that the terms let it know; None if they do not.
            hear: told what the reply says so far; None if nobody listens.
            history: what was said before the path, where no node holds it.

        Raises:
            CallError: the call failed.
        """
        messages = self._messages(path, user, told, history)
        for attempt in range(TRIES):
            async with self.calls.call(self.name, self.model, tree=tree, node=user.id) as call:
                seed = derive_seed(self.name, tree, user.id, attempt)
                reply = await call.ask(messages, hear, seed=seed)
                text = tidied(reply)
                faults = assistant_faults(text, reply)
                call.event.outcome = faults[0] if faults else "ok"
                node = AssistantNode.of(
                    user.id, text, agent=self.name, turn=user.turn, faults=faults
                )
                call.event.node = node.id
            if text:
                break
        return node

    def _messages(
        self, path: Turns, user: UserNode, told: Persona | None, history: Sequence[Message]
    ) -> list[Message]:
        before = [*history, *chat_messages(path)] if self.terms.history else []
        shown = [*before, *chat_messages([user])]
        if told:
            persona = told.text
            return [*self.told_prompt.render(persona=persona), *shown]
        return [*self.concise_prompt.render(), *shown] if self.terms.concise else shown
