"""Profiles and personalities before they are paired: seeds, drafts, composed texts.

A description is one text with its attributes and its origin. Profiles and personalities are made,
checked and gated separately, and become a persona only when two of them are paired.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from aloe.errors import InputError
from aloe.files.lines import Place
from aloe.files.records import read_records
from aloe.memory.axes import Axes, Kind
from aloe.schema import Lineage, Persona, digest

SEEDS = Path(__file__).parent / "seeds"
"""The seeds that come with the program."""

SEED_FILES: Mapping[Kind, str] = {
    "profile": "profiles.jsonl",
    "personality": "personalities.jsonl",
}


@dataclass(frozen=True, kw_only=True)
class Description:
    """One profile or one personality."""

    kind: Kind
    text: str
    axes: Axes
    """Coordinates asked for or, of a seed, given by its author."""
    lineage: Lineage

    @cached_property
    def id(self) -> str:
        """Content hash of the text."""
        return digest(self.text)

    def near(self, similarity: float | None) -> Self:
        """Return a copy that records how similar the nearest description was."""
        rounded = None if similarity is None else round(similarity, 4)
        return replace(self, lineage=self.lineage.model_copy(update={"nearest": rounded}))


def join(profile: Description, personality: Description) -> Persona:
    """Return the persona that a profile and a personality make."""
    return Persona.of(
        profile.text,
        personality.text,
        axes={**profile.axes, **personality.axes},
        lineage={"profile": profile.lineage, "personality": personality.lineage},
    )


def read_seeds(folder: Path | None) -> dict[Kind, list[Description]]:
    """Return the seeds in a folder's profiles.jsonl and personalities.jsonl.

    Args:
        folder: None for the seeds that come with the program.

    Raises:
        InputError: a file is missing or empty, or a line is broken (with its number).
    """
    found: dict[Kind, list[Description]] = {}
    for kind, name in SEED_FILES.items():
        path = (folder or SEEDS) / name
        found[kind] = [_seed(kind, *each) for each in read_records(path)]
        if not found[kind]:
            raise InputError(path, "there are no seeds here")
    return found


def _seed(kind: Kind, place: Place, raw: Any) -> Description:
    """Return what a record says: a string, or an object with `text` and perhaps `axes`."""
    given = {"text": raw} if isinstance(raw, str) else raw
    text = given.get("text") if isinstance(given, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise place.error('a seed is {"text": "...", "axes": {...}}')
    axes = given.get("axes") or {}
    if not isinstance(axes, dict) or not all(isinstance(v, str | int) for v in axes.values()):
        raise place.error("the axes of a seed are strings or numbers")
    origin = Lineage(origin="seed")
    return Description(kind=kind, text=text.strip(), axes=axes, lineage=origin)
