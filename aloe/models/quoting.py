"""What of a server's error only repeats the request.

A content filter quotes what it objects to, and a gateway the prompt it failed on. What a persona
says about money, waiting or the size of things is then no statement of the server's.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

RUN = 4
"""Words in a row that are taken for a repetition; a shorter text is one as a whole."""

READ = 100_000
"""Characters of one text of an error; the rest is left out."""

DEEP = 20
"""Levels of an error that are read."""

_WORD = re.compile(r"\w+")


def without_quotes(said: Any, sent: Sequence[tuple[str, str]]) -> Any:
    """Return what a server said, an object or a text, without what it repeats of the messages."""
    runs = {run for _, text in sent for run in _runs(_WORD.findall(text.casefold()))}
    return _without(said, runs) if runs else said


def _runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    length = min(RUN, len(words))
    if length > 1:  # a single word may well be a parameter's name
        for start in range(len(words) - length + 1):
            yield tuple(words[start : start + length])


def _without(said: Any, runs: set[tuple[str, ...]], deep: int = DEEP) -> Any:
    if not deep:
        return None
    if isinstance(said, dict):
        return {name: _without(value, runs, deep - 1) for name, value in said.items()}
    if isinstance(said, list):
        return [_without(value, runs, deep - 1) for value in said]
    return _blanked(said[:READ], runs) if isinstance(said, str) else said


def _blanked(text: str, runs: set[tuple[str, ...]]) -> str:
    places = list(_WORD.finditer(text))
    words = [place[0].casefold() for place in places]
    kept, end = [], 0
    for start in range(len(words)):
        for length in range(2, RUN + 1):
            if tuple(words[start : start + length]) in runs:
                kept.append(text[end : places[start].start()])
                end = max(end, places[min(start + length, len(words)) - 1].end())
    return "".join([*kept, text[end:]])
