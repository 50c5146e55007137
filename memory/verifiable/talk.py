"""How the user of a verifiable persona puts into words what it says.

Nothing is said twice in a conversation in the same words: every wish has several phrases, and once
all of them were said, words that own up to the repetition stand before one.
"""

import random
from collections.abc import Collection, Sequence

from aloe.config import Phrases
from aloe.memory.verifiable.manners import find_manners
from aloe.memory.verifiable.phrases import find_remarks, find_stated, find_traits
from aloe.schema import Persona


def find_revealed(persona: Persona, texts: Collection[str]) -> dict[str, str]:
    """Return the wishes of the persona that the user's messages state, in whatever words."""
    stated = [find_stated(text) for text in texts]
    return {
        name: value
        for name, value in persona.preferences.items()
        if any(each.get(name) == value for each in stated)
    }


def state_wish(name: str, value: str, half: Phrases, said: str, seed: int) -> str:
    """Return how the user says what it wants.

    Args:
        name: a dimension.
        value: the wanted value.
        half: of the phrases.
        said: all that the user said before.
        seed: the same seed gives the same words.
    """
    return say_anew(find_traits(name, value, half), half, said, seed)


def remark_on(name: str, value: str, half: Phrases, said: str, seed: int) -> str:
    """Return what the user says when a reply breaks a wish; the arguments are `state_wish`'s."""
    return say_anew(find_remarks(name, value, half), half, said, seed)


def say_again(name: str, value: str, half: Phrases, said: str, seed: int) -> str:
    """Return how the user says that it told a wish before; the arguments are `state_wish`'s."""
    phrases = find_traits(name, value, half)
    fresh = tuple(each for each in phrases if each not in said) or phrases
    return say_anew(_behind_openings(fresh, half), half, said, seed)


def say_anew(phrases: Sequence[str], half: Phrases, said: str, seed: int) -> str:
    """Return one of the phrases that was not said before; if all were, behind an opening.

    Where even all of those were said, one is said again.
    """
    drawn = random.Random(seed)
    if fresh := [each for each in phrases if each not in said]:
        return drawn.choice(fresh)
    opened = _behind_openings(phrases, half)
    return drawn.choice([each for each in opened if each not in said] or opened)


def _behind_openings(phrases: Sequence[str], half: Phrases) -> tuple[str, ...]:
    openings = find_manners("again", half)
    return tuple(f"{opening} {phrase}" for opening in openings for phrase in phrases)
