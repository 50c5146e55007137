"""What every section of the settings is: immutable, checked, and strict about its keys."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from aloe.errors import ConfigError


class Settings(BaseModel):
    """Base of every section: immutable, and unknown keys and numbers without end are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    short_for: ClassVar[str | None] = None
    """The key that is meant where one value stands for the whole section; None: nothing can."""
    tied: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Keys that belong to the values of others: they go where another is named without them."""

    def updated(self, changes: Mapping[str, Any], *, source: str | Path) -> Self:
        """Return a copy with other values, checked like those of a file.

        Args:
            changes: values by key. A key with dots reaches into a section, as
                `models.judge.model` does; a mapping given for a section changes what it names
                there and leaves the rest. Everything else is replaced whole.
            source: where the values come from, for the error.

        Raises:
            ConfigError: naming `source`, the key, what was wrong and the nearest known key.
        """
        raw = self.model_dump()
        for key, value in changes.items():
            change(raw, key, value, source=source, kind=type(self))
        single = [key for key, value in changes.items() if not isinstance(value, Mapping)]
        return validate(type(self), raw, source=source, elsewhere=dict.fromkeys(single, source))


S = TypeVar("S", bound=Settings)

COMMAND_LINE = "command line"
"""Where the values of flags come from."""

FLAGS = {
    "personas.target": "count",
    "simulation.rollouts.count": "rollouts",
    "training.arguments.num_train_epochs": "epochs",
}
"""Flags that are not called like the last part of the key of their setting."""

BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def name_flag(key: str) -> str:
    """Return the flag that sets the setting at a dotted key."""
    return "--" + FLAGS.get(key, key.rpartition(".")[2]).replace("_", "-")


def change(
    raw: dict[str, Any], key: str, value: Any, *, source: str | Path, kind: Any = None
) -> None:
    """Set one value in settings that are not checked yet.

    A mapping given for a section changes what it names there and leaves the rest.

    Args:
        raw: the settings, changed in place.
        key: name of the value, after the names of the sections around it and a dot each.
        value: what it becomes.
        source: where it comes from, for the error.
        kind: the section that `raw` is to be, or a table of sections; tells its sections from its
            values.

    Raises:
        ConfigError: what should be a section is none.
    """
    name, _, rest = key.partition(".")
    inner = _inner_kind(kind, name)
    merged = _is_section(inner) and isinstance(value, Mapping)
    if not (rest or merged):
        raw[name] = value
        return
    section = _opened(raw.get(name), inner)
    if section is None:
        raise ConfigError(f"{source}: {name}: should be a section of settings")
    changes = {rest: value} if rest else value
    raw[name] = _without_tied(section, changes, inner) if _is_section(inner) else section
    for each, new in changes.items():
        change(raw[name], str(each), new, source=source, kind=inner)


def _without_tied(
    section: dict[str, Any], changes: Mapping[str, Any], kind: type[Settings]
) -> dict[str, Any]:
    """Return `section` without what belongs to a value that `changes` put another in place of."""
    other = {key for key, value in changes.items() if value != section.get(key)}
    if changes.get(kind.short_for or "") is None:
        other.discard(kind.short_for or "")
    return {key: v for key, v in section.items() if other.isdisjoint(kind.tied.get(key, ()))}


def _opened(raw: Any, kind: Any) -> dict[str, Any] | None:
    """Return a copy of what stands for a section, to be changed; None if that cannot be one."""
    if isinstance(raw, Settings):
        return raw.model_dump()
    if raw is None or isinstance(raw, Mapping):
        return dict(raw or {})
    return {kind.short_for: raw} if _is_section(kind) and kind.short_for else None


def section_at(kind: Any, key: str) -> type[Settings] | None:
    """Return the section at a dotted key; None if there is none."""
    for name in key.split("."):
        kind = _inner_kind(kind, name)
    return kind if _is_section(kind) else None


def _inner_kind(kind: Any, name: str) -> Any:
    """Return the section, or the table of sections, at `name` in a section or table; else None."""
    inner = None
    if get_origin(kind) is dict:
        inner = get_args(kind)[1]
    elif _is_section(kind) and name in kind.model_fields:
        inner = kind.model_fields[name].annotation
    found = (each for each in _alternatives(inner) if _is_section(each) or get_origin(each) is dict)
    return next(found, None)


def _alternatives(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _alternatives(each)
    else:
        yield get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)


def validate(
    kind: type[S],
    raw: Mapping[str, Any],
    *,
    source: str | Path,
    elsewhere: Mapping[str, str | Path] | None = None,
) -> S:
    """Build settings from `raw`.

    Args:
        kind: the section.
        raw: what is given.
        source: where it comes from, for the error.
        elsewhere: the same for some of its dotted keys, which come from somewhere else.

    Raises:
        ConfigError: naming the source, the key, what was wrong and the nearest known key.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            key = _extended(kind, key, problem["input"])
        named = (elsewhere or {}).get(key)
        source = named or source
        if problem["type"] == "extra_forbidden":
            near = _suggestion(kind, key)
            raise ConfigError(f"{source}: unknown setting '{key}'{near}") from None
        where = f"{source}: {key}" if key else source
        if named == COMMAND_LINE:
            where = name_flag(key)
        if problem["type"] == "literal_error":
            choices = problem["ctx"]["expected"].replace("'", "")
            raise ConfigError(f"{where} is {choices}, not {problem['input']!r}") from None
        bounds = [f"{BOUNDS[k]} {v:g}" for k, v in problem.get("ctx", {}).items() if k in BOUNDS]
        message = bounds[0] if bounds else problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}: {message}") from None


def find_setting(kind: type[Settings], name: str) -> str | None:
    """Return the dotted key whose last part is `name`; None if none is, or several are."""
    found = [key for key in _known_keys(kind) if key.rpartition(".")[2] == name]
    return found[0] if len(found) == 1 else None


def _extended(kind: type[Settings], key: str, given: Any) -> str:
    """Return an unknown key with the only one within its value, if that tells what was meant."""
    if not (isinstance(given, Mapping) and len(given) == 1):
        return key
    (inner,) = map(str, given)
    whole = f"{key}.{inner}"
    near = difflib.get_close_matches(whole, list(_known_keys(kind)), n=1, cutoff=0.8)
    return whole if near or find_setting(kind, inner) else key


def _suggestion(kind: type[Settings], key: str) -> str:
    last = key.rpartition(".")[2]
    if same := find_setting(kind, last):
        return f"; did you mean '{same}'?"
    known = list(_known_keys(kind))
    by_last = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = difflib.get_close_matches(key, known, n=1) or [
        by_last[name] for name in difflib.get_close_matches(last, list(by_last), n=1)
    ]
    return f"; did you mean '{near[0]}'?" if near else ""


def _known_keys(kind: type[Settings], prefix: str = "") -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield prefix + name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            yield from _known_keys(inner, f"{prefix}{name}.")
