"""Which of a persona's wishes its messages give away."""

from collections.abc import Collection

from aloe.memory.verifiable.phrases import find_stated
from aloe.schema import Persona


def find_revealed(persona: Persona, texts: Collection[str]) -> dict[str, str]:
    """Return the wishes of the persona that the user's messages state, in whatever words."""
    stated = [find_stated(text) for text in texts]
    return {
        name: value
        for name, value in persona.preferences.items()
        if any(each.get(name) == value for each in stated)
    }
