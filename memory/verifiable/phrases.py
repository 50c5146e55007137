"""In which words users state checkable wishes, and assistants ask about them.

A user that says a wish always in the same sentence teaches a model that sentence and not the wish.
So each wish has a dozen ways to be stated and a dozen remarks for a reply that breaks it, and each
dimension a dozen questions, written one by one in `phrases.toml` and split in two by phrase: models
trained on one half are tested on the other. To the train half belong also the catalogue's own
sentences and those that templates make of a wish's requests, well over a hundred of each kind.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from aloe.config.user import Phrases
from aloe.errors import InputError
from aloe.memory.verifiable.catalogue import DIMENSIONS, find_opposite
from aloe.memory.verifiable.negation import read_lead

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
    wishes about one dimension the one stated last counts. A phrase that the words before it forbid
    ("Don't ...") states the opposite wish, or none if there is more than one other way.
    """
    stating = read_stating()
    plain = straighten(text)
    stated = {}
    for phrase, end in _find_ends(plain, _by_ending()):
        dimension, value = stating[phrase]
        lead = read_lead(plain[: end - len(phrase)], phrase)
        if lead == "states":
            stated[dimension] = value
        elif lead == "forbids" and dimension not in GRADED:
            stated[dimension] = find_opposite(dimension, value)
    return stated


GRADED = ("length", "sentences")
"""Dimensions in which what is not the one value need not be the other."""

_EARLIER = {
    "Don't just tell me, give me an example, I always say.": ("example", "given"),
    "Would you be so kind as to illustrate it with an example?": ("example", "given"),
}
"""What users of earlier versions said, by which their runs are still read."""


def find_all_stated(texts: Iterable[str]) -> dict[str, str]:
    """Return the wishes that a user's messages state, whoever wrote them; the latest counts.

    Args:
        texts: the user's messages so far, in order.
    """
    return {name: value for text in texts for name, value in find_stated(text).items()}


def straighten(text: str) -> str:
    """Return a text in lower case, with straight quotation marks and single blanks."""
    straight = re.sub("[\u2018\u2019]", "'", re.sub("[\u201c\u201d]", '"', text))
    return " ".join(straight.casefold().split())


@cache
def read_stating() -> dict[str, tuple[str, str]]:
    """Return the dimension and value that each trait and remark states."""
    earlier = {straighten(text): wish for text, wish in _EARLIER.items()}
    return earlier | {
        straighten(text): (key.dimension, key.value)
        for key, texts in read_phrases().items()
        for text in texts
        if key.value
    }


Endings = Mapping[str, Sequence[str]]
"""Phrases by their last letters."""
_ENDING = 8
"""How many letters."""


@cache
def _by_ending() -> Endings:
    return index_by_ending(read_stating())


def index_by_ending(phrases: Iterable[str]) -> Endings:
    """Return phrases as `find_phrases` takes them; none has fewer letters than an ending."""
    found = defaultdict(list)
    for phrase in phrases:
        found[phrase[-_ENDING:]].append(phrase)
    return found


def find_phrases(text: str, endings: Endings) -> Iterator[str]:
    """Return the phrases in a text, by where they end, in time that does not grow with them all."""
    return (phrase for phrase, _ in _find_ends(text, endings))


def _find_ends(text: str, endings: Endings) -> Iterator[tuple[str, int]]:
    """Yield each phrase in a text with where it ends."""
    for end in range(_ENDING, len(text) + 1):
        for phrase in endings.get(text[end - _ENDING : end], ()):
            if text.endswith(phrase, 0, end):
                yield phrase, end


Kind = Literal["traits", "remarks", "questions"]
_STATING: tuple[Kind, ...] = ("traits", "remarks")


class Key(NamedTuple):
    """What phrases are for."""

    dimension: str
    value: str
    """The value that they state; empty of questions, which are about the dimension."""
    kind: Kind
    half: Phrases


@cache
def read_phrases(path: Path = PHRASES) -> dict[Key, tuple[str, ...]]:
    """Return all phrases of a file, and the catalogue's own.

    Raises:
        InputError: the file is no TOML, lacks phrases, or has one inside another (in the other
            half also where only signs differ) or too short.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(path, f"is not valid TOML: {error}") from None
    templates = raw.get("templates", {})
    found = {}
    for dimension, half in product(DIMENSIONS, get_args(Phrases)):
        about = raw.get(dimension, {})
        questions = about.get("questions", {}).get(half, ())
        found[Key(dimension, "", "questions", half)] = tuple(questions)
        for wish, kind in product(DIMENSIONS[dimension], _STATING):
            table = about.get(wish.value, {})
            texts = tuple(table.get(kind, {}).get(half, ()))
            if half == "train":
                own = wish.trait if kind == "traits" else wish.remark
                made = _fill(templates.get(kind, ()), table.get("requests", ()))
                texts = (own, *texts, *made)
            found[Key(dimension, wish.value, kind, half)] = texts
    _check(found, path)
    return found


def _fill(templates: Iterable[str], requests: Iterable[str]) -> Iterator[str]:
    """Yield each template with each request in it."""
    return (each.replace("{request}", request) for each, request in product(templates, requests))


def _check(phrases: Mapping[Key, Sequence[str]], path: Path) -> None:
    for key, texts in phrases.items():
        if len(texts) < HALF:
            name = ".".join(filter(None, key))
            raise InputError(path, f"has {len(texts)} of the {HALF} phrases that {name} takes")
    everything = [straighten(text) for texts in phrases.values() for text in texts]
    if short := [text for text in everything if len(text) < _ENDING]:
        raise InputError(path, f"has a phrase of fewer than {_ENDING} letters: '{short[0]}'")
    endings = index_by_ending(everything)
    for text in everything:
        if len(found := [*find_phrases(text, endings)]) > 1:
            inner = min(found, key=len)
            raise InputError(path, f"has a phrase twice or inside another: '{inner}'")
    _check_halves(phrases, path)


def _check_halves(phrases: Mapping[Key, Sequence[str]], path: Path) -> None:
    """Make sure that no test phrase is a train phrase with a word or a sign added, or taken."""
    one, other = (
        {_words(text) for key, texts in phrases.items() if key.half == half for text in texts}
        for half in get_args(Phrases)
    )
    for inner, outer in ((one, other), (other, one)):
        endings = index_by_ending(inner)
        if found := next((each for text in outer for each in find_phrases(text, endings)), ""):
            words = found.strip()
            raise InputError(path, f"has a phrase in one of the other half, signs aside: '{words}'")


def _words(text: str) -> str:
    """Return the words of a phrase without signs, a blank around each."""
    return " ".join(["", *re.findall(r"\w+", straighten(text)), ""])
