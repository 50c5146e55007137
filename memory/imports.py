"""Personas from other people's files.

Read are the files of the original ALOE data (`profile.jsonl`, `personality.jsonl`: one JSON string
a line, one of which holds two strings glued together), PersonaHub-style JSONL (`{"persona": ...}`),
our own lines, and CSV with a header. A file is about personalities if its name or its columns say
so, else about profiles. Texts are taken as they are, third person or first; numbering and glue are
the only things mended. A line that cannot be read is an error that names it, or is set aside.
"""

from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aloe.lines import OnBad
from aloe.records import read_records
from aloe.schema import Lineage, Persona
from memory.axes import KINDS, Kind
from memory.descriptions import Description, joined
from memory.pairing import conflicts

TEXT_KEYS: Mapping[Kind, tuple[str, ...]] = {
    "profile": ("profile", "persona", "description", "text"),
    "personality": ("personality", "personalities"),
}
"""Names under which a text may stand in an object or a CSV column."""

Texts = dict[Kind, str]


def read_foreign(path: Path, on_bad: OnBad) -> Iterator[Texts | Persona]:
    """Yield what the lines of a file hold: one text by its kind, or a whole persona.

    Raises:
        InputError: the file cannot be read, or `on_bad` raises.
    """
    for place, row in read_records(path, on_bad):
        if isinstance(row, dict):
            row = {name.strip().lower(): value for name, value in row.items()}
        texts = _texts(row, _kind_by_name(path))
        if len(texts) == len(KINDS):
            yield _persona(row, texts)
        elif texts:
            yield texts
        else:
            known = ", ".join(name for names in TEXT_KEYS.values() for name in names)
            on_bad(place.error(f"holds no text; known names are {known}"))


def _kind_by_name(path: Path) -> Kind:
    return "personality" if "personalit" in path.name.lower() else "profile"


def _texts(row: Any, kind: Kind) -> Texts:
    if isinstance(row, str):
        return {kind: row.strip()} if row.strip() else {}
    if not isinstance(row, dict):
        return {}
    found: Texts = {}
    for each, names in TEXT_KEYS.items():
        values = [row[name] for name in names if isinstance(row.get(name), str)]
        if values and values[0].strip():
            found[each] = values[0].strip()
    return found


def _persona(row: dict[str, Any], texts: Texts) -> Persona:
    """Return a line of ours with all it says, any other with its two texts."""
    try:
        return Persona.model_validate(row)
    except ValidationError:
        origin = Lineage(origin="imported")
        return Persona.of(**texts, lineage=dict.fromkeys(KINDS, origin))


def described(texts: Texts) -> dict[Kind, Description]:
    """Return texts as imported descriptions."""
    origin = Lineage(origin="imported")
    return {
        kind: Description(kind=kind, text=text, axes={}, lineage=origin)
        for kind, text in texts.items()
    }


def matched(
    profiles: list[Description], personalities: list[Description]
) -> Iterator[tuple[Persona, tuple[Description, Description]]]:
    """Join every profile with a personality that does not contradict it, all used about equally.

    A profile that contradicts every personality is left out.
    """
    order = cycle(personalities)
    for profile in profiles:
        for _ in personalities:
            personality = next(order)
            if not conflicts(profile.text, personality.text):
                yield joined(profile, personality), (profile, personality)
                break
