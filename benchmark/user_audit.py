"""How well users' faults are seen: a corpus of turns, and the rules held against it.

The corpus holds turns that a person might have sent and turns that none would have, by kind, in two
halves: rules are written on one and measured on the other (`user_faults/DATASHEET.md`). A bad turn
counts as caught where a fault of it spoils the conversation, so that nothing of it is exported, and
as cleaned where the tidying of replies took out what was wrong before anyone read it.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from aloe.agents.faults import Part, tidied, user_faults
from aloe.agents.prompt import shipped
from aloe.errors import InputError
from aloe.files.lines import read_lines
from aloe.files.records import parsed
from aloe.models.open import Reply
from aloe.schema import SPOILING, Persona, Record

Half = Literal["develop", "test"]
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
    half: Half
    profile: str
    personality: str
    conversation: tuple[str, ...]
    """What was said before, the user's messages first."""
    note: str | None
    """What the message was to tell; None for nothing, or where nobody wrote it down."""
    message: str


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
    """The figures of one half."""

    half: Half
    kinds: dict[str, KindResult]
    """Kinds of bad turns."""
    good: KindResult
    milliseconds: float
    """CPU time a turn."""

    @property
    def caught(self) -> float:
        """Share of the bad turns that would not be exported as they are."""
        found = self.kinds.values()
        return sum(f.caught + f.cleaned for f in found) / max(1, sum(f.turns for f in found))

    @property
    def false_alarms(self) -> float:
        """Share of the good turns in which a fault is seen."""
        return self.good.caught / max(1, self.good.turns)


def read_turns(half: Half, folder: Path = CORPUS) -> Iterator[Turn]:
    """Yield the turns of one half.

    Raises:
        InputError: the corpus is not there, or a line is broken (with its number).
    """
    path = folder / f"{half}.jsonl"
    if not path.exists():
        raise InputError(path, "the corpus of user turns is not here")
    for number, line in read_lines(path):
        yield parsed(Turn, path, number, line, what="not a user turn")


def audit_users(turns: Iterable[Turn], half: Half) -> Report:
    """Hold the rules against turns of one half."""
    instructions = shipped("user").messages[0][1]
    seen: dict[str, list[tuple[str, ...]]] = {}
    cleaned: Counter[str] = Counter()
    started = time.process_time()
    for turn in turns:
        reply = Reply(
            text=turn.message, finish="stop", input_tokens=0, cached_tokens=0, output_tokens=0
        )
        text, persona = tidied(reply), Persona.of(turn.profile, turn.personality)
        part = Part(persona=persona, instructions=instructions)
        faults = user_faults(text, reply, turn.conversation, most_words=MOST_WORDS, part=part)
        spoils = tuple(fault for fault in faults if fault in SPOILING)
        seen.setdefault(turn.kind, []).append(spoils)
        cleaned[turn.kind] += not spoils and text.split() != turn.message.split()
    spent = time.process_time() - started
    kinds = {kind: _found(each, cleaned[kind]) for kind, each in sorted(seen.items())}
    good = kinds.pop(GOOD, _found((), 0))
    milliseconds = round(1000 * spent / max(1, sum(map(len, seen.values()))), 2)
    return Report(half=half, kinds=kinds, good=good, milliseconds=milliseconds)


def _found(seen: Sequence[tuple[str, ...]], cleaned: int) -> KindResult:
    first: Mapping[str, int] = Counter(faults[0] for faults in seen if faults)
    return KindResult(
        turns=len(seen),
        caught=sum(map(bool, seen)),
        cleaned=cleaned,
        faults=dict(sorted(first.items(), key=lambda pair: -pair[1])),
    )
