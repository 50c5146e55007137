"""The exact judge of a verifiable persona: the share of its wishes that a reply keeps.

Of two replies the one with the larger share is the better, and equal shares are a tie.
"""

from aloe.memory.verifiable.catalogue import Wishes, find_wish


def check_wishes(wishes: Wishes, reply: str) -> dict[str, bool]:
    """Return for each wish whether `reply` keeps it; an empty reply keeps none."""
    said = bool(reply.strip())
    return {name: said and find_wish(name, value).kept(reply) for name, value in wishes.items()}


def measure_satisfaction(wishes: Wishes, reply: str) -> float:
    """Return the share of wishes that `reply` keeps, in [0, 1]; an empty reply keeps none."""
    kept = check_wishes(wishes, reply)
    return sum(kept.values()) / len(kept) if kept else float(bool(reply.strip()))
