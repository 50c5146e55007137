"""Which key settings have sent to which server: read off before they are trusted, opening nothing.

See `aloe.models.key_server` for what an open model will send.
"""

from typing import Any, NamedTuple

from aloe.config.models import ModelConfig
from aloe.models.model_string import ModelString
from aloe.secrets import leaves, redact

OPENAI_KEY = "OPENAI_API_KEY"


class SentKey(NamedTuple):
    """A key and where it goes."""

    variable: str | None
    """The environment variable that holds it; None: one that the chat class chooses."""
    server: str | None
    """None: the provider's own."""

    def __str__(self) -> str:
        key = f"the key in {self.variable}" if self.variable else "a key"
        return f"{key} to {redact(self.server) if self.server else 'its provider'}"


def named_key(config: ModelConfig) -> SentKey | None:
    """Return the key that settings name, or a server that they have the usual key sent to.

    None where no key is sent, or OpenAI's to OpenAI.
    """
    server = named_server(config)
    if config.api_key_env and (server or config.api_key_env != OPENAI_KEY):
        return SentKey(config.api_key_env, server)
    at_openai = ModelString.parse(config.model).provider == "openai" and not base_url_in(config)
    return SentKey(OPENAI_KEY, server) if at_openai and server else None


def named_server(config: ModelConfig) -> str | None:
    """Return the server that settings name, in the model string, `base_url` or an option."""
    return base_url_in(config) or find_url(config.options)


def base_url_in(config: ModelConfig) -> str | None:
    """Return the URL that a model's settings or its string name; None if neither does."""
    return config.base_url or ModelString.parse(config.model).base_url


def find_url(options: Any) -> str | None:
    """Return the first URL within options, however deep."""
    texts = (value for _, value in leaves(options) if isinstance(value, str))
    return next((text for text in texts if "://" in text), None)
