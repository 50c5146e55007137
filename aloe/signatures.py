"""What a plug-in is called with, held against what it takes, before anything runs.

Python says so at the first call only, and in a run that comes after models were opened and paid.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, Signature
from tokenize import TokenError
from typing import Any

from aloe.errors import ConfigError, suggest


@dataclass(frozen=True, kw_only=True)
class ExpectedCall:
    """How the program calls plug-ins of a kind."""

    noun: str
    given: tuple[str, ...]
    """What it is called with, in this order."""
    returns: str
    by_name: bool = False
    """Whether all that is given by keyword, and more with it."""
    waits: bool = False
    """Whether it may be a coroutine function."""
    yields: bool = False
    """Whether it may be a generator function."""
    arguments: str = ""
    """Where settings hold what it is made with (a class) or called with as well (a function);
    empty: it takes nothing from settings."""
    beside: tuple[str, ...] = ()
    """Settings that stand at the same place, for what may have been meant."""

    def __str__(self) -> str:
        """Return it as its author would write it."""
        more = ("**columns",) if self.by_name else ()
        return f"({', '.join((*self.given, *more))}) -> {self.returns}"


CALLS = {
    "roles": ExpectedCall(
        noun="role", given=("exchange", "model"), returns="note or Update", waits=True,
        arguments="beside `use`", beside=("use", "before", "after", "among", "model"),
    ),
    "judges": ExpectedCall(
        noun="judge", given=("comparison", "model"), returns="margin or None", waits=True,
        arguments="under `options`",
    ),
    "expansions": ExpectedCall(
        noun="expansion", given=("candidates", "verdicts", "rng"), returns="ids to continue",
        yields=True,
    ),
    "validators": ExpectedCall(noun="validator", given=("description",), returns="reason or None"),
    "exporters": ExpectedCall(
        noun="exporter", given=("tree", "skipped"), returns="rows", yields=True
    ),
    "metrics": ExpectedCall(noun="metric", given=("row", "tree"), returns="number or None"),
    "rewards": ExpectedCall(
        noun="reward", given=("prompts", "completions"), returns="a number for each completion",
        by_name=True, waits=True,
    ),
    "scripts": ExpectedCall(
        noun="function in place of a model", given=("messages", "arguments"), returns="the reply",
        waits=True,
    ),
}  # fmt: skip
"""By kind: those that can be entry points, and two that only have a MODULE:NAME."""


def check_call(
    kind: str, name: str, target: Any, arguments: Mapping[str, Any] | None = None
) -> None:
    """Make sure that a plug-in can be called as it will be.

    Args:
        kind: a key of `CALLS`.
        name: what settings call it.
        target: the class, function or other object.
        arguments: what settings give it; None: they are not known yet.

    Raises:
        ConfigError: saying what is expected and what was found, with file and line.
    """
    call = CALLS[kind]
    what = f"{call.noun} '{name}'"
    if not callable(target):
        raise ConfigError(
            f"{what} is a {type(target).__name__}, neither a class nor a function; "
            f"{_expected(call)}"
        )
    if inspect.isclass(target) and not call.arguments:
        raise ConfigError(
            f"{what} is a class ({defined_in(target)}); name a function, or an instance that was "
            f"made in its module; {_expected(call)}"
        )
    played = _played(target)
    streams = inspect.isasyncgenfunction(played)
    if not call.yields and (streams or inspect.isgeneratorfunction(played)):
        raise ConfigError(
            f"{what} yields ({defined_in(target)}), but what it returns is read: return it instead "
            f"({call.returns})"
        )
    if not call.waits and is_async(target):
        raise ConfigError(f"{what} is async ({defined_in(target)}), but it is called without await")
    if not inspect.isclass(target):
        _check_given(what, call, target, target)
        _check_arguments(what, call, target, arguments, skip=len(call.given))
        return
    if not any("__call__" in vars(each) for each in target.__mro__):
        raise ConfigError(
            f"{what} is a class without __call__ ({defined_in(target)}); "
            f"{_expected(call, method=True)}"
        )
    _check_given(what, call, partial(target.__call__, None), target)
    _check_arguments(what, call, target, arguments, skip=0)


def _check_given(what: str, call: ExpectedCall, played: Callable[..., Any], target: Any) -> None:
    """Make sure that `played` takes what every call gives it."""
    if (signature := _signature(played)) is None:
        return
    method = inspect.isclass(target)
    room = [None] * len(call.given)
    try:
        if call.by_name:
            signature.bind(**dict.fromkeys((*call.given, "another_column")))
        elif call.arguments and not method:
            signature.bind_partial(*room)
        else:
            signature.bind(*room)
    except TypeError:
        raise ConfigError(
            f"{what} takes {_written(signature)} ({defined_in(target)}); "
            f"{_expected(call, method=method)}"
        ) from None


def _check_arguments(
    what: str,
    call: ExpectedCall,
    made: Callable[..., Any],
    given: Mapping[str, Any] | None,
    *,
    skip: int,
) -> None:
    """Make sure that `made` takes what settings give it, and is given what it needs."""
    signature = _signature(made)
    if signature is None or given is None or not call.arguments:
        return
    every = list(signature.parameters.values())
    placed = [each for each in every if each.kind in _PLACED][:skip]
    own = [each for each in every if each not in placed]
    takes_all = any(each.kind is Parameter.VAR_KEYWORD for each in own)
    by_name = {p.name: p for p in own if p.kind not in _NAMELESS}
    for name in given:
        if name not in by_name and not takes_all:
            there = f"it has {', '.join(by_name) or 'none'}"
            hint = suggest(name, [*by_name, *call.beside], there)
            raise ConfigError(f"{what} has no argument '{name}' ({defined_in(made)}){hint}")
    for name, each in by_name.items():
        if each.default is Parameter.empty and name not in given:
            raise ConfigError(
                f"{what} needs the argument '{name}' ({defined_in(made)}); set it {call.arguments}"
            )


_PLACED = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NAMELESS = (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def _expected(call: ExpectedCall, *, method: bool = False) -> str:
    """Return what a plug-in of a kind looks like."""
    if method:
        given = ", ".join(("self", *call.given))
        return f"expected is __call__({given}) -> {call.returns}"
    return f"expected is {call}"


def _signature(target: Callable[..., Any]) -> Signature | None:
    """Return what something takes; None if it does not say, as code that is not Python's."""
    try:
        return inspect.signature(target)
    except (TypeError, ValueError):
        return None


def _written(signature: Signature) -> str:
    """Return parameters by name, without types and defaults."""
    stars: dict[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
    names = [stars.get(each.kind, "") + each.name for each in signature.parameters.values()]
    return f"({', '.join(names)})"


def unwrapped(target: Any) -> Any:
    """Return what a `functools.partial` calls; anything else as it is."""
    return unwrapped(target.func) if isinstance(target, partial) else target


def is_async(target: Any) -> bool:
    """Whether calling it begins what has to be awaited, as far as that can be told before."""
    played = _played(target)
    return inspect.iscoroutinefunction(played) or inspect.isasyncgenfunction(played)


def _played(target: Any) -> Any:
    """Return the function that a call runs."""
    target = unwrapped(target)
    return target if inspect.isroutine(target) else getattr(target, "__call__", target)  # noqa: B004


def read_source(target: Any) -> tuple[list[str], int] | None:
    """Return the lines of a function or class and the number of the first; None if there are none.

    What was typed into a console has none, nor has what is built in, or was made from a text that
    is not that of the file it names.
    """
    try:
        return inspect.getsourcelines(target)
    except (OSError, TypeError, SyntaxError, TokenError):
        return None


def written(target: Any) -> Any:
    """Return what somebody wrote of a target: a class or a function itself, an object's class."""
    return target if inspect.isclass(target) or inspect.isroutine(target) else type(target)


def defined_in(target: Any) -> str:
    """Return file and line where the user wrote a class, a function, or the class of an object."""
    target = written(unwrapped(inspect.unwrap(target)))
    if found := read_source(target):
        return f"{inspect.getfile(target)}:{found[1]}"
    if code := getattr(inspect.unwrap(target), "__code__", None):
        return f"{code.co_filename}:{code.co_firstlineno}"
    return f"{target.__module__}.{target.__qualname__}"
