"""Which personality goes with which profile.

Pairs are drawn at random among those that do not contradict each other, and each description is
used once: no profile or personality occurs twice in a pool.
"""

import random
from collections.abc import Sequence

from aloe.memory.contradictions import find_contradictions, find_persons
from aloe.memory.descriptions import Description


def find_conflicts(profile: str, personality: str) -> tuple[str, ...]:
    """Return what a persona of these two texts would contradict itself about.

    A text in the first person goes with one in the third: both can be about the same person.
    """
    found = find_contradictions(profile, personality)
    one, other = (find_persons(each) - {"I"} for each in (profile, personality))
    if one and other and len(one | other) > 1:
        found = (*found, "pronouns")
    return found


def pair_descriptions(
    profiles: Sequence[Description], personalities: Sequence[Description], rng: random.Random
) -> list[tuple[Description, Description]]:
    """Return pairs without contradiction, each description in at most one."""
    left = list(personalities)
    rng.shuffle(left)
    pairs = []
    for profile in profiles:
        mate = next((p for p in left if not find_conflicts(profile.text, p.text)), None)
        if mate:
            left.remove(mate)
            pairs.append((profile, mate))
    return pairs
