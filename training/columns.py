"""What single columns of a row hold, each checked before anything is trained on it."""

import sys
from textwrap import shorten
from typing import Any

from aloe.schema import digest
from aloe.training.export import ChatMessage
from aloe.training.features import KINDS, fits
from aloe.training.messages import UnfitError

WORDS = {
    "profile": "a text",
    "personality": "a text",
    "preferences": "a list of pairs of texts",
    "revealed": "a list of texts",
    "facts": "a list of facts, each with id, kind and text",
}
"""What the columns that GRPO's rewards read have to be."""


TAKEN = frozenset((
    *("prompt", "prompts", "completion", "completions", "completion_ids", "tree", "schema_version"),
    *("trainer_state", "log_extra", "log_metric", "environment", "environments", "image", "images"),
))  # fmt: skip
"""Names of columns that are read otherwise, or that mean something to TRL's GRPO itself."""


def read_mark(value: Any) -> bool:
    """Return the `label` of a row of KTO.

    Raises:
        UnfitError: it is no truth value.
    """
    if not isinstance(value, bool):
        raise UnfitError(f"'label' is {show_value(value)}, neither true nor false")
    return value


def read_tree(columns: dict[str, Any], prompt: list[ChatMessage]) -> str:
    """Return the tree of a row: the one it names, or that of all rows that open like it.

    Raises:
        UnfitError: what it names is no name.
    """
    if "tree" not in columns:
        first = next(i for i, message in enumerate(prompt) if message["role"] == "user")
        return digest(prompt[: first + 1])
    tree = columns["tree"]
    if isinstance(tree, bool) or not isinstance(tree, str | int) or tree == "":
        raise UnfitError(f"'tree' is {show_value(tree)}, neither a name nor a whole number")
    return str(tree)


def read_number(
    columns: dict[str, Any], name: str, *, default: float, most: float = sys.float_info.max
) -> float:
    """Return a column that holds a finite number from 0 to `most`.

    Raises:
        UnfitError: it holds something else.
    """
    value = columns.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError(f"'{name}' is {show_value(value)}, not a number")
    if not 0 <= value <= most:  # which no NaN is
        limit = f"0 to {most:g}" if most < sys.float_info.max else "finite and not below 0"
        raise UnfitError(f"'{name}' is {show_value(value)}; it must be {limit}")
    return float(value)


def read_extra(columns: dict[str, Any], method: str) -> dict[str, Any]:
    """Return what a trainer reads beside messages and label.

    Raises:
        UnfitError: a column holds what it should not.
    """
    if method == "reward":
        return {"margin": read_number(columns, "margin", default=0.0)}
    if method != "grpo":
        return {}
    found = {name: columns[name] for name in WORDS if name in columns}
    for name, value in found.items():
        if not fits(KINDS[name], value):
            raise UnfitError(f"'{name}' is {show_value(value)}, not {WORDS[name]}")
    return found


def find_others(columns: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that only a reward of one's own can read."""
    return {name: value for name, value in columns.items() if name not in TAKEN | WORDS.keys()}


def show_value(value: Any) -> str:
    """Return a value as a message shows it, cut where it is long."""
    return shorten(repr(value), 40, placeholder="...")
