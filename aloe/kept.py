"""Objects made in Python that are used where settings have a name, such as functions and classes.

Settings are text, so each gets a name: its own and a hash of its source and of what it is made
with, such as a closure's variables (`aloe.models.fingerprint`). It stays the same when a script
creates the object again. The object itself is kept here, for this process.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from aloe.errors import ConfigError
from aloe.models.fingerprint import name_of, parts_of, source_of
from aloe.schema import digest
from aloe.signatures import check_call

KEPT = "instance:"
"""How the name of what is kept begins."""


class Kept(NamedTuple):
    """An object that is kept."""

    given: Any
    made_with: object
    """What its name does not spell out, as it was when it was kept."""


_kept: dict[str, Kept] = {}


def keep(called: str, parts: tuple[object, ...], given: Any, made_with: object) -> str:
    """Keep an object and return the name that stands for it.

    Args:
        called: how the name begins.
        parts: what it is a hash of.
        given: the object.
        made_with: what tells it from others that have the name.

    Raises:
        ConfigError: the name is that of another, which differs in what has no stable description.
    """
    name = f"{KEPT}{called}#{digest(*parts)[:8]}"
    before = _kept.get(name)
    if before and before.given is not given and before.made_with != made_with:
        raise ConfigError(
            f"two objects given in Python cannot be told apart ({name}): they differ only in what "
            "has no name, such as a client; make them with different texts or numbers as well, "
            "or pass the same object twice"
        )
    _kept[name] = Kept(given, made_with)
    return name


def keep_function(function: Callable[..., Any], kind: str = "scripts") -> str:
    """Keep a function, or a class or object in place of one, and return what stands for it.

    Args:
        function: what is called.
        kind: what it is to be, a key of `aloe.signatures.CALLS`; by default a model.

    Raises:
        ConfigError: it takes something else than it will be given, or the name is that of another,
            which differs in what has no stable description.
    """
    called = name_of(function)
    check_call(kind, called, function)
    for name, kept in _kept.items():  # what it is made with may change as it is called
        if kept.given is function or (inspect.ismethod(function) and kept.given == function):
            return name
    parts = parts_of(function)
    told = [repr(parts)] if parts else []
    return keep(called, (called, source_of(function), *told), function, parts)


def find_kept(name: str, instead: str) -> Any:
    """Return the object that a name stands for.

    Args:
        name: it begins with `KEPT`.
        instead: what else can be done, for the error.

    Raises:
        ConfigError: it was made in another process.
    """
    if name not in _kept:
        raise ConfigError(
            f"{name} was made in Python, in another process; run that script again, or {instead}"
        )
    return _kept[name].given
