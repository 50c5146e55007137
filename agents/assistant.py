"""An assistant agent: one way of answering, one candidate per turn.

Several assistants answer the same user message in parallel; they differ in model, sampling, style,
and in whether they get a hint. The hint contains only what is in the ledger: the user's own words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aloe.agents.faults import assistant_faults, tidied
from aloe.agents.prompt import Prompt, shipped
from aloe.agents.repairs import ASSISTANT_REASONS
from aloe.agents.transcript import Turns, chat_messages
from aloe.calls.log import CallLog
from aloe.models.open import Message, Model
from aloe.schema import AssistantNode, Disclosure, Fault, UserNode, derive_seed

TRIES = 2
"""Samples asked for while the model says nothing, or something that another try may mend."""


class Assistant(Protocol):
    """What writes candidate replies under one name: a model, or a custom role."""

    @property
    def name(self) -> str:
        """Recorded on every node that it writes."""

    async def reply(
        self, tree: str, path: Turns, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        """Answer `user`, which follows `path`; `revealed` includes what `user` itself revealed."""


@dataclass(frozen=True, kw_only=True)
class AssistantAgent:
    """Writes candidate replies under one name."""

    name: str
    model: Model
    calls: CallLog
    hinted: bool = False
    style: str | None = None
    """A wish about the manner of the reply; None for none."""
    window: int | None = None
    """Past exchanges that it rereads; None for all."""
    prompt: Prompt = field(default_factory=lambda: shipped("assistant"))
    hint_prompt: Prompt = field(default_factory=lambda: shipped("hint"))

    async def reply(
        self, tree: str, path: Turns, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        """Answer `user`, which follows `path`; `revealed` includes what `user` itself revealed.

        Raises:
            CallError: the call failed.
        """
        hint = " ".join(d.quote for d in revealed) if self.hinted and revealed else None
        messages = self._messages(path, user, hint)
        best: AssistantNode | None = None
        for attempt in range(TRIES):
            async with self.calls.call(self.name, self.model, tree=tree, node=user.id) as call:
                seed = derive_seed(self.name, tree, user.id, attempt)
                reply = await call.ask(messages, seed=seed)
                text = tidied(reply)
                faults = assistant_faults(text, reply, hint=hint, asked=user.content)
                call.event.outcome = faults[0] if faults else "ok"
                node = AssistantNode.of(
                    user.id, text, agent=self.name, turn=user.turn, hint=hint, faults=faults
                )
                call.event.node = node.id
            if best is None or (text and (not best.content or len(faults) < len(best.faults))):
                best = node
            if text and not ASSISTANT_REASONS.keys() & set(faults):
                break
            messages = _asked_again(messages, faults)
        assert best is not None
        return best

    def _messages(self, path: Turns, user: UserNode, hint: str | None) -> list[Message]:
        style = f" {self.style}" if self.style else ""
        first = 0 if self.window is None else max(0, len(path) - 2 * self.window)
        messages = self.prompt.render(style=style) + chat_messages(path[first:])
        if hint is None:
            return [*messages, ("user", user.content)]
        return messages + self.hint_prompt.render(message=user.content, disclosures=hint)


def _asked_again(messages: list[Message], faults: Sequence[Fault]) -> list[Message]:
    """Return the prompt with the reason why the reply to it was no good, if there is one."""
    if not (reason := ASSISTANT_REASONS.get(faults[0])):
        return messages
    *before, (role, last) = messages
    return [*before, (role, f"{last}\n\n{reason}")]
