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


def describe_tellings(tree: "Tree", user: "UserNode") -> list[str]:
    """Return a line for each thing that a message was to tell, and for a question that got nothing.

    What came in its turn is left out in trees where all things do.
    """
    told = [each for each in user.told if tree.disclosure or each.why != "scheduled"]
    found = [f"told, {REASONS[each.why]}: {describe_matter(tree, each)}" for each in told]
    return [*found, *(text for asked, text in ANSWERS.items() if asked == user.asked)]


def describe_matter(tree: "Tree", told: "Telling") -> str:
    """Return the statement or the wish that was told."""
    if value := tree.persona.preferences.get(told.about):
        return f"{told.about}, {value}"
    return fact_text(tree, told.about)
