"""Which fields of a record hold something: other tools write the empty ones, too."""

from collections.abc import Mapping
from typing import Any


def list_held(fields: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that hold something; 0 and false are something."""
    return [name for name, value in fields.items() if value not in (None, "", [], {})]
