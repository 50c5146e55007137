"""The wishes of a tree's user in the user's own words, and which of them each reply keeps."""

from collections.abc import Callable, Collection, Mapping

from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.hearing import find_heard
from aloe.memory.verifiable.phrases import find_stated
from aloe.memory.verifiable.scoring import check_wishes
from aloe.schema import Persona, Tree, UserNode
from aloe.verdict import is_human
from aloe.views.wishes import CheckedWish, Wishes


def check_replies(tree: Tree, persona_at: Callable[[int], Persona] | None = None) -> Wishes:
    """Return what users say of wishes and what each reply keeps; nothing if none is checkable.

    Args:
        tree: any tree.
        persona_at: who the user is at a turn, from 1; None: who they were in the tree.
    """
    others = (user.played for user in tree.users if user.played)
    stated = {user.id: _find_stated_in_quotes(user) for user in tree.users}
    if not any(persona.preferences for persona in (tree.persona, *others)):
        return Wishes(words={user.id: _find_own_words(user) for user in tree.users}, stated=stated)
    words: dict[str, Mapping[str, str]] = {}
    told, checked, spoken = dict[str, dict[str, str]](), {}, {}
    for node in tree.nodes:  # parents stand before their children
        before = told.get(node.parent or "", {})
        persona = persona_at(node.turn) if persona_at else tree.played(node.id)
        if persona.id not in words:
            words[persona.id] = find_words(persona)
        own = words[persona.id]
        if node.role == "user":
            told[node.id], spoken[node.id] = before | _find_wishes(node, node.content), own
            continue
        told[node.id] = before
        if not (wanted := persona.preferences):
            continue
        checked[node.id] = [
            CheckedWish(
                name=name,
                words=own[name],
                kept=kept,
                told=before.get(name) == wanted[name],
            )
            for name, kept in check_wishes(wanted, node.content).items()
        ]
    return Wishes(words=spoken, stated=stated, checked=checked)


def _find_stated_in_quotes(user: UserNode) -> Mapping[str, Collection[str]]:
    quotes = (each.quote for each in user.revealed if each.fact is None)
    return {quote: _find_wishes(user, quote).keys() for quote in quotes} if user.told else {}


def _find_own_words(user: UserNode) -> Mapping[str, str]:
    """Return the wishes that a message states, in the words of the catalogue."""
    stated = _find_wishes(user, user.content) if user.told else {}
    return {name: find_wish(name, value).trait for name, value in stated.items()}


def _find_wishes(user: UserNode, text: str) -> dict[str, str]:
    """Return the wishes in a user's text; a person may put them in any words."""
    return (find_heard if is_human(user.agent) else find_stated)(text)


def find_words(persona: Persona) -> Mapping[str, str]:
    """Return how a persona states each of its wishes, by dimension."""
    own = {
        (name, value): fact.text
        for fact in persona.facts
        for name, value in find_stated(fact.text).items()
    }
    return {
        name: own.get((name, value), find_wish(name, value).trait)
        for name, value in persona.preferences.items()
    }
