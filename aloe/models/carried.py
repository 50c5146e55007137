"""Options of a model that are fields of its requests, in tables of their own."""

from collections.abc import Iterator, Mapping
from typing import Any

from aloe.errors import ConfigError
from aloe.models.model_string import CLASSES, ModelString
from aloe.models.rejections import canonical
from aloe.secrets import redact

CARRIED = ("model_kwargs", "extra_body")
"""Those options, as LangChain calls them; of a field that is in both, the last counts."""

NAMES_OF_MODEL = ("model", "model_name")


def part_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of a chat class among options, and the fields of its requests."""
    tables = {name: options[name] for name in CARRIED if isinstance(options.get(name), Mapping)}
    arguments = {name: value for name, value in options.items() if name not in tables}
    return arguments, {name: value for each in tables.values() for name, value in each.items()}


def with_options(sampling: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of every request: a role's sampling settings, and over them the options.

    They win under any name of a setting; of two tables each keeps what the other lacks, so that a
    template is still told not to think. What is an argument of the chat class, that sends itself.
    """
    arguments, fields = part_options(options)
    given = {canonical(name) for name in fields}
    kept = {name: value for name, value in sampling.items() if name not in arguments}
    tables = {
        name: {**kept[name], **value}
        for name, value in fields.items()
        if isinstance(value, Mapping) and isinstance(kept.get(name), Mapping)
    }
    plain = {name: value for name, value in kept.items() if canonical(name) not in given}
    return {**plain, **fields, **tables}


def refuse_other_models(model: ModelString, options: Mapping[str, Any]) -> None:
    """Make sure that options ask for no other model than the one that calls are named after.

    Raises:
        ConfigError: they do.
    """
    for key in _names_of_model(model, options):
        raise ConfigError(
            f"{redact(str(model))}: options.{key} would ask another model under the name and price "
            f"of this one; leave it out and name that model in {_home(model)}"
        )


def _names_of_model(model: ModelString, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options that name a model where none is looked for."""
    if model.provider not in CLASSES:
        yield from (name for name in NAMES_OF_MODEL if name in options)
    for table in CARRIED:
        fields = options.get(table)
        if isinstance(fields, Mapping):
            yield from (f"{table}.{name}" for name in NAMES_OF_MODEL if name in fields)


def _home(model: ModelString) -> str:
    return "options.model" if model.provider in CLASSES else f"the setting: {model.provider}:NAME"
