"""Options of a model that are fields of its requests, in tables of their own."""

from collections.abc import Iterator, Mapping
from typing import Any

from aloe.errors import ConfigError
from aloe.models.model_string import CLASSES, ModelString
from aloe.secrets import redact

CARRIED = ("model_kwargs", "extra_body")
"""Those options, as LangChain calls them; of a field that is in both, the last counts."""

NAMES_OF_MODEL = ("model", "model_name")


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
