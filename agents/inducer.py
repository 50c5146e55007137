"""The inducer: marks what the user has revealed, from the conversation alone.

It never sees the persona, so it cannot leak it. Nor does it write anything itself: the message is
split into sentences, the model marks those that reveal something about the user, and these enter
the ledger verbatim. Whatever the model answers, nothing that the user did not say can reach a hint
(`aloe.disclosing` reads the answer).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aloe.agents.prompt import Prompt, shipped
from aloe.calls.log import CallLog
from aloe.disclosing import MARKS
from aloe.disclosing import read_disclosures as read_disclosures
from aloe.memory.verifiable.phrases import find_stated
from aloe.models.open import Model
from aloe.schema import Disclosure, UserNode, derive_seed, sentences

KEY_WORDS = 4
"""Words of a sentence beside its number, where the prompt's examples repeat them: a mark is written
right behind what it is about, and a model of 1.5B parameters no longer copies the example's."""


@dataclass(frozen=True, kw_only=True)
class Inducer:
    """Marks the sentences of a user message that reveal something about the user."""

    model: Model
    calls: CallLog
    prompt: Prompt = field(default_factory=lambda: shipped("inducer"))

    async def induce(self, tree: str, user: UserNode) -> tuple[Disclosure, ...]:
        """Return what `user`, a message, reveals; nothing if the answer is unreadable."""
        said = sentences(user.content)
        numbered = "\n".join(f"{i}. {text}" for i, text in enumerate(said, 1))
        async with self.calls.call("inducer", self.model, tree=tree, node=user.id) as call:
            reply = await call.ask(
                self.prompt.render(sentences=numbered),
                seed=derive_seed("inducer", tree, user.id),
                schema=self.schema(said),
            )
            wishes = [text for text in said if find_stated(text)]
            told = read_disclosures(reply.text, said, wishes)
            if told is None:
                call.event.outcome = "unreadable"
        return told or ()

    def schema(self, said: Sequence[str]) -> dict[str, Any]:
        """Return the JSON Schema of an answer: a mark a sentence, as examples show it."""
        examples = " ".join(text for role, text in self.prompt.messages if role == "assistant")
        words = [word for word in MARKS if f'"{word}"' in examples] or [*MARKS]
        keys = _keys(said, worded='"1. ' in examples)
        return {
            "type": "object",
            "properties": {key: {"enum": words} for key in keys},
            "required": keys,
            "additionalProperties": False,
        }


def _keys(said: Sequence[str], *, worded: bool) -> list[str]:
    """Return what stands for each sentence in an answer: its number, and its first words."""
    if not worded:
        return [str(number) for number in range(1, len(said) + 1)]
    first = (re.sub(r"[\"\\\\]", "", " ".join(text.split()[:KEY_WORDS])) for text in said)
    return [f"{number}. {text.rstrip('.,;:!?')}" for number, text in enumerate(first, 1)]
