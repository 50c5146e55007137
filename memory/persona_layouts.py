"""Where other projects' records of people hold a life, a temper and an age.

A layout is known by fields that only it has together. Its texts are taken word for word, in the
language they are in; a table of attributes becomes lines of `attribute: value`, for no sentence
about anybody is written here. What a layout has no words for is left to the columns' names
(`aloe.memory.imports`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from aloe.memory.axes import Axes, Kind
from aloe.wording import visible

Fields = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Person:
    """What a record says of one person; a text may be empty."""

    texts: dict[Kind, str]
    axes: Axes = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PersonaLayout:
    """How a project writes people down."""

    keys: frozenset[str]
    """The fields by which a record is known to have it, in lower case."""
    people: Callable[[Fields], Iterator[Person]]
    """Yields the people in a record whose keys are in lower case."""


TASTES = ("arts_persona", "culinary_persona", "sports_persona", "travel_persona")
"""Columns of Nemotron-Personas about what somebody likes."""
LIFE = ("cultural_background", "skills_and_expertise", "hobbies_and_interests")
"""Its columns about a life, beside `career_goals_and_ambitions` and the other `*_persona`."""

TEMPER = (
    "big five scores", "defining quirks", "mannerisms", "personal time", "lifestyle", "ideology",
    "political views", "religion",
)  # fmt: skip
"""Attributes of PERSONA that are about what somebody is like; the others are about a life."""
_NOTHING = frozenset({"", "n/a", "none", "nan", "not applicable"})


def people_in(record: Fields) -> list[Person] | None:
    """Return the people in a record of a known layout; None if it has none of them."""
    plain = {name.strip().lower(): value for name, value in record.items()}
    layout = next((each for each in LAYOUTS if each.keys <= plain.keys()), None)
    return list(layout.people(plain)) if layout else None


def _nemotron(fields: Fields) -> Iterator[Person]:
    personas = [name for name in fields if name.endswith("_persona") and name not in TASTES]
    life = (*personas, *LIFE, "career_goals_and_ambitions")
    texts: dict[Kind, str] = {
        "profile": _joined(fields.get(name) for name in life),
        "personality": _joined(fields.get(name) for name in ("persona", *TASTES)),
    }
    yield Person(texts=texts, axes=_age(fields))


def _persona_chat(fields: Fields) -> Iterator[Person]:
    for number in (1, 2):
        yield Person(texts={"profile": _joined([fields[f"user {number} personas"]])})


def _persona_mem(fields: Fields) -> Iterator[Person]:
    voice = fields["user_voice"] if isinstance(fields["user_voice"], dict) else {}
    names = ("natural_register", "humor_tone", "voice_avoid")
    texts: dict[Kind, str] = {
        "profile": _joined(fields.get(name) for name in ("career", "education", "bio")),
        "personality": _joined([fields.get("big_five"), *(voice.get(name) for name in names)]),
    }
    yield Person(texts=texts, axes=_age(fields))


def _persona_table(fields: Fields) -> Iterator[Person]:
    about = [name for name in fields if name not in TEMPER and not name.startswith("unnamed")]
    texts: dict[Kind, str] = {
        "profile": _joined(_attribute(name, fields[name]) for name in about),
        "personality": _joined(_attribute(name, fields.get(name)) for name in TEMPER),
    }
    yield Person(texts=texts, axes=_age(fields))


LAYOUTS = (
    PersonaLayout(  # Nemotron-Personas, all countries
        keys=frozenset({"persona", "professional_persona", "hobbies_and_interests"}),
        people=_nemotron,
    ),
    PersonaLayout(  # Synthetic-Persona-Chat
        keys=frozenset({"user 1 personas", "user 2 personas"}), people=_persona_chat
    ),
    PersonaLayout(  # profile.json of PersonaMem v3
        keys=frozenset({"bio", "big_five", "user_voice"}), people=_persona_mem
    ),
    PersonaLayout(  # the personas of PERSONA
        keys=frozenset({"age", "big five scores", "defining quirks", "mannerisms"}),
        people=_persona_table,
    ),
)


def _joined(values: Iterable[Any]) -> str:
    """Return texts, a line each; of an object, its entries on one line."""
    return "\n".join(filter(None, map(_line, values)))


def _line(value: Any) -> str:
    text = _text(value)
    return text if visible(text) else ""


def _text(value: Any) -> str:
    """Return what a value says; empty where it says nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {said}" for name, each in value.items() if (said := _text(each)))
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else write_plain(value)


def write_plain(value: Any) -> str:
    """Return a number, a date or a text as text; empty for the blank of a table."""
    if isinstance(value, float):  # a table's blank is no number, and its whole numbers are floats
        whole = isfinite(value) and value.is_integer()
        return "" if not isfinite(value) else str(int(value)) if whole else f"{value:g}"
    return str(value).strip()


def _attribute(name: str, value: Any) -> str:
    line = _line(value)
    return "" if line.lower() in _NOTHING else f"{name.capitalize()}: {line}"


def _age(fields: Fields) -> Axes:
    """Return the age in years, where it is given as a whole number."""
    found = re.fullmatch(r"\d{1,3}", str(fields.get("age")))
    return {"age": int(found[0])} if found else {}
