"""personas.jsonl: one persona per line, the file that every later step reads.

A hand-written line needs only `profile` and `personality`; ids and facts are derived from them.
Reading is strict and errors name the line, because silently dropping or fixing a persona changes
what is simulated. Gzip is read directly, so a large pool stays small on disk.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from aloe.errors import InputError
from aloe.files.records import read_models
from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.phrases import find_stated
from aloe.schema import Persona, digest, sentences

SHIPPED = Path(__file__).parent / "pool" / "personas.jsonl.gz"
"""The pool that comes with the program."""

_DERIVED_ID = re.compile(r"[0-9a-f]{16}")
"""What an id looks like that follows from the texts; a given one has other forms."""


def read_personas(path: Path) -> list[Persona]:
    """Return the personas in a JSONL file, plain or gzipped; blank lines are passed over.

    Raises:
        InputError: the file is missing, empty or no text, or a line is broken or a repetition.
    """
    found = list(iter_personas(path))
    if not found:
        raise InputError(
            path,
            "there are no personas here; `aloe personas export --out FILE` writes those that ship, "
            "`aloe personas grow` makes new ones with a model",
        )
    return found


def iter_personas(path: Path, *, torn: bool = False) -> Iterator[Persona]:
    """Yield the personas in a file, as `read_personas` does, one at a time.

    `torn` says whether the last line is passed over if a kill has left only its beginning.
    """
    seen: set[str] = set()
    for number, persona in read_models(path, Persona, torn=torn):
        if problem := find_problem(persona):
            raise InputError(path, problem, line=number)
        if persona.id in seen:
            raise InputError(path, f"persona {persona.id} appears twice", line=number)
        seen.add(persona.id)
        yield persona


def find_problem(persona: Persona) -> str | None:
    """Return why nobody can simulate a persona, None if all can."""
    if not persona.facts:
        return "the persona has no facts"
    try:
        for wish in persona.preferences.items():
            find_wish(*wish)
    except ValueError as error:
        return f"preferences: {error}"
    for name, value in find_stated(persona.personality).items() if persona.preferences else ():
        if (wanted := persona.preferences.get(name, value)) != value:
            return (
                f"preferences: {name} is '{wanted}' there and '{value}' in the personality; change "
                "one of them, and leave out id and facts to get them anew"
            )
    if _was_changed(persona):
        return (
            f"persona {persona.id} has the id and facts of other texts; leave out id and facts to "
            "get them anew"
        )
    return None


def _was_changed(persona: Persona) -> bool:
    """Whether id and facts follow from texts that the persona had before somebody changed them.

    Facts may be in other words than the texts: then the id follows from the texts. An id may follow
    from something else, such as whose conversations were imported: then the facts are the sentences
    of the texts.
    """
    if persona.id == digest(persona.profile, persona.personality):
        return False
    if not _DERIVED_ID.fullmatch(persona.id):
        return False
    told = {fact.text for fact in persona.facts}
    if {*sentences(persona.profile), *sentences(persona.personality)} - told:
        return True
    return any(each not in persona.profile + persona.personality for each in told)


def as_lines(personas: Iterable[Persona], *, derived: bool = True) -> str:
    """Return personas as JSONL text; `derived` says whether to write what follows from the rest."""
    return "".join(as_line(persona, derived=derived) for persona in personas)


def as_line(persona: Persona, *, derived: bool = True) -> str:
    """Return one persona as a line of JSON with its line break; what is empty is left out."""
    left_out = {name for name in ("axes", "lineage", "preferences") if not getattr(persona, name)}
    if not derived:
        anew = Persona.of(persona.profile, persona.personality)
        same = {name for name in ("id", "facts") if getattr(persona, name) == getattr(anew, name)}
        left_out |= same
    return persona.model_dump_json(exclude_none=True, exclude=left_out) + "\n"
