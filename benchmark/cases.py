"""The cases of the benchmark: who is played, for how long, and with what in the way.

A case is one user and one dialogue still to be held. Users are deliberately crossed: the same
profile occurs with several personalities and the same personality with several profiles. This
separates the effects of profile, personality and their combination, and intervals can be taken over
both. The shipped suites therefore store profiles and personalities once (`profiles.jsonl`,
`personalities.jsonl`) and refer to them in one line per case, with the reason for including it.
Full cases, personas, and the original ALOE files can be read as well.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from aloe.benchmark.case import TURNS, Case, Flip, Probe
from aloe.benchmark.formats.known import reader_of
from aloe.config import Disclosing, Mood
from aloe.errors import ConfigError, InputError, suggest
from aloe.files.hub import is_hub
from aloe.files.lines import Place, refuse
from aloe.files.records import describe, read_models, read_records, recognise
from aloe.memory.imports import read_foreign
from aloe.memory.verifiable.catalogue import find_wish
from aloe.schema import Fact, Persona, Record, digest, sentences

SUITES_FOLDER = Path(__file__).parent / "suites"

SUITES: Mapping[str, str] = {
    "aloe-100": "100 crossed users over ten turns: the main figure",
    "verifiable": "wishes that a program can check: no model judges",
    "extended": "personas out of format: prose, bullets, third person, broken English, terse",
    "flip": "personality and wishes change at turn 6: does the model notice?",
    "flip-verifiable": "the same with wishes that a program can check",
    "long": "24 turns with something new to learn to the end",
    "noisy": "users with typos, users who are curt, users who contradict themselves",
    "ask": "users who tell their wishes when asked, checked by a program: does the model ask?",
    "ask-free": "the users of aloe-100, who tell little unasked",
    "none": "turns where a personal touch is wrong: facts, neutral texts, other people's business",
}
"""What each shipped suite is for."""

ALOE_PERSONALITIES = 5
"""Personalities that the original evaluation crosses with every profile: the first of its seven."""


def load_cases(name: str) -> list[Case]:
    """Return the cases of a shipped suite or of a file.

    A file holds one JSON object a line: a case written out, or a persona, which then is a case of
    the usual length. Files of PrefEval, PersonaMem v1 and CUPID are known by their fields
    (`aloe.benchmark.formats`). Of the original ALOE data give the file of profiles; the file of
    personalities is looked for beside it, under the same name with `personality` for `profile`, and
    its first five are crossed with every profile, as the original evaluation does.

    Args:
        name: a name in `SUITES`, a path, or a data set of the hub (`aloe.files.hub`).

    Raises:
        ConfigError: there is neither a suite nor a file of that name.
        InputError: the file is empty or mixes cases with personas, or a line is broken or a
            repetition.
    """
    if name in SUITES:
        return _distinct(SUITES_FOLDER / f"{name}.jsonl", _shipped(name))
    path = Path(name)
    if not path.is_file() and not is_hub(path):
        hint = suggest(name, SUITES, f"suites are {', '.join(SUITES)}")
        raise ConfigError(f"{name}: there is neither a suite nor a file of this name{hint}")
    return _distinct(path, _from_file(path))


def _distinct(path: Path, cases: Iterator[tuple[Place, Case]]) -> list[Case]:
    found: dict[str, Case] = {}
    for place, case in cases:
        if case.id in found:
            raise place.error(f"case {case.id} appears twice")
        if problem := case.find_unsent():
            raise place.error(problem)
        found[case.id] = case
    if not found:
        raise InputError(path, "there are no cases here")
    return list(found.values())


class _Part(Record):
    """A line of profiles.jsonl or personalities.jsonl."""

    key: str
    text: str = ""
    """Empty where the preferences say it all."""
    axes: dict[str, str | int] = Field(default={})
    facts: tuple[str, ...] = ()
    """The atomic statements of a text whose sentences are none; empty: its sentences."""
    preferences: dict[str, str] = Field(default={})
    """Wishes that a program can check, by dimension; the text states them."""


class _Change(Record):
    """What a line of a suite says of the moment a user changes."""

    turn: int
    personality: str
    note: str


class _Line(Record):
    """A line of a suite: a case by the names of its parts."""

    profile: str
    personality: str
    why: str
    turns: int = TURNS
    mood: Mood | None = None
    disclosure: Disclosing | None = None
    flip: _Change | None = None
    probes: dict[int, Probe] = Field(default={})


def _shipped(name: str) -> Iterator[tuple[Place, Case]]:
    lives, personalities = _table("profiles"), _table("personalities")
    path = SUITES_FOLDER / f"{name}.jsonl"
    for number, line in read_models(path, _Line):
        life = lives[line.profile]
        flip = line.flip and Flip(
            turn=line.flip.turn,
            persona=_persona(life, personalities[line.flip.personality]),
            note=line.flip.note,
        )
        yield (
            Place(path, line=number),
            Case.model_validate(
                {
                    **line.model_dump(),
                    "suite": name,
                    "persona": _persona(life, personalities[line.personality]),
                    "flip": flip,
                }
            ),
        )


def _table(name: str) -> dict[str, _Part]:
    path = SUITES_FOLDER / f"{name}.jsonl"
    return {part.key: part for _, part in read_models(path, _Part)}


def _persona(life: _Part, personality: _Part) -> Persona:
    wishes = [find_wish(*each).trait for each in personality.preferences.items()]
    text = personality.text or " ".join(wishes)
    facts = [Fact.of("fact", each) for each in life.facts or sentences(life.text)]
    facts += [Fact.of("trait", each) for each in personality.facts or sentences(text)]
    return Persona.of(
        life.text,
        text,
        facts=tuple(facts),
        axes={**life.axes, **personality.axes},
        preferences=personality.preferences,
    )


_MIXED = "the file begins with {first} and this is {this}; give a file of cases or one of personas"


def _from_file(path: Path) -> Iterator[tuple[Place, Case]]:
    first = next((value for _, value in read_records(path)), None)
    if _is_case(first):
        yield from ((place, _given(place, record)) for place, record in read_records(path))
        return
    if read := reader_of(first):
        for place, parts in read(path):
            yield place, Case.model_validate({**parts, "suite": _suite_of(path)})
        return

    if not is_hub(path):  # whose rows have the same columns
        _refuse_cases(path)
    lives: list[tuple[Place, str]] = []
    for each in read_foreign(path, refuse):
        if each.persona:
            yield each.place, _case(path, each.persona)
        elif "profile" in each.texts:
            lives.append((each.place, each.texts["profile"]))
        else:
            raise InputError(path, "holds personalities only; give the file of profiles")
    if lives:
        personalities = _personalities_beside(path)
        for place, life in lives:
            yield from (
                (place, _case(path, Persona.of(life, personality))) for personality in personalities
            )


def _given(place: Place, record: Any) -> Case:
    """Return the case that somebody wrote, made sure that it is played as it says."""
    if not _is_case(record):
        raise place.error(_MIXED.format(first="a case", this="none"))
    try:
        case = Case.model_validate({"suite": _suite_of(place.path), **record})
    except ValidationError as error:
        other = recognise(json.dumps(record), Case)
        raise place.error(f"this is {other}" if other else describe(error)) from None
    if case.id != case.derive_id():
        raise place.error(f"case {case.id} was changed; leave its id out to get its own")
    if case.mood and case.by_rule:
        raise place.error("a rule plays whoever has preferences, and has no mood; leave it out")
    if case.flip and bool(case.flip.persona.preferences) != case.by_rule:
        raise place.error(
            "flip: only one of the two personas has preferences, but either rules play and rate a "
            "whole dialogue or models do; give both of them preferences, or neither"
        )
    return case


def _is_case(value: Any) -> bool:
    """Whether a record is meant as a case, complete or not; other people call a text `persona`."""
    return isinstance(value, dict) and (
        isinstance(value.get("persona"), dict) or value.keys() >= {"suite", "why"}
    )


def _refuse_cases(path: Path) -> None:
    """Make sure that no case is among the personas of a file, where it would be read as one."""
    for place, record in read_records(path):
        if _is_case(record):
            raise place.error(_MIXED.format(first="no case", this="one"))


def _personalities_beside(path: Path) -> list[str]:
    name = path.name.replace("profiles", "personalities").replace("profile", "personality")
    beside = path.with_name(name)
    if beside == path or not beside.is_file():
        name = "personality.jsonl" if beside == path else beside.name
        raise InputError(path, f"holds profiles only; put their personalities beside it as {name}")
    texts = (each.texts for each in read_foreign(beside, refuse) if not each.persona)
    found = [each["personality"] for each in texts if "personality" in each]
    return found[:ALOE_PERSONALITIES]


def _case(path: Path, persona: Persona) -> Case:
    return Case.model_validate(
        {
            "suite": _suite_of(path),
            "persona": persona,
            "why": f"given in {path.name}",
            "profile": digest(persona.profile),
            "personality": digest(persona.personality),
        }
    )


def _suite_of(path: Path) -> str:
    """Return what the cases of a file, or of a data set of the hub, are called."""
    return re.split(r"[.:]", path.name)[0] or "cases"
