"""The inducer: marks what the user has revealed, from the conversation alone.

It never sees the persona, so it cannot leak it. It does not write notes of its own either: the
message is split into sentences, the model marks which of them tell something about the user, and
those sentences enter the ledger verbatim. Whatever the model answers, nothing that the user did
not say can reach a hint.
"""

from dataclasses import dataclass, field
from typing import Any

from aloe.agents.prompt import Prompt, shipped
from aloe.calls.log import CallLog
from aloe.files.json_objects import read_object
from aloe.models.open import Model
from aloe.schema import Disclosure, UserNode, derive_seed, sentences

MARKS = ("user", "topic")
"""What a sentence can be about."""


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
                schema=_schema(len(said)),
            )
            marks = _marks(reply.text, len(said))
            if marks is None:
                call.event.outcome = "unreadable"
        marked = zip(said, marks or (), strict=False)
        return tuple(Disclosure(quote=text) for text, mark in marked if mark == "user")


def _schema(count: int) -> dict[str, Any]:
    keys = [str(number) for number in range(1, count + 1)]
    return {
        "type": "object",
        "properties": {key: {"enum": [*MARKS]} for key in keys},
        "required": keys,
        "additionalProperties": False,
    }


def _marks(text: str, count: int) -> list[str] | None:
    """Return the mark of each sentence; None unless the answer has one for every sentence."""
    found = read_object(text) or {}
    inner = next(iter(found.values()), None)
    if len(found) == 1 and isinstance(inner, dict):  # {"sentences": {...}}
        found = {str(key): mark for key, mark in inner.items()}
    given = [found.get(str(number)) for number in range(1, count + 1)]
    marks = [mark.strip().lower() if isinstance(mark, str) else "" for mark in given]
    return marks if set(marks) <= set(MARKS) else None
