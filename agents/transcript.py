"""A path of a tree as the messages a model reads."""

from collections.abc import Sequence

from aloe.models.open import Message
from aloe.schema import Node

Turns = Sequence[Node]
"""Nodes from the opening message down, user and assistant by turns."""


def chat_messages(path: Turns) -> list[Message]:
    """Return the path as the deployed assistant sees it: no hints, no instructions."""
    return [(node.role, node.content) for node in path]


def as_text(path: Turns) -> str:
    """Return the path as lines a judge can read; an empty path is said to be one."""
    lines = [f"{'User' if n.role == 'user' else 'Assistant'}: {n.content}" for n in path]
    return "\n".join(lines) or "(nothing yet)"
