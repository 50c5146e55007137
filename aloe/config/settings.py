"""What every section of the settings is: immutable, checked, and strict about its keys."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from aloe.errors import ConfigError


class Settings(BaseModel):
    """Base of every section: immutable, and unknown keys and numbers without end are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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
            change(raw, key, value, source=source, settings=self)
        return validate(type(self), raw, source=source)


S = TypeVar("S", bound=Settings)


def change(
    raw: dict[str, Any], key: str, value: Any, *, source: str | Path, settings: Any = None
) -> None:
    """Set one value in settings that are not checked yet.

    Args:
        raw: the settings, changed in place.
        key: name of the value, after the names of the sections around it and a dot each.
        value: what it becomes.
        source: where it comes from, for the error.
        settings: what `raw` was made of, if anything; tells its sections from its values.

    Raises:
        ConfigError: what should be a section is none.
    """
    name, _, rest = key.partition(".")
    known = settings.get(name) if isinstance(settings, dict) else getattr(settings, name, None)
    inside = {rest: value} if rest else value
    if not rest and not (isinstance(known, Settings) and isinstance(value, Mapping)):
        raw[name] = value
        return
    section = raw.setdefault(name, {})
    if not isinstance(section, dict):
        raise ConfigError(f"{source}: {name}: should be a section of settings")
    for each, inner in inside.items():
        change(section, each, inner, source=source, settings=known)


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
        source = (elsewhere or {}).get(key, source)
        if problem["type"] == "extra_forbidden":
            near = _suggestion(kind, key)
            raise ConfigError(f"{source}: unknown setting '{key}'{near}") from None
        message = problem["msg"].removeprefix("Value error, ")
        where = f"{source}: {key}" if key else source
        raise ConfigError(f"{where}: {message}") from None


def _suggestion(kind: type[Settings], key: str) -> str:
    known = list(_known_keys(kind))
    by_last = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = difflib.get_close_matches(key, known, n=1) or [
        by_last[name]
        for name in difflib.get_close_matches(key.rpartition(".")[2], list(by_last), n=1)
    ]
    return f"; did you mean '{near[0]}'?" if near else ""


def _known_keys(kind: type[Settings], prefix: str = "") -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield prefix + name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            yield from _known_keys(inner, f"{prefix}{name}.")
