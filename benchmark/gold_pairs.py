"""Gold pairs: comparisons whose better reply is known.

They are how a judge is judged. Each rests on one sentence of the persona, quoted as evidence, so
that a person can check a label without taking anybody's word for it. Most have a mirror image: the
same two replies for another persona or after another history, with the labels swapped, so that
merely liking one of the replies cannot pass for judgement. `gold/DATASHEET.md` says how they were
made and what they do not show.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from aloe.agents.judge import Comparison
from aloe.errors import InputError
from aloe.files.records import read_models
from aloe.schema import AssistantNode, Node, Persona, Record, UserNode, digest

SHIPPED = Path(__file__).parent / "gold" / "pairs.jsonl"

Kind = Literal[
    "length",
    "list",
    "table",
    "emoji",
    "question",
    "options",
    "wording",
    "praise",
    "tone",
    "persona",
    "told",
    "mind_reading",
    "parroting",
    "substance",
]
"""In what the worse reply is worse; the datasheet explains each."""


class GoldPersona(Record):
    """The two texts of a persona."""

    profile: str
    personality: str


class GoldPair(Record):
    """One comparison with its answer."""

    id: str
    kind: Kind
    mirror: str | None
    """The same for pairs that share both replies with labels turned round; None without one."""
    persona: GoldPersona
    evidence: str
    """The sentence of the persona, word for word, on which the label rests."""
    history: tuple[str, ...]
    """Earlier messages, the user's first, by turns."""
    message: str
    better: str
    worse: str
    why: str

    @property
    def group(self) -> str:
        """What pairs that are not independent have in common."""
        return self.mirror or self.id

    @property
    def better_is_first(self) -> bool:
        """Whether the better reply is put first; a coin that falls the same way every time."""
        return int(digest("slot", self.id), 16) % 2 == 0

    @cached_property
    def comparison(self) -> Comparison:
        """The pair as a judge is asked about it."""
        replies = (self.better, self.worse) if self.better_is_first else (self.worse, self.better)
        return self.compared(*replies)

    def compared(self, first: str, second: str) -> Comparison:
        """Return a comparison of any two replies to this pair's message."""
        path: list[Node] = []
        for index, text in enumerate((*self.history, self.message)):
            turn, parent = index // 2 + 1, path[-1].id if path else None
            if index % 2 == 0:
                path.append(UserNode.of(parent, text, tree=self.id, turn=turn))
            else:
                path.append(AssistantNode.of(str(parent), text, agent="assistant", turn=turn))
        persona = Persona.of(self.persona.profile, self.persona.personality)
        return Comparison.between(path, first, second, persona=persona, tree=self.id)


class AuditPair(Protocol):
    """What a judge can be audited with: two replies, and which of them is better."""

    @property
    def id(self) -> str:
        """Content hash."""

    @property
    def kind(self) -> str:
        """What accuracy is given for, one by one."""

    @property
    def mirror(self) -> str | None:
        """The same for pairs with labels turned round; None without one."""

    @property
    def group(self) -> str:
        """What pairs that are not independent have in common."""

    @property
    def better(self) -> str:
        """The better reply."""

    @property
    def worse(self) -> str:
        """The other one."""

    @property
    def better_is_first(self) -> bool:
        """Whether the better reply is put first."""

    @property
    def comparison(self) -> Comparison:
        """The pair as a judge is asked about it."""

    def compared(self, first: str, second: str) -> Comparison:
        """Return a comparison of any two replies to this pair's message."""


AnyPair = TypeVar("AnyPair", bound=AuditPair)


def read_gold(path: Path = SHIPPED) -> list[GoldPair]:
    """Return the pairs in a JSONL file.

    Raises:
        InputError: the file is missing or empty, or a line is broken or repeats an id (with its
            number).
    """
    found: list[GoldPair] = []
    lines: dict[str, int] = {}
    for number, pair in read_models(path, GoldPair):
        if len(pair.history) % 2:
            raise InputError(path, "history must end with the assistant", line=number)
        if (before := lines.setdefault(pair.id, number)) != number:
            problem = f"the id '{pair.id}' is that of line {before}; give each pair its own"
            raise InputError(path, problem, line=number)
        found.append(pair)
    if not found:
        raise InputError(path, "there are no gold pairs here")
    return found


def pick_pairs(pairs: Sequence[AnyPair], limit: int) -> list[AnyPair]:
    """Return about `limit` pairs, drawn the same way every time, mirror images together."""
    groups: dict[str, list[AnyPair]] = {}
    for pair in pairs:
        groups.setdefault(pair.group, []).append(pair)
    found: list[AnyPair] = []
    for group in sorted(groups, key=lambda name: digest("some", name)):
        if len(found) + len(groups[group]) <= limit:
            found += groups[group]
    return found


def gold_hash(pairs: Iterable[AuditPair]) -> str:
    """Return a content hash of a set of pairs."""
    return digest(sorted(pair.id for pair in pairs))
