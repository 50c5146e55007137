"""Which personality goes with which profile, and which pairs contradict each other.

Two texts that are fine by themselves can make an impossible person: she in one and he in the
other, "I live alone" and "my wife decides", a mute who "talks in long sentences". Claims that
exclude each other are written down as pairs of patterns; that finds what can be seen in the words,
and no more. Pairs are made at random among those that do not contradict, and each description is
used once, so no life and no temper returns.
"""

import random
import re
from collections.abc import Sequence

from memory.descriptions import Description
from memory.validation import persons, stated_ages

_LIKE = r"\b(?:like|love|enjoy|want|prefer) (?:\w+ )?"
_DISLIKE = r"\b(?:hate|dislike|detest|skip|lose patience with) (?:\w+ )?"

_CLAIMS: dict[str, tuple[str, str]] = {
    "household": (
        r"\bI live (?:alone|by myself|on my own)\b",
        r"\bI (?:live|share) .*\bwith (?:my|two|three|four|five|six)\b",
    ),
    "marriage": (
        r"\bI (?:have )?never (?:been )?married\b|\bI am single\b",
        r"\bmy (?:wife|husband)\b",
    ),
    "children": (
        r"\bI have no (?:children|kids)\b|\bI am childless\b",
        r"\bmy (?:son|daughter|children|kids|grand\w+)\b",
    ),
    "work": (
        r"\bI (?:am|have been) (?:unemployed|out of work)\b|\bI (?:am )?retired\b",
        r"\bI work (?:as|at|for|in)\b|\bmy boss\b",
    ),
    "smoking": (r"\bI (?:have )?never smoked?\b", r"\bI smoke\b"),
    "alcohol": (
        r"\bI (?:do not|don't|never) drink\b",
        r"\bI (?:brew|drink) (?:\w+ )?(?:beer|wine|whisky)\b",
    ),
    "meat": (
        r"\bI am (?:a )?vegetarian\b|\bI eat no meat\b",
        r"\bI (?:eat|grill|hunt|butcher) (?:\w+ )?(?:meat|beef|pork|deer)\b",
    ),
    "reading": (
        r"\bI (?:cannot|can't|never learned to) read\b",
        r"\bI read (?:novels|books|newspapers|every)\b",
    ),
    "speech": (
        r"\bI (?:cannot|can't) speak\b|\bI am mute\b",
        r"\bI talk (?:loudly|without)\b|\bI shout\b",
    ),
    "patience": (
        r"\bI am patient\b|\bI never lose patience\b",
        r"\bI am impatient\b|\bI lose patience\b",
    ),
    "long answers": (_LIKE + r"long (?:answers|replies)", _DISLIKE + r"long (?:answers|replies)"),
    "lists": (_LIKE + r"(?:lists|bullet)", _DISLIKE + r"(?:lists|bullet)"),
    "emoji": (_LIKE + r"emoji", _DISLIKE + r"emoji"),
    "jokes": (_LIKE + r"(?:jokes|humou?r)", _DISLIKE + r"(?:jokes|humou?r)"),
}
"""By topic, two claims of which one person can make only one."""

_PATTERNS = {
    topic: tuple(re.compile(claim, re.IGNORECASE) for claim in claims)
    for topic, claims in _CLAIMS.items()
}


def contradictions(profile: str, personality: str) -> tuple[str, ...]:
    """Return what a persona of these two texts would contradict itself about."""
    text = f"{profile} {personality}"
    found = [
        topic
        for topic, patterns in _PATTERNS.items()
        if all(pattern.search(text) for pattern in patterns)
    ]
    who = [persons(each) for each in (profile, personality)]
    if all(who) and len(who[0] | who[1]) > 1:
        found.append("pronouns")
    if len(stated_ages(text)) > 1:
        found.append("age")
    return tuple(found)


def paired(
    profiles: Sequence[Description], personalities: Sequence[Description], rng: random.Random
) -> list[tuple[Description, Description]]:
    """Return pairs without contradiction, each description in at most one."""
    left = list(personalities)
    rng.shuffle(left)
    pairs = []
    for profile in profiles:
        mate = next((p for p in left if not contradictions(profile.text, p.text)), None)
        if mate:
            left.remove(mate)
            pairs.append((profile, mate))
    return pairs
