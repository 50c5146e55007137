"""Which personality goes with which profile.

Pairs are drawn at random among those that do not contradict each other, and each description is
used once: no profile or personality occurs twice in a pool.
"""

import random
from collections import Counter
from collections.abc import Sequence, Set
from itertools import product

from aloe.memory.contradictions import find_contradictions, find_persons
from aloe.memory.descriptions import Description

NEWEST = 30
"""Descriptions of a kind that are looked at to name what keeps all apart."""


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
    profiles: Sequence[Description],
    personalities: Sequence[Description],
    rng: random.Random,
    *,
    tried: Set[str] = frozenset(),
) -> list[tuple[Description, Description]]:
    """Return pairs without contradiction, each description in at most one.

    Args:
        profiles: those that want a mate.
        personalities: those that can be one.
        rng: draws who is tried first.
        tried: ids of descriptions that all contradict each other, which need no second look.
    """
    left = list(personalities)
    rng.shuffle(left)
    fresh = [each for each in left if each.id not in tried]
    pairs = []
    for profile in profiles:
        among = fresh if profile.id in tried else left
        mate = next((p for p in among if not find_conflicts(profile.text, p.text)), None)
        if mate:
            left.remove(mate)
            if mate in fresh:
                fresh.remove(mate)
            pairs.append((profile, mate))
    return pairs


def name_conflicts(
    profiles: Sequence[Description], personalities: Sequence[Description]
) -> list[str]:
    """Return what the newest of descriptions that have no mate contradict each other about.

    What most pairs contradict each other about comes first.
    """
    newest = product(profiles[-NEWEST:], personalities[-NEWEST:])
    found = Counter(topic for pair in newest for topic in find_conflicts(*(p.text for p in pair)))
    return [topic for topic, _ in found.most_common()]
