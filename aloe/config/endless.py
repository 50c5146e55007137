"""Numbers without end in tables of free arguments, where no field has a type that refuses them."""

from collections.abc import Mapping
from math import isfinite
from typing import Any


def refuse_endless(values: Any, key: str = "") -> None:
    """Make sure that settings hold no NaN and no infinity, which neither files nor requests can.

    Args:
        values: of the settings.
        key: their dotted name; empty for all settings.

    Raises:
        ValueError: naming the key.
    """
    if isinstance(values, Mapping):
        for name, inner in values.items():
            refuse_endless(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list | tuple):
        for inner in values:
            refuse_endless(inner, key)
    elif isinstance(values, float) and not isfinite(values):
        raise ValueError(f"{key}: {values} is not a finite number")
