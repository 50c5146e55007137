"""The persona writer: invents one profile or one personality at a time.

It is shown a few earlier descriptions, each as the answer to a brief of its own, and then a new
brief made from coordinates (see `aloe.memory.axes`). The examples are real turns of the chat,
because small models copy a form far better than they follow a rule; one fact a line, because that
is the form in which they do not ramble. The lines are joined; list marks and lines that say the
same again are left out. Whether the result is any good is for `aloe.memory.validation` to say.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aloe.agents.faults import silence, tidied
from aloe.agents.prompt import Prompt, chosen
from aloe.calls.log import CallLog
from aloe.memory.axes import Axes, Kind
from aloe.memory.descriptions import Description
from aloe.memory.validation import repeats
from aloe.models.open import Message, Model, Reply
from aloe.schema import Lineage, derive_seed, sentences

FACTS = 6
"""Facts of a reply that are used: small models wander off after that."""

_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")


class Writer(Protocol):
    """Anything that can invent a description."""

    async def write(
        self, kind: Kind, axes: Axes, examples: Sequence[Description], seed: int
    ) -> Description:
        """Return a new description at the point `axes`; the same arguments give the same."""


def brief(kind: Kind, axes: Axes) -> str:
    """Return in words what is asked for; coordinates that are not given are left out."""
    if kind == "personality":
        temper = axes.get("temper")
        return f"a {temper} person" if temper else "a person"
    words = "a person"
    if "age" in axes:
        words += f" of {axes['age']}"
    if "region" in axes:
        words += f" in a {axes.get('place', 'place')} in {axes['region']}"
    if "expertise" in axes:
        level, _, topic = str(axes["expertise"]).partition(": ")
        verb = {"novice": "is new to", "expert": "is an expert in"}.get(level, "knows some")
        words += f" who {verb} {topic}"
    return words


@dataclass(frozen=True, kw_only=True)
class PersonaWriter:
    """Writes descriptions with a chat model."""

    model: Model
    calls: CallLog
    prompts: Mapping[str, Path] = field(default_factory=dict)
    """Files in place of shipped prompts, by name."""

    async def write(
        self, kind: Kind, axes: Axes, examples: Sequence[Description], seed: int
    ) -> Description:
        """Ask for one description.

        Raises:
            ModelError: the run cannot go on.
            CallError: the call failed.
        """
        prompt = chosen(f"writer_{kind}", self.prompts)
        async with self.calls.call("writer", self.model) as call:
            asked = derive_seed("writer", seed)
            reply = await call.ask(_messages(prompt, kind, axes, examples), seed=asked)
            text = _joined(reply)
            call.event.outcome = "ok" if text else silence(reply)
        return Description(
            kind=kind,
            text=text,
            axes=axes,
            lineage=Lineage(
                origin="grown",
                parents=tuple(example.id for example in examples),
                model=self.model.name,
                prompt=prompt.sha,
                seed=asked,
            ),
        )


def _messages(
    prompt: Prompt, kind: Kind, axes: Axes, examples: Sequence[Description]
) -> list[Message]:
    """Return the prompt with the examples as turns before its last message."""
    turns: list[Message] = []
    for example in examples:
        turns.append(prompt.render(brief=brief(kind, example.axes))[-1])
        turns.append(("assistant", "\n".join(sentences(example.text))))
    messages = prompt.render(brief=brief(kind, axes))
    return [*messages[:-1], *turns, messages[-1]]


def _joined(reply: Reply) -> str:
    """Return the reply's first facts as one text, without marks and without repetitions."""
    kept: list[str] = []
    unmarked = "\n".join(_MARK.sub("", line) for line in tidied(reply).splitlines())
    for fact in sentences(unmarked):
        whole = fact if fact[-1] in ".!?\"'" else f"{fact}."
        if not repeats(whole, kept):
            kept.append(whole)
    return " ".join(kept[:FACTS])
