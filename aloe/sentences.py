"""Sentences of a text, in any script that marks their ends.

A persona's facts are its sentences, so a full stop in the middle of one must not split a fact.
After an abbreviation or an initial, it ends a sentence only if what follows looks like the start of
one. Fact ids are hashes of the text: a change here must not change those of the shipped pool and
suites, which a test compares.
"""

import re
from functools import lru_cache

from aloe.emoji import EMOJI

_WIDE = "。！？｡।॥؟۔։።။។"  # noqa: RUF001
_CLOSING = "」』）】》”’\"')\\]"  # noqa: RUF001

_GAP = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\s*\n+\s*")
"""What stands between two sentences."""
_WIDE_GAP = re.compile(
    rf"(?P<mark>[{_WIDE}]+(?:[{_CLOSING}]+(?=\s|$)|(?![{_WIDE}{_CLOSING}])))\s*|{_GAP.pattern}"
)
"""The same where marks occur that need no blank behind them; they belong to the sentence."""
_HAS_WIDE = re.compile(rf"[{_WIDE}]")
_END = re.compile(
    rf"[.!?{_WIDE}]*(?:(?P<wide>[{_WIDE}])|[.!?])(?P<closing>[{_CLOSING}»“*_]*)"
    rf"(?P<emoji>(?:[ \t]*(?:{EMOJI}|[\U0001F000-\U0001FAFF\u2600-\u27BF\u2B50\u2B55]"
    r"[\uFE0F\u200D\U0001F3FB-\U0001F3FF\u2640\u2642]*))*)"
)
"""What a sentence ends with: a mark, what closes a quotation, bracket or emphasis, and emoji."""
_NUMBERED = re.compile(r"[\s>*_#-]*\(?(?:\d{1,3}|[A-Za-z])\.")
"""The number of an item of a list, whose full stop ends nothing."""

_NEVER_LAST = frozenset((
    "e.g", "i.e", "z.B", "d.h", "u.a", "s.u", "s.o", "v.a", "i.d.R", "p.ej", "p.ex", "bzw", "ca",
    "vgl", "sog", "inkl", "zzgl", "evtl", "ggf", "vs", "viz", "cf", "approx", "incl",
))  # fmt: skip
"""Abbreviations that something always follows."""

_TITLES = frozenset((
    "Dr", "Mr", "Mrs", "Ms", "Mx", "Prof", "Rev", "Hon", "Gen", "Col", "Capt", "Lt", "Sgt", "Maj",
    "Cpl", "Pres", "Gov", "Sen", "Rep", "Supt", "Msgr", "St", "Ste", "Mt", "Ft", "Hr", "Fr", "Sr",
    "Sra", "Srta", "Dra", "Ing", "Mag", "Dipl", "Mme", "Mlle",
))  # fmt: skip
"""Abbreviations that stand before a name."""

_BEFORE_FIGURES = frozenset((
    "No", "no", "Nos", "nos", "Nr", "nr", "Art", "Abs", "Kap", "Fig", "fig", "Vol", "vol", "Ch",
    "p", "pp", "Tel",
))  # fmt: skip
"""Abbreviations before a number; some are other words otherwise."""

_INSIDE = frozenset((
    "etc", "usw", "resp", "jr", "inc", "ltd", "corp", "dept", "a.m", "p.m",
))  # fmt: skip
"""Abbreviations that also end sentences, but seldom before a small letter."""

_MONTHS = frozenset((
    "Januar", "Jänner", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
    "Oktober", "November", "Dezember", "Jahrhundert", "Klasse", "Stock", "Bezirk", "Lebensjahr",
))  # fmt: skip
"""What follows a German ordinal, such as "3. Mai"."""

_SUBJECTS = frozenset((
    "i", "i'm", "i've", "i'd", "i'll", "my", "we", "we're", "our", "he", "he's", "his", "she",
    "she's", "her", "they", "they're", "their", "it", "it's", "its", "you", "you're", "your", "ich",
    "mein", "meine", "er", "sie", "es", "wir", "je", "mon", "ma", "il", "elle", "yo", "mi",
))  # fmt: skip
"""Words that begin a sentence behind an abbreviation, also where nobody writes capitals."""

_OPENERS = _SUBJECTS | frozenset((
    "mine", "the", "a", "an", "this", "that", "these", "those", "there", "here", "in", "on", "at",
    "by", "when", "while", "where", "as", "after", "before", "since", "until", "if", "but", "and",
    "or", "so", "because", "for", "to", "from", "with", "without", "also", "then", "now", "one",
    "most", "some", "many", "every", "each", "all", "both", "no", "not", "nor", "never", "always",
    "sometimes", "usually", "often", "please", "though", "although", "currently", "recently",
    "today", "besides", "despite", "what", "why", "how", "unser", "der", "die", "das", "ein",
    "eine", "mit", "wenn", "aber", "und", "mes", "nous", "mis", "él", "ella", "tengo", "soy",
    "vivo",
))  # fmt: skip
"""Words that begin a sentence if they have a capital."""

_KNOWN = frozenset(each.lower() for each in (*_NEVER_LAST, *_TITLES, *_BEFORE_FIGURES, *_INSIDE))
_LONGEST = 7
"""Characters of the longest abbreviation, with what may stand before it."""
_LAST_WORD = re.compile(r"(?:\b[^\W\d_]\.\s?)*[^\s(\[\"'“]+$")
_NEXT_WORD = re.compile(r"[\w']+")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]|Ph\.D")


EMPHASIS = re.compile(r"(?<=[.!?])[*_]+")
"""What closes emphasis behind a sentence, whose end `sentences` does not see then."""


def sentences_of_markdown(text: str) -> tuple[str, ...]:
    """Return the sentences of a text in which stretches may be emphasised with `*` and `_`."""
    return sentences(EMPHASIS.sub("", text))


@lru_cache(maxsize=1024)
def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of `text`, stripped and never empty; line breaks end them too."""
    text = text.strip()
    wide = not text.isascii() and _HAS_WIDE.search(text)
    pieces, start = [], 0
    for gap in (_WIDE_GAP if wide else _GAP).finditer(text):
        if wide and gap["mark"]:
            pieces.append(text[start : gap.end("mark")])
        elif _goes_on(text, gap.start(), gap.end()):
            continue
        else:
            pieces.append(text[start : gap.start()])
        start = gap.end()
    pieces.append(text[start:])
    return tuple(stripped for piece in pieces if (stripped := piece.strip()))


def finished(text: str) -> str:
    """Return `text` up to the end of its last finished sentence; empty if it has none."""
    for end in reversed([*_END.finditer(text)]):
        stop, last = end.start("closing"), end.end()
        apart = last == len(text) or text[last].isspace() or end["emoji"]
        line = text[text.rfind("\n", 0, stop) + 1 : stop]
        if not (apart or (end["wide"] and not end["closing"])) or _NUMBERED.fullmatch(line):
            continue
        if last > stop or not _goes_on(text, stop, len(text) - len(text[stop:].lstrip())):
            return text[:last]
    return ""


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether the full stop before a gap from `start` to `end` only abbreviates a word."""
    stop = start - 1
    begin = text.rfind(" ", 0, stop) + 1
    if stop - begin > _LONGEST or stop < 0 or text[stop] != "." or "\n" in text[start:end]:
        return False
    word = text[begin:stop].lstrip("([\"'").lower()
    if len(word) > 2 and "." not in word and word not in _KNOWN:
        return False
    last = _LAST_WORD.search(text, max(0, begin - _LONGEST), stop)
    following = _NEXT_WORD.match(text, end)
    if last is None or following is None or not text[start].isspace():
        return False
    word = re.sub(r"\s", "", last[0])
    return _abbreviates(word, following[0], initial=text[end + 1 : end + 2] == ".")


def _abbreviates(word: str, following: str, *, initial: bool) -> bool:
    """Whether `word` and its full stop stand inside a sentence that goes on with `following`.

    Args:
        word: the last word before the full stop, without it.
        following: the first word behind it.
        initial: whether that one is a letter with a full stop.
    """
    if word in _NEVER_LAST or word[:1].lower() + word[1:] in _NEVER_LAST:
        return True
    if initial and len(word) == 1 and word.isalpha() and word != "I":
        return True
    if following[0].isdigit():
        return word in _BEFORE_FIGURES
    if word.isdigit():
        return len(word) < 3 and following in _MONTHS
    if following[0].islower():
        joins = word.lower() in _INSIDE or (word.islower() and word.capitalize() in _TITLES)
        return following not in _SUBJECTS and (joins or bool(_INITIALS.fullmatch(word)))
    if following.lower() in _OPENERS and not initial:
        return False
    several = word not in _INSIDE and _INITIALS.fullmatch(word)
    return word in _TITLES or bool(several) or (len(word) == 1 and word.isupper() and word != "I")
