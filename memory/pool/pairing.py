"""Which personality goes with which profile.

Pairs are made at random among those that do not contradict each other, and each description is
used once: no life and no temper returns in a pool.
"""

import random
from collections.abc import Sequence

from aloe.memory.contradictions import contradictions, persons
from aloe.memory.descriptions import Description


def conflicts(profile: str, personality: str) -> tuple[str, ...]:
    """Return what a persona of these two texts would contradict itself about."""
    found = contradictions(profile, personality)
    who = [persons(each) for each in (profile, personality)]
    if all(who) and len(who[0] | who[1]) > 1:
        found = (*found, "pronouns")
    return found


def paired(
    profiles: Sequence[Description], personalities: Sequence[Description], rng: random.Random
) -> list[tuple[Description, Description]]:
    """Return pairs without contradiction, each description in at most one."""
    left = list(personalities)
    rng.shuffle(left)
    pairs = []
    for profile in profiles:
        mate = next((p for p in left if not conflicts(profile.text, p.text)), None)
        if mate:
            left.remove(mate)
            pairs.append((profile, mate))
    return pairs
