"""Settings out of a file and into one.

`load` gives settings to act on; `read_stored` gives those of a run to compare with or to show, from
which nothing may be imported, opened or sent.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aloe.config.config import Config
from aloe.config.models import ModelConfig
from aloe.config.settings import COMMAND_LINE, change, section_at, validate
from aloe.config.training import without_length
from aloe.config.trust import check_trust, find_stored, remember_own
from aloe.errors import InputError
from aloe.files.writing import replace_text

NOT_UTF8 = "is not valid TOML: its text is not in UTF-8; save it as UTF-8"


def load(
    path: Path | None,
    *flags: Mapping[str, Any] | None,
    written: Mapping[str, Any] | None = None,
    source: str = COMMAND_LINE,
) -> Config:
    """Read settings from a TOML file (None: defaults), then apply others by dotted key, in order.

    A mapping given for a section changes what it names there and leaves the rest; another model
    named so, or with a dotted key, loses server, key and options of the one before, and another
    server its key. Those given beside it, in either way, go with it. Steps to be trained go where
    epochs are given, and the other way round.

    Args:
        path: TOML file, or None.
        flags: values by dotted key, such as `{"simulation.turns": 5}`, applied last; None values
            are skipped, so that what was not given leaves the ones before it as they are.
        written: the same of a mapping that the user wrote, applied first: None counts there, and
            switches off what it names.
        source: where they come from, for what an error says where there is no file.

    Raises:
        InputError: the file is missing or is not TOML (with the line).
        ConfigError: a key is unknown, a value does not fit, or they are the settings of a run that
            came from elsewhere and reach something (`aloe.config.trust`).
    """
    text = _read(path) if path else ""
    raw, named = _parse(path, text) if path else {}, path or source
    if path and (stored := find_stored(path)):
        check_trust(stored, text, validate(Config, raw, source=path))
    given: list[tuple[str, Any]] = []
    for level in map(spread, (written or {}, *map(_given, flags))):
        _forget_length(raw, level)
        for key, value in sorted(level.items(), key=_count_owners):
            change(raw, key, value, source=named, kind=Config)
            given.append((key, value))
    elsewhere = {key: source for name, value in given for key in _keys(name, value)}
    return validate(Config, raw, source=named, elsewhere=elsewhere)


def spread(*levels: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key, with what they give for a model key by key.

    So the order in which they are applied does not depend on how they were nested. What is given
    twice is what was given last; server, key and options written beside another value are left out.
    """
    found: dict[str, Any] = {}
    items = (item for level in levels for item in sorted(level.items(), key=_count_owners))
    for key, value in (
        each for item in items for each in sorted(_leaves(*item), key=_count_owners)
    ):
        before = found.pop(key, value)
        section, _, name = key.rpartition(".")
        named = before is not None or name != ModelConfig.short_for
        if before != value and named and section_at(Config, section) is ModelConfig:
            _forget_tied(found, section, name)
        found[key] = value
    return found


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a value, or those within it where it is a section."""
    if isinstance(value, Mapping) and value and section_at(Config, key):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield key, value


def _forget_tied(found: dict[str, Any], section: str, name: str) -> None:
    """Take out of `found` what belongs to the value of `name` in a model's section."""
    tied = {key for key, owners in ModelConfig.tied.items() if name in owners}
    for key in [*found]:
        if key.startswith(f"{section}.") and key.split(".")[section.count(".") + 1] in tied:
            del found[key]


def _given(flags: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (flags or {}).items() if value is not None}


def _forget_length(raw: dict[str, Any], level: Mapping[str, Any]) -> None:
    """Take how long is trained out of `raw` if one of the keys to come says that."""
    opening = "training.arguments."
    changes = {k.removeprefix(opening): v for k, v in level.items() if k.startswith(opening)}
    training = raw.get("training")
    if changes and isinstance(training, Mapping) and isinstance(training.get("arguments"), Mapping):
        kept = without_length(training["arguments"], changes)
        raw["training"] = {**training, "arguments": kept}


def _count_owners(item: tuple[str, Any]) -> int:
    """Return the place of a key of a model: after those that would drop what was there for it."""
    return max(len(ModelConfig.tied.get(part, ())) for part in item[0].split("."))


def _keys(name: str, value: Any) -> Iterator[str]:
    """Yield a dotted key and those within its value."""
    yield name
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _keys(f"{name}.{key}", inner)


def read_stored(path: Path) -> Config:
    """Return the settings of a run, to compare with or to show.

    Raises:
        InputError: the file is missing or is not TOML (with the line).
        ConfigError: a key is unknown or a value does not fit.
    """
    return read_with_text(path)[0]


def read_with_text(path: Path) -> tuple[Config, str]:
    """Return the settings of a run as `read_stored` does, and the text of their file."""
    text = _read(path)
    return validate(Config, _parse(path, text), source=path), text


def save(path: Path, config: Config) -> None:
    """Write the settings of a run, which may act when they are read again.

    Raises:
        StoreError: the file cannot be written.
    """
    text = config.toml()
    remember_own(text, config)
    replace_text(path, text)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except IsADirectoryError:
        raise InputError(path, "is a folder; name a file") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(path, NOT_UTF8) from None
    if "\0" in text:  # in UTF-16 without a mark, every other byte is
        raise InputError(path, NOT_UTF8)
    return text


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(path, f"is not valid TOML: {error}") from None
