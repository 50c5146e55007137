"""Moods and styles of simulated users, drawn for each tree from its seed.

People are not all tidy writers who agree with themselves. `curt` and `chatty` are a sentence in the
user's prompt; `contradictory` and `typos` are rules, because small models do neither when told to.
Every second turn, a contradictory user takes back what the previous turn said; the ledger's check
reports it as contradicted. A user with typos swaps two adjacent letters in about one in six long
words, so nearly everything stays readable, and numbers and names keep their first letter.
"""

import random
import re
from collections.abc import Sequence

from aloe.agents.player import plays_by_rule
from aloe.config import Disclosing, Mood
from aloe.schema import Persona, derive_seed

MANNERS: dict[Mood, str] = {
    "curt": "The person writes as few words as possible.",
    "chatty": "The person likes to chat and strays from the point.",
}
"""Sentences added to the manner of the persona."""

TYPO_SHARE = 1 / 6
"""Share of the words of five letters and more that get a typo."""


def mood_of(moods: Sequence[Mood], tree: str) -> Mood | None:
    """Return the mood of the user in `tree`, None if there are none to choose from."""
    return random.Random(derive_seed("mood", tree)).choice(moods) if moods else None


def recorded_mood(
    persona: Persona, disclosure: Disclosing, moods: Sequence[Mood], tree: str
) -> Mood | None:
    """Return the mood that a tree records: none where a rule plays the user, which knows none."""
    return None if plays_by_rule(persona, disclosure) else mood_of(moods, tree)


def taken_back(statement: str) -> str:
    """Return a sentence that denies `statement`."""
    opening = statement if re.match(r"I\b", statement) else statement[0].lower() + statement[1:]
    return f"It is not true that {opening}"


def with_typos(text: str, seed: int) -> str:
    """Return `text` with neighbouring letters swapped inside some of its longer words."""
    rng = random.Random(seed)

    def spoilt(match: re.Match[str]) -> str:
        word = match[0]
        if rng.random() >= TYPO_SHARE:
            return word
        at = rng.randrange(1, len(word) - 2)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return re.sub(r"[^\W\d_]{5,}", spoilt, text)
