"""A case: one user to be played, for how long, and with what in the way."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from aloe.config import Disclosing, Mood
from aloe.memory.verifiable.catalogue import find_wish
from aloe.record import FileName
from aloe.schema import Persona, Record, digest

TURNS = 10
"""Turns of a case that says nothing else."""


class Flip(Record):
    """A change of mind in the middle of a dialogue."""

    turn: int = Field(ge=2)
    """First turn, counted from 1, at which the user is the other persona."""
    persona: Persona
    """The same life with another personality and other wishes."""
    note: str
    """What the user is to say about it at that turn, in the first person."""


class Probe(Record):
    """A message that asks for something in which the user's person has no place."""

    message: str
    """Sent verbatim; no model writes it."""
    kind: Literal["fact", "neutral", "other", "wrong"]
    """`fact`: a question with one answer. `neutral`: a text for the public. `other`: something for
    somebody else. `wrong`: the user is mistaken and wants to hear otherwise."""
    accept: tuple[str, ...] = ()
    """A right reply contains one of these as whole words, in any case; empty if nothing short
    settles it."""


class Past(Record):
    """A message from before a dialogue."""

    role: Literal["user", "assistant"]
    content: str


class Case(Record):
    """One user to be played, and how."""

    id: str
    """Content hash of all that is played."""
    suite: FileName
    persona: Persona
    why: str
    """The reason why the case is in its suite."""
    profile: str
    """Label of the life: cases that share it are one cluster."""
    personality: str
    """Label of the personality: cases that share it are one cluster."""
    turns: int = Field(default=TURNS, ge=1)
    mood: Mood | None = None
    """How the user writes on top of the persona's manner."""
    disclosure: Disclosing | None = Field(default=None, exclude_if=lambda how: how is None)
    """When the user tells something; None: as the settings say."""
    flip: Flip | None = None
    probes: dict[int, Probe] = Field(default={})
    """Fixed messages by turn, counted from 1, in which the user's person has no place."""
    messages: dict[int, str] = Field(default={}, exclude_if=lambda messages: not messages)
    """Other fixed messages by turn; the user agent writes the turns that have neither."""
    history: tuple[Past, ...] = Field(default=(), exclude_if=lambda history: not history)
    """What was said before the first turn; the model under test reads it, and a judge does not."""

    @model_validator(mode="before")
    @classmethod
    def _derive_id(cls, value: Any) -> Any:
        """Let a line written by hand leave out the id."""
        if not isinstance(value, dict) or "id" in value:
            return value
        return {"id": "", **value}

    @model_validator(mode="after")
    def _wishes_are_known(self) -> Self:
        for persona in (self.persona, *([self.flip.persona] if self.flip else [])):
            for wish in persona.preferences.items():
                find_wish(*wish)
        return self

    @model_validator(mode="after")
    def _fill_id(self) -> Self:
        return self if self.id else self.model_copy(update={"id": self.derive_id()})

    def derive_id(self) -> str:
        """Return the hash of all that is played: neither the reason nor the clusters' labels."""
        played = self.model_dump(mode="json", exclude={"id", "why", "profile", "personality"})
        return digest("case", played)

    @property
    def by_rule(self) -> bool:
        """Whether rules play the user and judge the replies: a program can check its wishes."""
        return bool(self.persona.preferences)

    def persona_at(self, turn: int) -> Persona:
        """Return whom the user is at `turn`, counted from 1: whom replies to that turn must fit."""
        return self.flip.persona if self.flip and turn >= self.flip.turn else self.persona

    def find_unsent(self) -> str | None:
        """Return what is wrong with the turns of what the case prescribes; None if all is sent.

        No validator: folders of earlier versions hold such cases, and can still be read.
        """
        sent = [(turn, name) for name in ("probes", "messages") for turn in getattr(self, name)]
        flip = [(self.flip.turn, "flip")] if self.flip else []
        for turn, name in (*sent, *flip):
            if not 1 <= turn <= self.turns:
                return f"{name}: there is no turn {turn} (turns is {self.turns})"
        if self.flip and self.flip.persona.preferences:  # a rule says it
            flip = []
        taken: dict[int, str] = {}
        for turn, name in (*sent, *flip):
            if (other := taken.setdefault(turn, name)) != name:
                return f"{other} and {name} both give the message of turn {turn}; leave one out"
        return None
