"""How well users' faults are detected: the rules, tested on a corpus of turns.

The corpus holds turns that a person might have sent and turns that none would have, by kind, in
three parts: rules are written on `develop` and measured on the others (`user_faults/DATASHEET.md`).
A bad turn counts as caught if a fault in it spoils the conversation, so that nothing of it is
exported, and as cleaned if cleaning the reply removed what was wrong before any agent read it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from aloe.agents.faults import Part, tidied, user_faults
from aloe.agents.prompt import shipped
from aloe.agents.reader import Reader
from aloe.errors import InputError
from aloe.files.records import read_models
from aloe.models.open import Reply
from aloe.schema import SPOILING, Persona, Record

CorpusPart = Literal["develop", "test", "fresh"]
CORPUS = Path(__file__).parent / "user_faults"
GOOD = "good"
"""The kind of turns that a person might have sent."""
MOST_WORDS = 60
"""Words from which a message is over-long, as in simulations by default."""


class Turn(Record):
    """One turn of the corpus."""

    id: str
    kind: str
    """What is wrong with it; `GOOD` for nothing."""
    half: CorpusPart
    profile: str
    personality: str
    conversation: tuple[str, ...]
    """What was said before, the user's messages first."""
    note: str | None
    """What the message was to tell; None for nothing, or where nobody wrote it down."""
    message: str
    source: str = "written"
    """Who wrote it: a person, or the model that handed it in."""


class KindResult(Record):
    """What the rules say about one kind of turns."""

    turns: int = Field(ge=0)
    caught: int = Field(ge=0)
    """With a fault that spoils."""
    cleaned: int = Field(ge=0)
    """Without such a fault, after the tidying changed the words."""
    faults: dict[str, int]
    """By fault, the first of each turn."""


class Report(Record):
    """The figures of one part."""

    half: CorpusPart
    kinds: dict[str, KindResult]
    """Kinds of bad turns."""
    good: KindResult
    milliseconds: float
    """CPU time a turn, of the rules."""
    unreadable: int = Field(default=0, ge=0)
    """Turns of which a second reader said neither YES nor NO, or neither likely enough."""

    @property
    def caught(self) -> float:
        """Share of the bad turns that would not be exported as they are."""
        found = self.kinds.values()
        return sum(f.caught + f.cleaned for f in found) / max(1, sum(f.turns for f in found))

    @property
    def false_alarms(self) -> float:
        """Share of the good turns in which a fault is seen."""
        return self.good.caught / max(1, self.good.turns)


def read_turns(half: CorpusPart, folder: Path = CORPUS) -> Iterator[Turn]:
    """Yield the turns of one part.

    Raises:
        InputError: the corpus is not there, or a line is broken (with its number).
    """
    path = folder / f"{half}.jsonl"
    if not path.exists():
        raise InputError(path, "the corpus of user turns is not here")
    for _, turn in read_models(path, Turn, what="not a user turn"):
        yield turn


@dataclass(frozen=True)
class _Seen:
    """A turn and what the rules say of it."""

    turn: Turn
    persona: Persona
    text: str
    faults: tuple[str, ...]

    @property
    def cleaned(self) -> bool:
        return not self.faults and self.text.split() != self.turn.message.split()


def audit_users(turns: Iterable[Turn], half: CorpusPart) -> Report:
    """Hold the rules against turns of one part."""
    started = time.process_time()
    seen = [*_seen(turns)]
    return _report(seen, half, time.process_time() - started)


async def audit_with_reader(turns: Iterable[Turn], half: CorpusPart, reader: Reader) -> Report:
    """Hold the rules against turns of one part, and have a model read what they let pass.

    Raises:
        CallError: a call failed.
    """
    started = time.process_time()
    seen = [*_seen(turns)]
    spent = time.process_time() - started
    margins = await asyncio.gather(*(_margin(each, reader) for each in seen))
    read = [
        replace(each, faults=("doubted",))
        if margin is not None and margin > reader.min_margin
        else each
        for each, (margin, _) in zip(seen, margins, strict=True)
    ]
    unreadable = sum(asked and margin is None for margin, asked in margins)
    return _report(read, half, spent).model_copy(update={"unreadable": unreadable})


async def _margin(each: _Seen, reader: Reader) -> tuple[float | None, bool]:
    """Return what the reader makes of a turn, and whether it was asked."""
    if each.faults or each.cleaned:
        return None, False
    earlier, id_ = each.turn.conversation, each.turn.id
    return await reader.margin(each.persona, earlier, each.text, tree=id_, node=id_), True


def _seen(turns: Iterable[Turn]) -> Iterator[_Seen]:
    for turn in turns:
        reply = Reply.whole(turn.message)
        text, persona = tidied(reply), Persona.of(turn.profile, turn.personality)
        part = Part.of(persona, shipped("user"))
        faults = user_faults(text, reply, turn.conversation, most_words=MOST_WORDS, part=part)
        spoils = tuple(fault for fault in faults if fault in SPOILING)
        yield _Seen(turn, persona, text, spoils)


def _report(seen: Sequence[_Seen], half: CorpusPart, spent: float) -> Report:
    by_kind: dict[str, list[_Seen]] = {}
    for each in seen:
        by_kind.setdefault(each.turn.kind, []).append(each)
    kinds = {kind: _found(turns) for kind, turns in sorted(by_kind.items())}
    good = kinds.pop(GOOD, _found(()))
    milliseconds = round(1000 * spent / max(1, len(seen)), 2)
    return Report(half=half, kinds=kinds, good=good, milliseconds=milliseconds)


def _found(turns: Sequence[_Seen]) -> KindResult:
    first: Mapping[str, int] = Counter(each.faults[0] for each in turns if each.faults)
    return KindResult(
        turns=len(turns),
        caught=sum(bool(each.faults) for each in turns),
        cleaned=sum(each.cleaned for each in turns),
        faults=dict(sorted(first.items(), key=lambda pair: -pair[1])),
    )
