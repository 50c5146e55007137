"""In which words users state checkable wishes, and assistants ask about them.

A user that says a wish always in the same sentence teaches a model that sentence and not the wish.
So each wish has a dozen ways to be stated and a dozen remarks for a reply that breaks it, and each
dimension a dozen questions, written one by one in `phrases.toml` and split in two by phrase: models
trained on one half are tested on the other. The catalogue's own sentences belong to the train half.
"""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from aloe.config.user import Phrases
from aloe.errors import InputError
from aloe.memory.verifiable.catalogue import DIMENSIONS

PHRASES = Path(__file__).parent / "phrases.toml"

HALF = 6
"""Fewest phrases of a kind in each half."""


def find_traits(dimension: str, value: str, half: Phrases) -> tuple[str, ...]:
    """Return the ways in which a user states a wish, each one sentence."""
    return read_phrases()[Key(dimension, value, "traits", half)]


def find_remarks(dimension: str, value: str, half: Phrases) -> tuple[str, ...]:
    """Return what a user says of a reply that breaks a wish, each one sentence."""
    return read_phrases()[Key(dimension, value, "remarks", half)]


def find_questions(dimension: str, half: Phrases) -> tuple[str, ...]:
    """Return the ways in which an assistant asks about a dimension, each one sentence."""
    return read_phrases()[Key(dimension, "", "questions", half)]


def find_stated(text: str) -> dict[str, str]:
    """Return the wishes that phrases in `text` state, of either half: value by dimension.

    Letter case, line breaks and the shape of apostrophes and quotation marks do not matter. Of two
    wishes about one dimension the one stated last counts.
    """
    said = _plain(text)
    found = [(said.rfind(phrase), wish) for phrase, wish in _stating().items() if phrase in said]
    return dict(wish for _, wish in sorted(found))


def find_all_stated(texts: Iterable[str]) -> dict[str, str]:
    """Return the wishes that a user's messages state, whoever wrote them; the latest counts.

    Args:
        texts: the user's messages so far, in order.
    """
    return {name: value for text in texts for name, value in find_stated(text).items()}


def _plain(text: str) -> str:
    straight = re.sub("[\u2018\u2019]", "'", re.sub("[\u201c\u201d]", '"', text))
    return " ".join(straight.casefold().split())


@cache
def _stating() -> dict[str, tuple[str, str]]:
    """Return the dimension and value that each trait and remark states."""
    return {
        _plain(text): (key.dimension, key.value)
        for key, texts in read_phrases().items()
        for text in texts
        if key.value
    }


class Key(NamedTuple):
    """What phrases are for."""

    dimension: str
    value: str
    """The value that they state; empty of questions, which are about the dimension."""
    kind: Literal["traits", "remarks", "questions"]
    half: Phrases


@cache
def read_phrases(path: Path = PHRASES) -> dict[Key, tuple[str, ...]]:
    """Return all phrases of a file, and the catalogue's own.

    Raises:
        InputError: the file is no TOML, lacks phrases, or has one inside another.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(path, f"is not valid TOML: {error}") from None
    found = {}
    for dimension, wishes in DIMENSIONS.items():
        tables = {wish.value: raw.get(dimension, {}).get(wish.value, {}) for wish in wishes}
        for half in get_args(Phrases):
            questions = raw.get(dimension, {}).get("questions", {}).get(half, ())
            found[Key(dimension, "", "questions", half)] = tuple(questions)
            for wish in wishes:
                traits, remarks = (
                    tuple(tables[wish.value].get(kind, {}).get(half, ()))
                    for kind in ("traits", "remarks")
                )
                if half == "train":
                    traits, remarks = (wish.trait, *traits), (wish.remark, *remarks)
                found[Key(dimension, wish.value, "traits", half)] = traits
                found[Key(dimension, wish.value, "remarks", half)] = remarks
    _check(found, path)
    return found


def _check(phrases: dict[Key, tuple[str, ...]], path: Path) -> None:
    for key, texts in phrases.items():
        if len(texts) < HALF:
            name = ".".join(filter(None, key))
            raise InputError(path, f"has {len(texts)} of the {HALF} phrases that {name} takes")
    everything = [_plain(text) for texts in phrases.values() for text in texts]
    joined = "\n".join(everything)
    if twice := [text for text in everything if joined.count(text) > 1]:
        raise InputError(path, f"has a phrase twice or inside another: '{twice[0]}'")
