"""Whether words before a phrase turn what it says around, as in "Don't give me an example".

Phrases are found inside of what people write, so a phrase may be the end of a sentence that says
something else. Only the clause that ends in the phrase tells. "Don't" and "never" before a request
make it the opposite wish, and "Don't forget to" leaves it as it is; behind any other "not" it is no
wish at all: nothing is guessed.
"""

import re
from typing import Literal

_REACH = 300
"""Characters before a phrase that are looked at."""

Lead = Literal["states", "forbids", "unclear"]
"""What the words before a phrase make of it."""

_BREAK = re.compile(
    r"[.!?;:,\u2026\u2013\u2014()\"]+(?=\s|\Z)|\b(?:but|so|because|then)\b(?! that\b)"
)
"""Ends a clause."""
_AND = re.compile(r"\band\b")
_NOT = re.compile(r"\b(?:not|never|no|nor|nobody|cannot|without|dont|stop|avoid)\b|n't\b")
_DONT = r"(?:do not|don't|dont|never)"
_FORBIDS = re.compile(
    rf"\A(?:(?:and|also|now|please|just) )*(?:you )?{_DONT} (?:(?:ever|please|just|again) )*\Z"
)
_ASKS = re.compile(
    rf"(?:{_DONT} (?:forget|fail|hesitate|neglect) to|\bwhy (?:not|do not you|don't you)"
    r"|\b(?:ca|could|would|wo)n't you|\Ayou (?:still |again )*(?:never|don't|didn't|forgot)"
    r"|\Ano) \Z"
)


def read_lead(before: str, phrase: str) -> Lead:
    """Return what the words before a phrase make of it.

    Args:
        before: all that stands before it, in small letters, with straight apostrophes and single
            blanks.
        phrase: in small letters.
    """
    clause = _last(_BREAK, before[-_REACH:])
    if phrase.startswith(("i ", "i'")):  # a statement of its own begins behind "and" too
        clause = _last(_AND, clause)
    if not _NOT.search(clause) or _ASKS.search(clause):
        return "states"
    return "forbids" if _FORBIDS.search(clause) else "unclear"


def _last(end: re.Pattern[str], text: str) -> str:
    """Return the words behind the last end of a clause."""
    return end.split(text)[-1].lstrip()
