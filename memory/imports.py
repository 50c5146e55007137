"""Personas from other people's files.

This reads the original ALOE files (`profile.jsonl`, `personality.jsonl`: one JSON string a line,
except for one line with two), PersonaHub-style `{"persona": ...}`, our own lines, the layouts of
`aloe.memory.persona_layouts`, and tables, in any format that `aloe.files.records` reads. The file's
name says what a bare text describes. Texts are not changed, whether in the first or the third
person. The column is never guessed: if several could hold the text, the error names them and the
user chooses.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import cycle
from pathlib import Path
from textwrap import shorten
from typing import Any

from pydantic import ValidationError

from aloe.errors import InputError
from aloe.files.lines import OnBad, Place
from aloe.files.records import describe, read_records
from aloe.memory.axes import KINDS, Axes, Kind
from aloe.memory.descriptions import Description, join
from aloe.memory.formats.fields import sort_of
from aloe.memory.persona_layouts import Person, people_in, write_plain
from aloe.memory.personas import find_problem
from aloe.memory.pool.pairing import find_conflicts
from aloe.schema import Lineage, Persona, sentences
from aloe.wording import visible

TEXT_KEYS: Mapping[Kind, tuple[str, ...]] = {
    "profile": ("profile", "profiles", "persona", "personas"),
    "personality": ("personality", "personalities"),
}
"""Names under which a text stands, in any case; a longer name with one of them in it may, too."""

LOOSE_KEYS = ("description", "text")
"""Names that hold a profile where no column has a better one."""

_ABOUT = frozenset({"id", "ids", "uuid", "index", "hash", "key", "url", "image", "name", "source"})
"""Words in the names of columns that say something about a text and do not hold it."""

OURS = frozenset({"facts", "preferences", "lineage", "schema_version"})
"""Fields by which a record is known to be a persona's line of this program."""

_OPTIONS: Mapping[Kind, str] = {"profile": "--column", "personality": "--personality-column"}

LONGEST_NAME = 60
"""Characters of a column's name from which it is taken for a text."""

Columns = Mapping[Kind, Sequence[str]]
"""The columns that hold each text, as the user names them; none: found by `TEXT_KEYS`."""

Texts = dict[Kind, str]


@dataclass(frozen=True, kw_only=True)
class ImportedText:
    """What a record holds: one text by its kind, or a whole persona."""

    place: Place
    texts: Texts
    persona: Persona | None = None
    """The persona, where both texts are there."""
    columns: tuple[str, ...] = ()
    """The names of all that the record holds."""


def read_foreign(
    path: Path, on_bad: OnBad, columns: Columns | None = None
) -> Iterator[ImportedText]:
    """Yield what the records of a file hold.

    Args:
        path: the file.
        on_bad: called with the error of each record that cannot be used; a line of ours is one that
            cannot if no reader of personas accepts it, rather than one with its texts alone.
        columns: the columns that hold the texts; several are joined, a line each. Numbers and dates
            in them are written as text; a record that holds anything else there cannot be used.

    Raises:
        InputError: the file cannot be read, several columns may hold a text, or `on_bad` raises.
    """
    given = {kind: tuple((columns or {}).get(kind, ())) for kind in KINDS}
    chosen = _Chosen(given)
    kind: Kind = "personality" if "personalit" in path.name.lower() else "profile"
    for place, record in read_records(path, on_bad):
        named = any(given.values()) or not isinstance(record, dict)
        if (people := None if named else people_in(record)) is not None:
            yield from _known(people, place, on_bad)
            continue
        if isinstance(record, dict):
            if problem := chosen.find_unfit(record):
                on_bad(place.error(problem))
                continue
            texts, names = chosen.texts(place, record), tuple(record)
        else:
            texts, names = _bare(record, kind), ()
        if not texts:
            on_bad(place.error(_no_text(record, given)))
            continue
        try:
            ours: dict[str, Any] = {} if any(given.values()) else record
            persona = _persona(ours, texts, place) if len(texts) == len(KINDS) else None
        except InputError as error:
            on_bad(error)
            continue
        yield ImportedText(place=place, texts=texts, persona=persona, columns=names)


def _known(people: list[Person], place: Place, on_bad: OnBad) -> Iterator[ImportedText]:
    """Yield the people of a record in a known layout."""
    for person in people:
        texts = {kind: text for kind, text in person.texts.items() if text}
        if not texts:
            on_bad(place.error("says nothing of who the person is; its texts are empty"))
            continue
        whole = len(texts) == len(KINDS)
        persona = _persona({}, texts, place, person.axes) if whole else None
        yield ImportedText(place=place, texts=texts, persona=persona)


def _bare(record: Any, kind: Kind) -> Texts:
    text = record.strip() if isinstance(record, str) else ""
    return {kind: text} if visible(text) else {}


def _no_text(record: Any, given: Columns) -> str:
    """Say why a record gives no text."""
    if not isinstance(record, dict):
        return "holds no text"
    there = ", ".join(shorten(str(name), 60, placeholder="...") for name in record) or "none at all"
    held = {_plain(str(name)): value for name, value in record.items()}
    asked = [_plain(name) for names in given.values() for name in names]
    if missing := [name for name in asked if name not in held]:
        return f"has no column '{missing[0]}'; there are {there}"
    known = {_plain(str(n)) for n in record if any(_names(kind, str(n)) for kind in KINDS)}
    for name in asked or sorted(known):
        if not _is_text(held[name]):
            return _no_text_but(held[name], name)
        return f"holds no text as '{name}'; fill it in, or leave such rows out with --skip-bad"
    if any(_is_sentence(str(name)) for name in record):
        return "has no header line; add one with the columns' names, such as persona"
    return f"has no column known to hold text; its columns are {there}: choose with --column"


def _no_text_but(value: Any, name: str) -> str:
    return f"holds {_sort(value)} and no text as '{name}'"


def _sort(value: Any) -> str:
    """Return what a value is, in words."""
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return "a list of records (save that list as a file of its own)"
    return sort_of(value)


def _is_sentence(name: str) -> bool:
    """Whether the name of a column is rather its first text."""
    return len(sentences(name)) > 1 or len(name) > LONGEST_NAME


@dataclass(frozen=True)
class _Chosen:
    """The columns that hold the texts of a file."""

    given: Columns
    _found: dict[tuple[str, ...], Columns] = field(default_factory=dict)
    """What was decided for records with these names."""

    @cached_property
    def asked(self) -> frozenset[str]:
        """The columns that the user named, of either text."""
        return frozenset(_plain(name) for names in self.given.values() for name in names)

    def find_unfit(self, record: Mapping[str, Any]) -> str | None:
        """Say which column that must hold a text holds something else; None if none does.

        That is each that the user named, and where they named none of a kind, each that has a known
        name: passing it over would give a person another's text.
        """
        for name, value in record.items():
            if _plain(name) in self.asked and not (_is_text(value) or _is_plain(value)):
                return _no_text_but(value, _plain(name))
        for kind in (kind for kind in KINDS if not self.given[kind]):
            if unread := self._find_unread(kind, record):
                said = _no_text_but(record[unread], _plain(unread))
                return f"{said}; write it as text, or choose another with {_OPTIONS[kind]}"
        return None

    def _find_unread(self, kind: Kind, record: Mapping[str, Any]) -> str | None:
        """Return the column of a known name that holds something else than a text.

        Under a longer name, that may be a figure about the text, or stand beside the text.
        """
        fitting = [n for n in record if _plain(n) not in self.asked and _names(kind, n)]
        others = [name for name in fitting if not _is_text(record[name])]
        exact = (name for name in others if _plain(name) in TEXT_KEYS[kind])
        alone = (n for n in others if len(others) == len(fitting) and not _is_figure(record[n]))
        return next(exact, None) or next(alone, None)

    def texts(self, place: Place, record: Mapping[str, Any]) -> Texts:
        """Return the texts that are there.

        Raises:
            InputError: several columns may hold one.
        """
        names = tuple(
            name
            for name, value in record.items()
            if _is_text(value) or (_plain(name) in self.asked and _is_plain(value))
        )
        if names not in self._found:
            self._found[names] = {kind: self._columns(place, kind, names) for kind in KINDS}
        joined = {
            kind: "\n".join(filter(None, (_text(record[name]) for name in columns)))
            for kind, columns in self._found[names].items()
        }
        return {kind: text for kind, text in joined.items() if visible(text)}

    def _columns(self, place: Place, kind: Kind, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the columns of `names` that hold texts of `kind`."""
        if self.given[kind]:
            wanted = map(_plain, self.given[kind])
            return tuple(name for each in wanted for name in names if _plain(name) == each)
        free = [name for name in names if _plain(name) not in self.asked]
        fitting = [name for name in free if _names(kind, name)]
        if not fitting and kind == "profile":
            fitting = [name for name in free if _plain(name) in LOOSE_KEYS]
        if len(fitting) > 1:
            raise place.error(
                f"several columns may hold the {kind}: {', '.join(fitting)}; choose with "
                f"{_OPTIONS[kind]} '{fitting[0]}', say (give it again to join several)"
            )
        return tuple(fitting)


@lru_cache(maxsize=1024)
def _names(kind: Kind, name: str) -> bool:
    """Whether a column called `name` may hold texts of `kind`."""
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
    fitting = bool(words & set(TEXT_KEYS[kind])) and not words & _ABOUT
    return fitting and not _is_sentence(name)


def _plain(name: str) -> str:
    return name.strip().lower()


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str) or _is_list_of_texts(value)


def _is_plain(value: Any) -> bool:
    """Whether a value can be written as text without a loss."""
    return isinstance(value, int | float | Decimal | date) and not isinstance(value, bool)


def _is_figure(value: Any) -> bool:
    """Whether a value measures something: a number, yes or no, or a list of these."""
    if isinstance(value, list):
        return all(map(_is_figure, value))
    return isinstance(value, bool) or _is_plain(value)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _text(value: Any) -> str:
    """Return the text of a cell; of a list, a line for each."""
    if _is_plain(value):
        return write_plain(value)
    parts = [value] if isinstance(value, str) else value or ()
    return "\n".join(part.strip() for part in parts if part.strip())


def _persona(
    row: Mapping[str, Any], texts: Texts, place: Place, axes: Axes | None = None
) -> Persona:
    """Return a line of ours with all it says, any other with its two texts.

    Raises:
        InputError: it is a line of ours that no reader of personas accepts.
    """
    held = {name: value for name, value in row.items() if value is not None}
    if isinstance(wishes := held.get("preferences"), str):
        return _wishing(texts, wishes, place)
    try:
        persona = Persona.model_validate(held)
    except ValidationError as error:
        if OURS & held.keys():
            raise place.error(describe(error, "a persona's line")) from None
        origin = Lineage(origin="imported")
        return Persona.of(**texts, axes=axes or {}, lineage=dict.fromkeys(KINDS, origin))
    if problem := find_problem(persona):
        raise place.error(problem)
    return persona


def _wishing(texts: Texts, wishes: str, place: Place) -> Persona:
    """Return the persona of a table's row with its wishes, which its cell holds as JSON.

    Raises:
        InputError: they are no wishes, or not those of the personality.
    """
    origin = Lineage(origin="imported")
    try:
        held = json.loads(wishes) if wishes.strip() else {}
        persona = Persona.of(**texts, lineage=dict.fromkeys(KINDS, origin), preferences=held)
    except (ValueError, TypeError, RecursionError):
        said = """'preferences' holds no wishes in JSON, such as {"emoji": "none"}"""
        raise place.error(said) from None
    if problem := find_problem(persona):
        raise place.error(problem)
    return persona


def as_descriptions(texts: Texts) -> dict[Kind, Description]:
    """Return texts as imported descriptions."""
    origin = Lineage(origin="imported")
    return {
        kind: Description(kind=kind, text=text, axes={}, lineage=origin)
        for kind, text in texts.items()
    }


def match_personalities(
    profiles: list[Description], personalities: list[Description]
) -> Iterator[tuple[Persona, tuple[Description, Description]]]:
    """Join every profile with a personality that does not contradict it, all used about equally.

    A profile that contradicts every personality is left out.
    """
    order = cycle(personalities)
    for profile in profiles:
        for _ in personalities:
            personality = next(order)
            if not find_conflicts(profile.text, personality.text):
                yield join(profile, personality), (profile, personality)
                break
