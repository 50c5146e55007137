"""What users of verifiable personas say beside their wishes: openings, shrugs, and impatience.

None of it states a wish. Like the phrases for wishes it comes in two halves, so that a model that
was trained on the one can be tested on the other.
"""

from collections.abc import Mapping
from typing import Literal

from aloe.config import Phrases
from aloe.schema import sentences

Manner = Literal["again", "indifferent", "presses"]
"""`again`: words before something that was said already. `indifferent`: an answer to a question
about something that the user does not care about. `presses`: asks for the answer after replies that
only asked."""

_SAID: Mapping[Manner, Mapping[Phrases, tuple[str, ...]]] = {
    "again": {
        "train": (
            "As I said:",
            "I mentioned this already:",
            "We have been over this:",
            "Once more, then:",
            "It is still the same:",
            "I can only repeat myself:",
        ),
        "test": (
            "Like I told you:",
            "That has not changed:",
            "I thought I had told you:",
            "Same as before:",
            "To say it a second time:",
            "You have heard this from me:",
        ),
    },
    "indifferent": {
        "train": (
            "I don't mind either way.",
            "That makes no difference to me.",
            "Whatever you like, I am easy about that.",
            "No preference there.",
            "I really do not care about that one.",
            "Do that as you see fit.",
        ),
        "test": (
            "It's all the same to me.",
            "I have no strong feelings about it.",
            "Up to you.",
            "That part hardly matters to me.",
            "Either is fine by me.",
            "Honestly, I never gave that any thought.",
        ),
    },
    "presses": {
        "train": (
            "You keep asking. What is your answer?",
            "Can we get to what I wanted to know?",
            "That is enough about me, I would like the answer now.",
            "I came here with a question of my own, remember?",
            "Please get to the point.",
            "And what about the thing I asked?",
        ),
        "test": (
            "Before you ask more: what do you say to my question?",
            "Will you help me or only interview me?",
            "I am still waiting for an answer.",
            "Let us leave me out of it and turn to what I asked.",
            "So, what should I do?",
            "Never mind the details, go ahead and answer.",
        ),
    },
}


ASIDES = frozenset(
    sentence
    for manner in ("indifferent", "presses")
    for texts in _SAID[manner].values()
    for text in texts
    for sentence in sentences(text)
)
"""Sentences that tell nothing of the user."""


def find_manners(manner: Manner, half: Phrases) -> tuple[str, ...]:
    """Return the ways of one half in which a user does something."""
    return _SAID[manner][half]
