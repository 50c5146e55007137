"""Keys of models: which variable holds one, and whether what it holds can be sent."""

import os

from aloe.config import ModelConfig
from aloe.errors import ConfigError


def key_variable(config: ModelConfig, *, at_openai: bool) -> str | None:
    """Return the environment variable that has to hold a key for a model; None if it needs none."""
    return config.api_key_env or ("OPENAI_API_KEY" if at_openai else None)


def read_key(variable: str) -> str:
    """Return the key in an environment variable; empty if there is none.

    Raises:
        ConfigError: no header can hold it, so that it would be the client that fails, with an error
            about something else; the key is not named.
    """
    key = os.environ.get(variable, "")
    if key != key.strip() or not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"the environment variable {variable} holds a key with a line end, a space around it "
            "or a character that no key has (a .env file with Windows line ends?); set it again"
        )
    return key
