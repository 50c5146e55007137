"""All settings are written to disk, so none holds a secret, or a number that no file can hold."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from pydantic import BaseModel

from aloe.secrets import has_secret_url, refuse_secrets


def refuse_unstorable(section: BaseModel, key: str = "") -> None:
    """Make sure that no URL in settings, and nothing in a table of free arguments, is a secret.

    Nor is a number NaN or infinite.

    Args:
        section: of the settings.
        key: its dotted name and a dot; empty for all settings.

    Raises:
        ValueError: naming the key, never its value.
    """
    fields = type(section).model_fields
    for name, value in section:  # the arguments of a role are no fields
        _refuse_within(value, key + name)
        if name in fields and fields[name].annotation == dict[str, Any]:
            refuse_secrets(key + name, value)


def _refuse_within(value: Any, key: str) -> None:
    if isinstance(value, BaseModel):
        refuse_unstorable(value, f"{key}.")
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
    elif isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{key}: {value} is not a finite number")
