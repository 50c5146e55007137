"""No section of the settings holds a secret, since all of them are written to disk."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from aloe.secrets import has_secret_url, refuse_secrets


def refuse_stored_secrets(section: BaseModel, key: str = "") -> None:
    """Make sure that no URL in settings, and nothing in a table of free arguments, is a secret.

    Args:
        section: of the settings.
        key: its dotted name and a dot; empty for all settings.

    Raises:
        ValueError: naming the key, never its value.
    """
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        _refuse_within(value, key + name)
        if field.annotation == dict[str, Any]:
            refuse_secrets(key + name, value)


def _refuse_within(value: Any, key: str) -> None:
    if isinstance(value, BaseModel):
        refuse_stored_secrets(value, f"{key}.")
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _refuse_within(inner, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_within(inner, key)
    elif isinstance(value, str) and has_secret_url(value):
        raise ValueError(
            f"{key}: a URL must not hold a user, password or key; settings are written to disk"
        )
