"""The log-probabilities of a reply's first word, as servers really send them.

Their format is not trusted: anything that is not a log-probability is skipped, and a listing whose
probabilities add up to more than 1 is discarded. Either costs no more than the odds of this one
reply, because its text can still be read.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aloe.control_characters import encodable

FLOOR = math.log(1e-9)
"""Least log-probability that differs from 0: servers put -9999 and the like where they know no
better, and a margin made from that would outweigh everything that was measured."""

ROUNDING = 1e-3
"""How far above 0 rounding may lift a log-probability, in nats."""

SURPLUS = 0.05
"""How far above 1 rounding may lift the sum of a listing's probabilities."""

Option = tuple[str, float]
"""A token and its log-probability."""

_BLANKS = str.maketrans("ĠĊ▁", " \n ")
"""How vocabularies write blanks; some servers send tokens as they stand there."""


def clip(value: object) -> float | None:
    """Return a log-probability within `FLOOR`..0; None if `value` cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not value <= ROUNDING:  # neither is NaN
        return None
    return min(float(max(value, FLOOR)), 0.0)


def keep_usable(logprobs: Mapping[str, Any]) -> dict[str, float]:
    """Return the usable log-probabilities, within `FLOOR`..0; empty if they add up to over 1."""
    found = {t: value for t, given in logprobs.items() if (value := clip(given)) is not None}
    return found if total(found.values()) <= 1 + SURPLUS else {}


def first_word(raw: Any) -> dict[str, float] | None:
    """Return what a reply could have begun with: log-probabilities by token, stripped of blanks.

    Read at the first place whose token has a letter or a digit, for an answer may come behind a
    bracket or a line break. Tokens that differ in blanks alone are added up. Where a server lists
    no alternatives, the token itself is all there is.

    Args:
        raw: `logprobs` of a choice in an OpenAI-compatible answer, of whatever shape.

    Returns:
        None if nothing of it can be used.
    """
    first: list[Option] = []
    for place in _items(raw.get("content") if isinstance(raw, dict) else None):
        options = _options(place)
        if not options:
            break
        first = first or options
        if re.search(r"[^\W_]", options[0][0]):
            return _added_up(options)
    return _added_up(first)


def total(logprobs: Iterable[float]) -> float:
    """Return the sum of the probabilities."""
    return sum(map(math.exp, logprobs))


def add_up(logprobs: Sequence[float]) -> float:
    """Return the logarithm of the sum of the probabilities, at most 0."""
    return logprobs[0] if len(logprobs) == 1 else min(math.log(total(logprobs)), 0.0)


def _added_up(options: list[Option]) -> dict[str, float] | None:
    found: dict[str, list[float]] = {}
    for token, value in dict.fromkeys(options):  # some list the token that was chosen twice
        found.setdefault(token.strip(), []).append(value)
    return keep_usable({token: add_up(values) for token, values in found.items()}) or None


def _options(place: Any) -> list[Option]:
    """Return what could have stood at a place; the first is what does."""
    listed = place.get("top_logprobs") if isinstance(place, dict) else None
    if isinstance(listed, dict):
        listed = [{"token": token, "logprob": value} for token, value in listed.items()]
    others = sorted(_usable(_items(listed)), key=lambda option: -option[1])
    own = next(_usable([place]), None)
    if own is None:
        return others
    # What is listed counts: the token's own log-probability may be one after temperature.
    return [next((option for option in others if option[0] == own[0]), own), *others]


def _usable(entries: Iterable[Any]) -> Iterator[Option]:
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(token := entry.get("token"), str):
            continue
        if (value := clip(entry.get("logprob"))) is not None:
            yield encodable(token.translate(_BLANKS)), value


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
