"""The inducer: marks what the user has revealed, from the conversation alone.

It never sees the persona, so it cannot leak it. Nor does it write anything itself: the message is
split into sentences, the model marks those that reveal something about the user, and these enter
the ledger verbatim. Whatever the model answers, nothing that the user did not say can reach a hint.
Plain questions cannot either, because models tend to mark what follows a fact along with it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aloe.agents.prompt import Prompt, shipped
from aloe.calls.log import CallLog
from aloe.files.json_objects import read_object
from aloe.models.open import Model
from aloe.schema import Disclosure, UserNode, derive_seed, sentences

MARKS = {"user": True, "yes": True, "topic": False, "no": False}
"""What a sentence can be marked with, and whether it then tells something about the user."""
KEY_WORDS = 4
"""Words of a sentence beside its number, where the prompt's examples repeat them: a mark is written
right behind what it is about, and a model of 1.5B parameters no longer copies the example's."""


_QUESTION = re.compile(r"\W*(?:how|what|which|where|when|why|who)\b[^.!]*\?\W*\Z", re.IGNORECASE)
_ASKING = re.compile(
    r"\b(?:can|could|should|shall|do|did|would|will|may|might|must|am|have) I\b", re.IGNORECASE
)
_OWN = re.compile(r"\b(?:I|my|mine|me|we|our|us)\b|\bI'", re.IGNORECASE)


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
            told = read_disclosures(reply.text, said)
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


def read_disclosures(answer: str, said: Sequence[str]) -> tuple[Disclosure, ...] | None:
    """Return what an inducer's answer takes for told of the sentences `said`; None: unreadable."""
    marks = _marks(answer, len(said))
    if marks is None:
        return None
    marked = zip(said, marks, strict=True)
    return tuple(
        Disclosure(quote=text) for text, mark in marked if MARKS[mark] and not _only_asks(text)
    )


def _only_asks(text: str) -> bool:
    """Whether a sentence is a question that says no more of the user than that they ask."""
    return bool(_QUESTION.match(text)) and not _OWN.search(_ASKING.sub("", text))


def _keys(said: Sequence[str], *, worded: bool) -> list[str]:
    """Return what stands for each sentence in an answer: its number, and its first words."""
    if not worded:
        return [str(number) for number in range(1, len(said) + 1)]
    first = (re.sub(r"[\"\\\\]", "", " ".join(text.split()[:KEY_WORDS])) for text in said)
    return [f"{number}. {text.rstrip('.,;:!?')}" for number, text in enumerate(first, 1)]


def _marks(text: str, count: int) -> list[str] | None:
    """Return the mark of each sentence; None unless the answer has one for every sentence."""
    found = read_object(text) or {}
    inner = next(iter(found.values()), None)
    if len(found) == 1 and isinstance(inner, dict):  # {"sentences": {...}}
        found = {str(key): mark for key, mark in inner.items()}
    by_number = {str(key).partition(".")[0].strip(): mark for key, mark in found.items()}
    given = [by_number.get(str(number)) for number in range(1, count + 1)]
    marks = [mark.strip().lower() if isinstance(mark, str) else "" for mark in given]
    return marks if set(marks) <= MARKS.keys() else None
