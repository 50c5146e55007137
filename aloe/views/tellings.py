"""Why a user told something, in a few words for whoever reads a tree."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aloe.views.marks import fact_text

if TYPE_CHECKING:
    from aloe.schema import Asked, Telling, Tree, UserNode, Why

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


def describe_tellings(tree: "Tree", user: "UserNode") -> list[str]:
    """Return a line for each thing that a message told, and for a question that got nothing."""
    found = [
        f"told, {REASONS[each.why]}: {describe_matter(tree, each, user)}"
        for each in list_tellings(tree, user)
    ]
    return [*found, *(text for asked, text in ANSWERS.items() if asked == user.asked)]


def describe_matter(tree: "Tree", told: "Telling", user: "UserNode | None" = None) -> str:
    """Return the statement or the wish that was told; `user` says by whom, None by the persona."""
    persona = user.played if user and user.played else tree.persona
    if value := persona.preferences.get(told.about):
        return f"{told.about}, {value}"
    return fact_text(tree, told.about)
