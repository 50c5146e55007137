"""The persona writer: invents one profile or one personality at a time.

It sees a few earlier descriptions, each as the answer to its own brief, and then a new brief made
from attributes (see `aloe.memory.axes`). The examples are real chat turns, because small models
copy a format far better than they follow a rule, with one fact per line, because that keeps them
from rambling. The lines are joined; list marks and repetitions are dropped.
`aloe.memory.validation` decides whether the result is any good.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aloe.agents.commentary import comments
from aloe.agents.faults import silence, tidied
from aloe.agents.prompt import Prompt, chosen
from aloe.agents.voice_faults import declines, speaks_as_assistant
from aloe.calls.log import CallLog
from aloe.memory.axes import Axes, Kind
from aloe.memory.descriptions import Description
from aloe.memory.validation import repeats
from aloe.models.open import Message, Model, Reply
from aloe.schema import Lineage, derive_seed, sentences

FACTS = 6
"""Facts of a reply that are used: small models wander off after that."""

MEANS = {
    "poor": "very little money",
    "modest": "a modest income",
    "comfortable": "enough money to live comfortably",
    "wealthy": "a great deal of money",
}
"""What a person has, by the value of the attribute."""

_INTRODUCTION = re.compile(
    r"\A\W*(?:(?:sure|certainly|of course|okay)\b\W*)?(?:here(?:'s| is| are)\b[^.]*:?"
    r"|sure|certainly"
    r"|of course|okay|(?:profile|personality|persona|character|facts?) ?:)\W*\Z",
    re.IGNORECASE,
)
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
    if means := axes.get("means"):
        money = MEANS.get(str(means), f"{means} means")
        words += f" {'and' if 'expertise' in axes else 'who'} has {money}"
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


def _about_the_task(fact: str) -> bool:
    """Whether a sentence is the writer's own: an introduction, an offer, a refusal, a remark."""
    return (
        bool(_INTRODUCTION.search(fact))
        or declines(fact)
        or speaks_as_assistant(fact, opening=True)
        or comments(fact)
    )


def _joined(reply: Reply) -> str:
    """Return the reply's first facts as one text, without marks and without repetitions."""
    kept: list[str] = []
    unmarked = "\n".join(_MARK.sub("", line) for line in tidied(reply).splitlines())
    for fact in sentences(unmarked):
        ended = fact[-1] in ".!?\"'" or len(sentences(f"{fact} I")) > 1
        whole = fact if ended else f"{fact}."
        if not repeats(whole, kept) and not _about_the_task(whole):
            kept.append(whole)
    return " ".join(kept[:FACTS])
