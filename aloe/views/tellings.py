"""Why a user told something, in a few words for whoever reads a tree."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aloe.views.marks import fact_text

if TYPE_CHECKING:
    from aloe.schema import Asked, Persona, Telling, Tree, UserNode, Why

REASONS: "Mapping[Why, str]" = {
    "scheduled": "its turn",
    "asked": "because asked",
    "contradicted": "against the reply",
    "volunteered": "volunteered",
}
ANSWERS: "Mapping[Asked, str]" = {
    "again": "asked for what was told before",
    "indifferent": "asked for what does not matter to it",
}
"""What a question came to where it brought nothing to light."""


def list_tellings(tree: "Tree", user: "UserNode") -> "list[Telling]":
    """Return what a message was to tell, but not what came in its turn where all things do."""
    return [each for each in user.told if tree.disclosure or each.why != "scheduled"]


def find_told(tree: "Tree", user: "UserNode") -> set[str]:
    """Return the things that a message tells, each once: ids, or words where nothing has an id.

    Users who answer note what they tell; of others only the ledger knows. Both name the same things
    differently, so they are never added up.
    """
    if tree.disclosure:
        return {each.about for each in user.told}
    return {each.fact or each.quote for each in user.revealed}


def describe_revealed(tree: "Tree", user: "UserNode") -> list[str]:
    """Return a line for each thing that the ledger has of a message, with why it was told."""
    why = {quote: telling for telling, quote in _pair(tree, user).items()}
    lines = []
    for number, each in enumerate(user.revealed):
        notes: list[str] = [each.kind] if each.kind and each.kind != "revealed" else []
        if telling := why.get(number):
            matter = "" if each.fact else describe_matter(tree, telling, user)
            known = matter.casefold() in ("", each.quote.casefold())
            notes.append(REASONS[telling.why] + ("" if known else f": {matter}"))
        lines.append(f"◆ {each.quote}" + (f" ({'; '.join(notes)})" if notes else ""))
    return lines


def describe_tellings(tree: "Tree", user: "UserNode") -> list[str]:
    """Return a line for each thing told that the ledger lacks, and for an idle question."""
    paired = _pair(tree, user)
    found = [
        f"told, {REASONS[each.why]}: {describe_matter(tree, each, user)}"
        for each in list_tellings(tree, user)
        if each not in paired
    ]
    return [*found, *(text for asked, text in ANSWERS.items() if asked == user.asked)]


def _pair(tree: "Tree", user: "UserNode") -> "dict[Telling, int]":
    """Return the place in the ledger of what was told: by id, by words, or if one each is left."""
    tellings, entries = list_tellings(tree, user), dict(enumerate(user.revealed))
    found: dict[Telling, int] = {}
    for each in tellings:
        matter = describe_matter(tree, each, user).casefold()
        for number, entry in entries.items():
            if entry.fact == each.about or entry.quote.casefold() == matter:
                found[each] = number
                del entries[number]
                break
    left = [each for each in tellings if each not in found]
    if len(left) == len(entries) == 1:
        ((number, entry),) = entries.items()
        kinds = {each.id: each.kind for each in find_persona(tree, user).facts}
        # A wish is told by its dimension; the ledger ties it to the trait that states it.
        is_wish = left[0].about not in kinds and kinds.get(entry.fact or "") == "trait"
        if entry.kind is None or is_wish:
            found[left[0]] = number
    return found


def find_persona(tree: "Tree", user: "UserNode | None") -> "Persona":
    """Return whom a message speaks for; None: the persona of the tree."""
    return user.played if user and user.played else tree.persona


def describe_matter(tree: "Tree", told: "Telling", user: "UserNode | None" = None) -> str:
    """Return the statement or the wish that was told; `user` says by whom, None by the persona."""
    persona = find_persona(tree, user)
    if value := persona.preferences.get(told.about):
        return f"{told.about}, {value}"
    return fact_text(tree, told.about)
