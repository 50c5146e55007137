"""What changes when another model, or another server, is named for a role.

Server, key and options belong to a model, and a key to its server besides: none of them may follow
a role to a model that a flag names. How the role samples stays.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from aloe.config.models import PAID, ModelConfig
from aloe.config.sent_key import find_url, named_server
from aloe.models.model_string import ModelString


def change_model(
    before: ModelConfig,
    model: Any,
    base_url: str | None = None,
    *,
    known: Iterable[ModelConfig] = (),
) -> dict[str, Any]:
    """Return the keys of a role's model that change, with their new values.

    Args:
        before: the model that the role has.
        model: model string, chat model or function that takes its place; None keeps it.
        base_url: its server; None for that of the string or, of a known model, of its settings.
        known: models of the settings; one that is named again keeps its server, key and options.
    """
    found = next((m for m in (before, *known) if model is None or m.model == model), None)
    old = found or before
    text = model if isinstance(model, str) else old.model if model is None else "instance:"
    server = base_url or (found.base_url if found else None)
    options = found.options if found else {}
    new = old.model_copy(update={"model": text, "base_url": server, "options": options})
    same = has_same_server(old, new)
    return {
        "model": old.model if model is None else model,
        "base_url": server,
        "api_key_env": old.api_key_env if same else None,
        "options": options if same or not find_url(options) else {},
    }


def has_same_server(before: ModelConfig, after: ModelConfig) -> bool:
    """Whether the key of a model may follow to another: to the same server, or if none took it."""
    return _server(before) in (None, _server(after))


def _server(config: ModelConfig) -> str | None:
    """Return what a key of this model is for: a server or, if none is named, a provider.

    None: the model takes no key, so one beside it is meant for the model that a flag names.
    """
    if server := named_server(config):
        return server.rstrip("/")
    parts = ModelString.parse(config.model)
    if parts.provider not in PAID:
        return None
    return parts.provider if parts.provider == "openai" else str(parts)


def find_models(settings: Any) -> Iterator[ModelConfig]:
    """Yield every model within settings, whatever section it is in."""
    if isinstance(settings, ModelConfig):
        yield settings
    elif isinstance(settings, BaseModel):
        for name in type(settings).model_fields:
            yield from find_models(getattr(settings, name))
    elif isinstance(settings, dict | tuple | list):
        for each in settings.values() if isinstance(settings, dict) else settings:
            yield from find_models(each)
