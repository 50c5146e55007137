"""Where OpenAI is: what names no server means OpenAI's own, whatever the environment says.

OpenAI's SDK and LangChain would take another server from variables that settings, logs and the
names of calls do not show: two runs would mix two models, and a key would go where nobody sent it.
A variable that says otherwise is an error rather than ignored: whoever set it meant it.
"""

import os
from collections.abc import Iterator
from typing import Any

from aloe.errors import ConfigError
from aloe.secrets import redact

OPENAI = "https://api.openai.com/v1"

VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
"""Name another server to OpenAI's SDK, or to LangChain."""

GATEWAY = "LANGSMITH_GATEWAY"
"""Makes LangChain's classes send everything through LangSmith, or through the URL it holds."""

OFF = ("", "0", "no", "false")
"""What switches the gateway off."""


def openai_server(model: str) -> str:
    """Return the base URL of a model of OpenAI's own.

    Args:
        model: as its settings name it.

    Raises:
        ConfigError: a variable names another server.
    """
    for name, url in _named():
        raise ConfigError(
            f"{name} is set to {redact(url)}, but servers are named in settings alone: write "
            f"{redact(model)}@{redact(url)} to ask that one (api_key_env names its key), or unset "
            f"{name} to ask OpenAI"
        )
    refuse_gateway(model)
    return OPENAI


def refuse_gateway(model: str) -> None:
    """Make sure that LangChain sends nothing by way of LangSmith.

    Raises:
        ConfigError: a variable asks for it.
    """
    if os.environ.get(GATEWAY, "").lower() not in OFF:
        raise ConfigError(
            f"{GATEWAY} is set, which would send what {redact(model)} is asked by way of "
            f"another server: unset it, or name that server as the model's base_url"
        )


def refuse_servers_of_variables(model: str, chat: Any) -> None:
    """Make sure that a chat class on OpenAI's SDK has its server from settings.

    Raises:
        ConfigError: it has it from a variable.
    """
    asked = str(getattr(getattr(chat, "root_async_client", None), "base_url", "")).rstrip("/")
    for name, url in _named():
        if asked == url.rstrip("/"):
            raise ConfigError(
                f"{name} would have {redact(model)} ask {redact(url)}: name that server in the "
                f"model's base_url, or unset {name}"
            )


def _named() -> Iterator[tuple[str, str]]:
    """Yield the variables that name another server, and what they say."""
    for name in VARIABLES:
        url = os.environ.get(name, "").strip()
        if url and url.rstrip("/") != OPENAI:
            yield name, url
