"""What is wrong with a reply itself, in the words of an export that leaves it out."""

from aloe.schema import Node
from aloe.wording import visible

MIND_READING = "mind-reading reply"
"""The reason where a reply uses what its user had not told."""


def describe_flaw(reply: Node) -> str | None:
    """Return what is wrong with a reply; None if nothing is."""
    if reply.faults:
        return f"{reply.faults[0]} reply"
    if not visible(reply.content):
        return "empty reply"
    return MIND_READING if reply.role == "assistant" and reply.mind_reading else None
