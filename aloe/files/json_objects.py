"""JSON out of a file, and JSON objects as models write them when no server enforces a schema.

The latter come in code fences and between sentences, with single quotes, bare keys, stray commas or
comments. YAML accepts nearly all of that and every JSON object, so anything that is not JSON is
parsed as YAML.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

MOST = 20_000
"""Characters of an object that is no JSON; reading more as YAML would take seconds."""

_COMMENT = re.compile(r"(?m)(?<=[,{\s])//.*$")


def read_object(text: str) -> dict[str, Any] | None:
    """Return the object in a text, its keys as text; None if there is none, or more than one."""
    start, end = text.find("{"), text.rfind("}")
    written = text[start : end + 1]
    if start < 0 or not written:
        return None
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        found = _as_yaml(written)
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else None


def load_json(path: Path) -> Any:
    """Return what a file of JSON holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None


def _as_yaml(written: str) -> Any:
    if len(written) > MOST:
        return None
    try:
        return yaml.safe_load(_COMMENT.sub("", written))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        return None
