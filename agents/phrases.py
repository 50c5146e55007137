"""Long lists of phrases in one pattern that can be searched quickly.

Python's `re` tries every alternative at every character. Nearly all of these phrases begin with a
word, so they are sorted by its first letter and tried only where a word begins with it. What is
found stays the same; of the longest lists, in a tenth of the time.
"""

import re
from collections.abc import Iterator
from string import ascii_letters, ascii_lowercase

CASES = {
    letter: letter
    + letter.upper()
    + {"i": "\u0130\u0131", "k": "\u212a", "s": "\u017f"}.get(letter, "")
    for letter in ascii_lowercase
}
"""By letter, the characters that it stands for where case is ignored."""
_OPTIONAL = tuple("?*{")


def any_of(*patterns: str) -> re.Pattern[str]:
    """Return a pattern that is found where one of `patterns` would be, whatever the case.

    It tells whether there is a match: which of several at one place is not decided by their order.
    """
    by_letter: dict[str, list[str]] = {}
    at_words, at_start, rest = list[str](), list[str](), list[str]()
    for phrase in _split("|".join(patterns)):
        anchor, inner = phrase[:2], phrase[2:]
        if anchor == r"\b" and (letters := _first_letters(inner)):
            for letter in letters:
                by_letter.setdefault(letter, []).append(inner)
        elif anchor in (r"\b", r"\A"):
            (at_words if anchor == r"\b" else at_start).append(inner)
        else:
            rest.append(phrase)
    lists = [rf"(?-i:(?=[{CASES[first]}]))(?:{'|'.join(by_letter[first])})" for first in by_letter]
    any_first = "".join(CASES[first] for first in by_letter)
    groups = [(rf"\b(?-i:(?=[{any_first}]))", lists), (r"\b", at_words), (r"\A", at_start)]
    found = [f"{anchor}(?:{'|'.join(inner)})" for anchor, inner in groups if inner]
    return re.compile("|".join((*found, *rest)), re.IGNORECASE)


def _first_letters(phrase: str) -> frozenset[str]:
    """Return the letters that a phrase can begin with; none where it can begin with others."""
    first, end = phrase[:1], 1
    found = frozenset(first.lower()) if first in ascii_letters else frozenset[str]()
    if phrase.startswith("(?:"):
        end = next(place for place, depth in _depths(phrase) if not depth) + 1
        each = [_first_letters(inner) for inner in _split(phrase[3 : end - 1])]
        found = frozenset[str]().union(*each) if all(each) else frozenset()
    return frozenset() if phrase.startswith(_OPTIONAL, end) else found


def _split(pattern: str) -> list[str]:
    """Return the alternatives of a pattern."""
    bars = [place for place, depth in _depths(pattern) if not depth and pattern[place] == "|"]
    starts, ends = [0, *(place + 1 for place in bars)], [*bars, len(pattern)]
    return [pattern[start:end] for start, end in zip(starts, ends, strict=True)]


def _depths(pattern: str) -> Iterator[tuple[int, int]]:
    """Yield each place that may hold syntax, with the groups that are open behind it."""
    depth, place, inside = 0, 0, re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
    while place < len(pattern):
        if skipped := inside.match(pattern, place):  # an escape, or a set of characters
            place = skipped.end()
            continue
        depth += {"(": 1, ")": -1}.get(pattern[place], 0)
        yield place, depth
        place += 1
