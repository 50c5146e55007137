"""A persona: who a user is, as text and as single statements."""

from textwrap import shorten
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from aloe.record import SCHEMA_VERSION, Record, SchemaVersion, digest
from aloe.sentences import sentences

PLAYED = frozenset({"profile", "personality", "facts", "preferences"})
"""Fields of a persona that a user who plays it goes by; its id covers the first two."""


LINE = 100
"""Characters of a text that `str` shows of a record."""


class Fact(Record):
    """One atomic statement a persona makes about itself."""

    id: str
    """Content hash of the text: the same statement has the same id in every persona."""
    kind: Literal["fact", "trait"]
    """`fact` comes from the profile (life), `trait` from the personality (temper, taste)."""
    text: str

    @classmethod
    def of(cls, kind: Literal["fact", "trait"], text: str) -> Self:
        """Build a fact with its content hash."""
        return cls(id=digest(text), kind=kind, text=text)


class Lineage(Record):
    """Where a description came from."""

    origin: Literal["seed", "grown", "composed", "imported"]
    parents: tuple[str, ...] = ()
    """Content hashes of the descriptions shown to the writer as examples."""
    model: str | None = None
    """Model string of the writer; None if no model wrote it."""
    prompt: str | None = None
    """Content hash of the prompt template; None if no model wrote it."""
    seed: int | None = None
    """Sampling seed of the call; None if no model wrote it."""
    nearest: float | None = None
    """Cosine similarity in [-1, 1] to the nearest accepted description; None for the first."""


class Persona(Record):
    """One user: who they are (profile) and how they are (personality), as text and as facts."""

    id: str
    schema_version: SchemaVersion = SCHEMA_VERSION
    profile: str
    """Facts of life, one a sentence."""
    personality: str
    """Temper, way of talking and of wanting to be answered, one a sentence."""
    facts: tuple[Fact, ...]
    """The sentences of profile and personality, in that order."""
    axes: dict[str, str | int] = Field(default_factory=dict)
    """Coordinates used to steer coverage, such as age or region; empty where unknown."""
    lineage: dict[Literal["profile", "personality"], Lineage] = Field(default_factory=dict)
    preferences: dict[str, str] = Field(default_factory=dict)
    """Wanted value by dimension, of a persona whose wishes a program can check (see
    `aloe.memory.verifiable`); empty of any other."""

    @property
    def text(self) -> str:
        """Return both texts, as whoever is to know the whole persona reads it."""
        return f"{self.profile} {self.personality}"

    @classmethod
    def of(cls, profile: str, personality: str, **given: Any) -> Self:
        """Build a persona from its two texts; id and facts follow from them."""
        return cls.model_validate({"profile": profile, "personality": personality, **given})

    def __str__(self) -> str:
        """Return who it is in a line or two; `repr` has all fields."""
        wishes = ", ".join(f"{name} {value}" for name, value in self.preferences.items())
        told = f"\n  wishes: {wishes}" if wishes else ""
        return f"Persona {self.id}: {shorten(self.text, LINE, placeholder=' …')}{told}"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Show that in notebooks and IPython."""
        printer.text(str(self))

    def plays_like(self, other: "Persona") -> bool:
        """Whether a user who plays this persona and one who plays the other act alike."""
        return all(getattr(self, name) == getattr(other, name) for name in PLAYED)

    @model_validator(mode="before")
    @classmethod
    def _derive_id_and_facts(cls, value: Any) -> Any:
        """Let a line written by hand give no more than the two texts."""
        if not isinstance(value, dict):
            return value
        profile, personality = value.get("profile"), value.get("personality")
        if not (isinstance(profile, str) and isinstance(personality, str)):
            return {"id": "", "facts": (), **value}  # so that the error is about the texts
        facts = [Fact.of("fact", text) for text in sentences(profile)]
        facts += [Fact.of("trait", text) for text in sentences(personality)]
        return {"id": digest(profile, personality), "facts": tuple(facts), **value}


def find_knowable(persona: Persona, *, scheduled: bool = False) -> frozenset[str]:
    """Return what there is to find out: dimensions of wishes, else ids of statements.

    Those of a user on schedule are the facts of its life: it shows its traits and never tells them.
    """
    if persona.preferences:
        return frozenset(persona.preferences)
    return frozenset(f.id for f in persona.facts if f.kind == "fact" or not scheduled)
