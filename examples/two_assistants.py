r"""Two assistants without a model, to try `aloe chat` in a second and to draw its picture.

    aloe chat --model scripted:aloe.examples.two_assistants:same \
        --beside scripted:aloe.examples.two_assistants:adapting

One always says the same; the other says what keeps most of the wishes that it was told, and asks
as long as it was told none.
"""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from aloe.memory.verifiable.hearing import find_heard
from aloe.memory.verifiable.scoring import measure_satisfaction

LONG = (
    "Great question! 🎉 You could make a lentil soup: red lentils, an onion, cumin, twenty "
    "minutes. Or fried rice! Yesterday's rice, two eggs, peas and soy sauce. Enjoy your dinner! 😋"
)
DRAFTS = (
    LONG,
    "Make lentil soup: fry an onion with cumin, add red lentils and water, cook until soft.",
    "Make lentil soup. Do you like it spicy?",
    "- Fry an onion with cumin.\n- Add red lentils and water.\n- Cook until soft.",
)
"""What can be said about dinner; which of them fits depends on who asks."""


def same(_messages: Sequence[BaseMessage], _arguments: dict[str, Any]) -> str:
    """Say the same to everybody."""
    return LONG


def adapting(messages: Sequence[BaseMessage], _arguments: dict[str, Any]) -> str:
    """Say what keeps most of the wishes that were told."""
    wishes: dict[str, str] = {}
    for each in messages:
        wishes |= find_heard(each.text) if each.type == "human" else {}
    if not wishes:
        return "Gladly. How would you like my answers: short or long, with lists or without?"
    return max(DRAFTS, key=lambda draft: measure_satisfaction(wishes, draft))
