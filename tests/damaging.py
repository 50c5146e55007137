"""Damage to what a file holds, as kills, editors and strangers do it; and how it must be read."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aloe.errors import AloeError, InputError

ODD: tuple[Any, ...] = (
    None, True, -1, 10**9, 10**400, 0.5, float("nan"), float("inf"), "", "x", [], {}, [[]],
    {"a": {}},
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where anything stands in a JSON value."""
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def damage(value: Any, rng: random.Random) -> Any:
    """Return a copy with one thing dropped, swapped, retyped, repointed, nested or doubled."""
    damaged = json.loads(json.dumps(value))
    *way, key = rng.choice(list(places(damaged)))
    at = damaged
    for step in way:
        at = at[step]
    kind = rng.choice(["drop", "swap", "retype", "nest", "double"])
    if kind == "drop":
        del at[key]
    elif kind == "swap":
        *other_way, other = rng.choice(list(places(damaged)))
        there = damaged
        for step in other_way:
            there = there[step]
        at[key] = json.loads(json.dumps(there[other]))
    elif kind == "retype":
        at[key] = rng.choice(ODD)
    elif kind == "nest":
        for _ in range(rng.choice((1, 2000))):
            at[key] = [at[key]]
    elif isinstance(at, list):
        at.insert(key, at[key])
    else:
        at[f"{key}2"] = at[key]
    return damaged


def nested(text: Callable[[], str]) -> str:
    try:
        return text()
    except RecursionError:
        return "[" * 3000


def read_or_refuse(read: Callable[[], list[Any]]) -> list[Any]:
    """Return what is read; nothing where the one line of the file is refused by its number."""
    found: list[Any] = []
    try:
        found = read()
    except InputError as error:
        said = str(error)
        if ":1: " not in said or "\n" in said:
            raise
    return found


@contextmanager
def used_or_refused(path: Path) -> Iterator[None]:
    """Let what is done inside pass, or be refused in one line that names the file."""
    try:
        yield
    except AloeError as error:
        if str(path) not in str(error) or "\n" in str(error):
            raise AssertionError(f"refused without its place: {error}") from error
