"""What a bench run found about each reply: the one table that everything else is computed from.

One line per reply of the candidate, with everything known about it: how each judge rated it for its
own user and for a swapped one, and what programs found in it. A missing rating carries its reason
and is not filled in. The texts are in trees.jsonl: `dialogue` is the tree's id, `user` and `reply`
are node ids.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from aloe.config import Condition
from aloe.errors import InputError
from aloe.files.appending import append_lines
from aloe.files.records import read_models
from aloe.files.writing import model_lines
from aloe.players import RULE
from aloe.record import FileName
from aloe.schema import Asked, Fault, Record, Telling

Shown = Literal["own", "swapped"]
"""For whose persona it was judged: the user's, or other cases'."""

Missing = Literal["user", "candidate", "judge", "unreadable", "spoiled"]
"""Why there is no rating. `user`, `candidate`, `judge`: that model's call failed for good.
`unreadable`: the judge answered, but with no level. `spoiled`: the simulated user had stopped being
one by then (see `aloe.schema.SPOILING`)."""

RETRIED: frozenset[Missing] = frozenset({"user", "candidate", "judge"})
"""Reasons that may pass: the same command again tries these cells anew."""


class Score(Record):
    """What one judge made of one reply, for one persona."""

    judge: str
    """Model string, or `rule`."""
    shown: Shown
    value: float | None
    """1..5 from a model; 0..1 by rule: share of the wishes kept, for swapped users the mean of
    theirs. None if missing."""
    missing: Missing | None = None
    raw: str = ""
    """What the judge answered, untouched; empty if it was not asked. By rule: which wishes were
    kept, or each swapped user's share."""
    mass: float | None = None
    """Probability that the answer begins with a level; None where not known, and for rules."""


class Recall(Record):
    """What a candidate wrote when asked, after the last turn, what it had been told."""

    answer: str
    """Id of the answer's node; its parent is the question."""
    listed: int
    """Sentences in the answer."""
    right: int
    """Of these, the ones that say what the user had stated."""
    found: int
    """Different statements of the user among them."""
    stated: int
    """Different statements that the user had made."""


class Elicitation(Record):
    """How much of the user had come to light when a reply was written, and what the reply asks."""

    scheduled: bool
    """Whether the user tells one thing a turn, whatever the replies are."""
    knowable: int = Field(ge=0)
    """What there is to find out: the wishes that a program can check, else the statements."""
    known: int = Field(ge=0)
    """Of these, what the user has told by now."""
    told: tuple[Telling, ...] = ()
    """Of these, what the message that the reply answers told for the first time."""
    questions: int = Field(ge=0)
    """Questions in the reply."""
    answer: Asked | None = None
    """What the next message made of them; None: they were not about the user."""
    answered: bool
    """Whether the user wrote the next message, so that it could answer; what a case prescribes
    answers nothing."""
    needless: int | None = None
    """Questions that could bring nothing, because all was known or the message was a probe; None
    where something was left to find out."""
    broken: int | None = None
    """Known wishes that the reply does not keep; None where no program can check."""


class ReplyScores(Record):
    """One reply, or the place where one is missing."""

    suite: FileName
    case: str
    """Id of the case."""
    profile: str
    """Cluster of the case: cases of one profile share it."""
    personality: str
    """The other cluster of the case."""
    stand_ins: tuple[str, ...] = Field(default=(), exclude_if=lambda cases: not cases)
    """Ids of the cases whose users are the swapped ones; empty: there are none, or it is not
    recorded."""
    control: Condition
    """`candidate`, or the name of a control."""
    seed: int = Field(ge=0)
    """Number of the repetition, from 0."""
    turn: int = Field(ge=1)
    dialogue: str
    """Id of the tree in trees.jsonl."""
    user: str | None = None
    """Id of the user's message; None if the dialogue has failed."""
    reply: str | None = None
    """Id of the reply; None if the dialogue has failed."""
    scores: tuple[Score, ...]
    """One for each judge and persona shown."""
    words: int = 0
    """Length of the reply."""
    stated: tuple[str, ...] = ()
    """Ids of the persona's statements that the user had made by this turn."""
    used: tuple[str, ...] = ()
    """Of these, the ones that the reply takes up."""
    mind_reading: tuple[str, ...] = ()
    """Ids of the facts that the reply uses although nobody had told them."""
    parroting: bool = False
    """Whether the reply mostly repeats the user's words."""
    personal: bool | None = None
    """Of a probe, where personalising would be wrong: whether the reply does it. None elsewhere."""
    right: bool | None = None
    """Of a probe with a known answer: whether the reply has it. None elsewhere."""
    recall: Recall | None = None
    """On the last turn: what the candidate could say about its user when asked afterwards."""
    elicitation: Elicitation | None = Field(default=None, exclude_if=lambda found: found is None)
    """What was known of the user, and what the reply asks; None where it is not recorded why users
    tell what they tell."""
    user_faults: tuple[Fault, ...] = ()
    """What is wrong with the user's message."""
    leaked: tuple[str, ...] = ()
    """Ids of the facts in the user's message that were not yet its turn to be told."""
    on_table: float | None = None
    """How near the user's message is to what it may talk of, a cosine; None if prescribed."""
    empty: bool = False
    """Whether the candidate said nothing: the lowest level by definition, no judge is asked."""
    cut_off: bool | None = None
    """Whether the reply ended at the token limit; None where it is not recorded."""

    @model_validator(mode="before")
    @classmethod
    def _of_one_stand_in(cls, data: Any) -> Any:
        """Read what earlier versions wrote, which knew a single one."""
        if isinstance(data, dict) and isinstance(one := data.get("stand_in"), str):
            rest = {key: value for key, value in data.items() if key != "stand_in"}
            return {**rest, "stand_ins": (one,)}
        return data

    def of(self, shown: Shown) -> list[Score]:
        """Return the scores for one of the two personas, in the order of the judges."""
        return [score for score in self.scores if score.shown == shown]


def is_by_rule(rows: Iterable[ReplyScores]) -> bool:
    """Whether rules rated every reply, so that they played every user, too, and no model did."""
    return {score.judge for row in rows for score in row.scores} == {RULE}


def write_scores(path: Path, rows: Iterable[ReplyScores]) -> None:
    """Add rows to a file of scores, whole lines at once.

    Raises:
        StoreError: the file cannot be written.
    """
    append_lines(path, model_lines(rows))


def read_scores(path: Path, *, torn: bool = False) -> Iterator[ReplyScores]:
    """Yield the rows of a file of scores; `torn` says whether half a last line is passed over.

    Raises:
        InputError: the file is missing, or a line is broken (with its number).
    """
    if not path.exists():
        raise InputError(path, "there are no scores here; run `aloe bench run --out DIR` first")
    for _, row in read_models(path, ReplyScores, what="not a score", torn=torn):
        yield row


def read_whole_scores(path: Path) -> list[ReplyScores]:
    """Return the rows of a file of scores in which every dialogue is whole.

    Raises:
        InputError: the file is missing, a line is broken, or a dialogue lacks a turn or has one
            twice.
    """
    rows = list(read_scores(path))
    turns: dict[str, list[int]] = {}
    for row in rows:
        turns.setdefault(row.dialogue, []).append(row.turn)
    for dialogue, there in turns.items():
        if sorted(there) != list(range(1, len(there) + 1)):
            shown = ", ".join(map(str, sorted(there)[:12]))
            raise InputError(
                path,
                f"dialogue {dialogue} has the turns {shown}; run the benchmark again to mend it",
            )
    return rows
