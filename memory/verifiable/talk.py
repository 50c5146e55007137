"""What the user of a verifiable persona says about replies, so that its wishes come to light."""

from collections.abc import Collection

from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.scoring import check_wishes
from aloe.schema import Persona


def find_revealed(persona: Persona, texts: Collection[str]) -> dict[str, str]:
    """Return the wishes that the user's messages state, as a trait or as a remark."""
    said = "\n".join(texts)
    return {
        name: value
        for name, value in persona.preferences.items()
        if (each := find_wish(name, value)).trait in said or each.remark in said
    }


def react(persona: Persona, texts: Collection[str], reply: str | None) -> str:
    """Return what the user says about replies now.

    A wish that `reply` breaks comes first, as a remark, whether it was said before or not; then
    the wishes not yet said, one a message, in the persona's order. Nothing is left to say once
    all are said and kept.

    Args:
        persona: a verifiable persona.
        texts: the user's messages so far.
        reply: what the user reacts to; None opens the conversation.
    """
    revealed = find_revealed(persona, texts)
    unsaid = [name for name in persona.preferences if name not in revealed]
    if reply is not None:
        broken = [
            name for name, fine in check_wishes(persona.preferences, reply).items() if not fine
        ]
        if broken:
            name = next((each for each in broken if each in unsaid), broken[0])
            return find_wish(name, persona.preferences[name]).remark
    return find_wish(unsaid[0], persona.preferences[unsaid[0]]).trait if unsaid else ""
