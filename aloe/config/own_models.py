"""What settings in a call from Python say of single models, beside the one that the call names.

A role whose model they name is left alone. Server, key and options that they give without a model
go with the model that the call names: they were written beside it, not for the one it replaces.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from aloe.config.config import Config
from aloe.config.model_change import change_model, find_models, has_same_server
from aloe.config.models import ModelConfig
from aloe.config.sent_key import named_server
from aloe.errors import ConfigError
from aloe.models.model_string import ModelString

M = TypeVar("M", bound=ModelConfig)


def with_model_beside(
    config: Config, model: Any, base_url: str | None, settings: Mapping[str, Any]
) -> Config:
    """Return a copy in which a role uses `model` unless `settings` name one for it.

    Args:
        config: all settings, with `settings` in them.
        model: model string, chat model or function.
        base_url: its server; see `Config.with_model`.
        settings: values by dotted key, mappings for sections, or both.

    Raises:
        ConfigError: a server or a key cannot be used.
    """
    everywhere, models = config.with_model(model, base_url, source="arguments"), config.models
    single = {f"models.{name}": getattr(models, name) for name in type(models).model_fields}
    single |= {f"roles.{name}.model": role.model for name, role in config.roles.items()}
    found: dict[str, Any] = {}
    for name, before in single.items():
        if isinstance(before, ModelConfig) and (given := given_for(settings, name)):
            source = f"settings: {name}"
            found[name] = name_beside(config, before, given, model, base_url, source=source)
    lists = given_for(settings, "models")
    for name in ("assistants", "panel"):
        items = [_as_mapping(each) for each in lists.get(name) or ()]
        if any(names_model(each) or each.keys() & ModelConfig.tied for each in items):
            pairs = zip(getattr(models, name), items, strict=True)
            found[f"models.{name}"] = [
                name_beside(
                    config, before, given, model, base_url, source=f"settings: models.{name}"
                )
                for before, given in pairs
            ]
    return everywhere.updated(found, source="settings")


def given_for(settings: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Return what `settings` give a section, however they are nested, by key within it."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if key == section:
            found |= _as_mapping(value)
        elif key.startswith(f"{section}."):
            found[key.removeprefix(f"{section}.")] = value
        elif section.startswith(f"{key}.") and isinstance(value, Mapping):
            found |= given_for(value, section.removeprefix(f"{key}."))
    return found


def names_model(given: Mapping[str, Any]) -> bool:
    """Whether what is given for a role names its model."""
    return given.get("model") is not None


def name_beside(
    config: Config,
    before: M,
    given: Mapping[str, Any],
    model: Any,
    base_url: str | None = None,
    *,
    source: str,
) -> M:
    """Return the model of a role where a call names `model` and settings give `given` for the role.

    Args:
        config: all settings.
        before: the role's model in them.
        given: what the settings in the call give for it, by key.
        model: the model that the call names.
        base_url: its server.
        source: where this comes from, for what an error says.

    Raises:
        ConfigError: a server or a key cannot be used, or `base_url` might be meant for a model
            that the settings name.
    """
    if names_model(given):
        if base_url and "base_url" not in given and _is_unserved(before):
            raise ConfigError(
                f"{source}: names '{before.model}' without a server, and base_url= is that of "
                "model= alone; give its base_url there, too (None: OpenAI's own)"
            )
        return before
    change = change_model(before, model, base_url, known=find_models(config))
    return _give(before.updated(change, source=source), given, source)


def _is_unserved(model: ModelConfig) -> bool:
    """Whether a model would be asked for at OpenAI itself, as no server is named."""
    return named_server(model) is None and ModelString.parse(model.model).provider == "openai"


def _give(model: M, given: Mapping[str, Any], source: str) -> M:
    """Return a model with the server, key and options given; a key of its own goes nowhere else."""
    tied = {k: value for k, value in given.items() if k.partition(".")[0] in ModelConfig.tied}
    change = change_model(model, None, tied.get("base_url"))
    new = model.updated({**change, **tied}, source=source)
    if "api_key_env" in tied or has_same_server(model, new):
        return new
    return new.updated({"api_key_env": None}, source=source)


def _as_mapping(given: Any) -> Mapping[str, Any]:
    """Return what stands for a model as its section; a value alone is its model."""
    return given if isinstance(given, Mapping) else {"model": given}
