"""Say to which server a key goes, before it goes there.

The open chat model is looked at, not its settings: its class may take a key, or a server, from
variables of its own.
"""

from collections.abc import Iterable, Iterator
from functools import cache

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from aloe.config import ModelConfig
from aloe.config.sent_key import OPENAI_KEY, SentKey, named_server
from aloe.console import say
from aloe.models.model_string import ModelString
from aloe.models.openai_server import OPENAI

NO_KEY = "none"
"""What is sent in the place of a key to a server that needs none."""
HERE = ("local", "hf", "scripted", "instance")
"""Providers whose models are in this process, or were made in it."""


def announce_keys(models: Iterable[tuple[ModelConfig, BaseChatModel]]) -> None:
    """Say once which keys go to servers that are not their provider's own.

    Args:
        models: settings and chat model of each.
    """
    for sent in dict.fromkeys(found for each in models for found in _sent_keys(*each)):
        _announce(sent)


@cache
def _announce(sent: SentKey) -> None:
    say(f"sending {sent}")


def _sent_keys(config: ModelConfig, chat: BaseChatModel) -> Iterator[SentKey]:
    """Yield the key that a model sends to a server that is not its provider's own, if it does."""
    provider = ModelString.parse(config.model).provider
    if provider in HERE or not _holds_key(chat):
        return
    variable = config.api_key_env or (OPENAI_KEY if provider == "openai" else None)
    actual = getattr(chat, "base_url", None) or getattr(chat, "openai_api_base", None)
    server = named_server(config) or (str(actual) if actual else None)
    if server and server.rstrip("/") != OPENAI:
        yield SentKey(variable, server)


def _holds_key(chat: BaseChatModel) -> bool:
    values = (getattr(chat, name, None) for name in type(chat).model_fields)
    return any(
        isinstance(value, SecretStr) and value.get_secret_value() not in ("", NO_KEY)
        for value in values
    )
