"""personas.jsonl: one persona a line, the artifact that every later step reads.

A line written by hand may hold no more than `profile` and `personality`; ids and facts follow from
them. Reading is strict and names the line, because a persona that was silently dropped or mended
changes what is simulated. Gzip is read as it is, so that a large pool stays small on disk.
"""

from collections.abc import Iterable
from pathlib import Path

from aloe.errors import InputError
from aloe.files.lines import read_lines
from aloe.files.records import parse_record
from aloe.schema import SCHEMA_VERSION, Persona

SHIPPED = Path(__file__).parent / "pool" / "personas.jsonl.gz"
"""The pool that comes with the program."""


def read_personas(path: Path) -> list[Persona]:
    """Return the personas in a JSONL file, plain or gzipped; blank lines are passed over.

    Raises:
        InputError: the file is missing, empty or no text, or a line is broken or a repetition.
    """
    found: dict[str, Persona] = {}
    for number, line in read_lines(path):
        persona = parse_persona(path, number, line)
        if persona.id in found:
            raise InputError(path, f"persona {persona.id} is there twice", line=number)
        found[persona.id] = persona
    if not found:
        raise InputError(path, "there are no personas here; run `aloe personas grow` first")
    return list(found.values())


def parse_persona(path: Path, number: int, line: str) -> Persona:
    """Return the persona that `line` holds.

    Raises:
        InputError: naming file, line and what is wrong.
    """
    persona = parse_record(Persona, path, number, line)
    if persona.schema_version > SCHEMA_VERSION:
        raise InputError(path, f"schema version {persona.schema_version} is newer", line=number)
    if not persona.facts:
        raise InputError(path, "the persona has no facts", line=number)
    return persona


DERIVED = {"id", "facts"}
"""What follows from the two texts and may be left out of a line."""


def as_lines(personas: Iterable[Persona], *, derived: bool = True) -> str:
    """Return personas as JSONL text; `derived` says whether to write what follows from the rest."""
    return "".join(as_line(persona, derived=derived) for persona in personas)


def as_line(persona: Persona, *, derived: bool = True) -> str:
    """Return one persona as a line of JSON with its line break; what is empty is left out."""
    left_out = {name for name in ("axes", "lineage", "preferences") if not getattr(persona, name)}
    if not derived:
        left_out |= DERIVED
    return persona.model_dump_json(exclude_none=True, exclude=left_out) + "\n"
