"""What a function or an object is made of, as far as that is the same from run to run.

Addresses, clients and locks are not: they are described by their type and compared as they are, so
that two things that differ in nothing else can be told to be two.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import PurePath
from types import CodeType
from typing import Any

from pydantic import BaseModel

from aloe.signatures import read_source

PLAIN = (str, int, float, bool, bytes, type(None), PurePath)


@dataclass(frozen=True, eq=False)
class Opaque:
    """Something that only its type describes."""

    value: Any

    def __repr__(self) -> str:
        return type(self.value).__qualname__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Opaque) or type(self.value) is not type(other.value):
            return False
        try:
            return self.value is other.value or bool(self.value == other.value)
        except Exception:  # somebody else's comparison, of arrays say
            return False


def describe(value: Any, around: tuple[int, ...] = ()) -> Any:
    """Return nested tuples that are equal, and print alike, for what is made alike.

    Args:
        value: a function, another callable, or what one is made with.
        around: ids of what `value` is within; there it is not entered again.
    """
    if isinstance(value, PLAIN):
        return value
    if id(value) in around:
        return "itself"
    inner = functools.partial(describe, around=(*around, id(value)))
    if isinstance(value, Mapping):
        return ("map", *sorted(((inner(k), inner(v)) for k, v in value.items()), key=repr))
    if isinstance(value, list | tuple):
        return tuple(map(inner, value))
    if isinstance(value, set | frozenset):
        return ("set", *sorted(map(inner, value), key=repr))
    if isinstance(value, type):
        return ("class", value.__qualname__, source_of(value))
    if isinstance(value, CodeType):
        return (inner(value.co_consts), value.co_names)
    if isinstance(value, BaseModel):
        return (type(value).__qualname__, inner(fields_of(value)))
    if callable(value):
        return (name_of(value), source_of(value), *parts_of(value, inner))
    return (type(value).__qualname__, inner(vars(value))) if is_dataclass(value) else Opaque(value)


def parts_of(
    function: Callable[..., Any], describe: Callable[[Any], Any] = describe
) -> tuple[Any, ...]:
    """Return what a callable is made with beside its source; nothing for a plain function."""
    if isinstance(function, functools.partial):
        return _told(describe, (function.func, function.args, function.keywords))
    if inspect.ismethod(function):
        return _told(describe, (function.__func__, _made_with(function.__self__)))
    if not inspect.isroutine(function):
        return _told(describe, (type(function).__call__, _made_with(function)))
    cells = getattr(function, "__closure__", None) or ()
    given = getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)
    # Lambdas may share a line, and what is typed into a console has none.
    unread = name_of(function).endswith("<lambda>") or not source_of(function)
    code = getattr(function, "__code__", None) if unread else None
    return _told(describe, (tuple(map(_content, cells)), *given, code))


def _told(describe: Callable[[Any], Any], parts: Iterable[Any]) -> tuple[Any, ...]:
    """Return descriptions, or nothing if there is nothing to describe."""
    told = tuple(map(describe, parts))
    return told if any(each is not None and each != () for each in told) else ()


def _made_with(owner: Any) -> Any:
    """Return what an object holds; a class or a model is described as it is."""
    if isinstance(owner, type | BaseModel):
        return owner
    slots = getattr(type(owner), "__slots__", ())
    return getattr(owner, "__dict__", {name: getattr(owner, name, None) for name in slots})


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def fields_of(model: BaseModel) -> dict[str, Any]:
    """Return what a model was given; fields that it leaves out of its own copies are clients."""
    kinds = type(model).model_fields
    return {name: value for name, value in model if not (name in kinds and kinds[name].exclude)}


def name_of(function: Callable[..., Any]) -> str:
    """Return what a callable is called, or its class."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def source_of(function: Any) -> str:
    """Return the source of a function or class; empty if it has none that can be read."""
    found = read_source(function)
    return "".join(found[0]) if found else ""
