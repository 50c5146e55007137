"""LangChain's chat classes, found by name, and what each calls its settings."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

from aloe.errors import ConfigError
from aloe.plugins import import_named

COMMUNITY = "langchain_community.chat_models"
"""The package of the classes that `community:` names."""


def chat_class(name: str) -> Callable[..., BaseChatModel]:
    """Import the chat class that `PACKAGE:CLASS` names.

    Raises:
        ConfigError: the package is not installed, or has no such chat model.
    """
    package = name.partition(":")[0].partition(".")[0]
    kind = import_named(
        name, f"chat model {name} cannot be found; pip install {package.replace('_', '-')}"
    )
    if not (isinstance(kind, type) and issubclass(kind, BaseChatModel)):
        raise ConfigError(f"{name} is not a LangChain chat model")
    return kind


NAMES = {
    "max_tokens": ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict",
                   "max_new_tokens"),
    "timeout": ("timeout", "request_timeout", "default_request_timeout"),
}  # fmt: skip
"""Fields by which chat classes know a setting, where they know it by several."""


def by_field(
    kind: Callable[..., BaseChatModel], settings: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield settings under the names of the fields that a chat class has for them."""
    known: dict[str, Any] = getattr(kind, "model_fields", {})
    for name, value in settings.items():
        for other in NAMES.get(name, (name,)):
            if other in known or any(each.alias == other for each in known.values()):
                yield other, value
                break


def is_openai(kind: type | Callable[..., BaseChatModel]) -> bool:
    """Whether a chat class speaks OpenAI's protocol, as AzureChatOpenAI does."""
    base = getattr(sys.modules.get("langchain_openai.chat_models.base"), "BaseChatOpenAI", None)
    return base is not None and isinstance(kind, type) and issubclass(kind, base)


OPENAI_FIELDS = frozenset((
    "temperature", "top_p", "frequency_penalty", "seed", "response_format", "logprobs",
    "top_logprobs", "max_completion_tokens", "reasoning_effort",
))  # fmt: skip
"""Parameters that the openai client has an argument for; others go into `extra_body`."""


def place(chat: BaseChatModel, fields: Mapping[str, Any]) -> tuple[BaseChatModel, dict[str, Any]]:
    """Return a chat model on OpenAI's SDK and the arguments of a call of it that carry `fields`.

    Its own limit of tokens is left out: it is among the fields, if it is to be sent, and LangChain
    would send it under another name beside that. Fields that an instance was made with give way to
    those of a call, though the client would have them win over its arguments.
    """
    named = {name: value for name, value in fields.items() if name in OPENAI_FIELDS}
    body = {name: value for name, value in fields.items() if name not in OPENAI_FIELDS}
    own = getattr(chat, "extra_body", None) or {}
    if own or body:
        kept = {name: value for name, value in own.items() if name not in named}
        named["extra_body"] = {**kept, **body}
    if getattr(chat, "max_tokens", None):
        chat = chat.model_copy(update={"max_tokens": None})
    return chat, named


def renamed_limit(chat: BaseChatModel) -> str | None:
    """Return what `max_tokens` is to be called for a chat model on OpenAI's SDK; None: that.

    OpenAI and Azure want the new name. Of other servers some pass over it without a word, and
    write on without a limit.
    """
    from openai import AsyncAzureOpenAI

    client = getattr(chat, "root_async_client", None)
    host = urlsplit(str(getattr(client, "base_url", ""))).hostname or ""
    theirs = f".{host}".endswith(".api.openai.com") or isinstance(client, AsyncAzureOpenAI)
    responses = getattr(chat, "use_responses_api", None)  # LangChain renames it for that API
    return "max_completion_tokens" if theirs or responses else None
