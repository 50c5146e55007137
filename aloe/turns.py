"""How long the talk of a tree is: its turns, without what a benchmark asks when they are over."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aloe.schema import Tree, UserNode

PRESCRIBED = "case"
"""What nodes call the author of a message that the case of a benchmark prescribes."""


def is_closing(tree: "Tree", user: "UserNode") -> bool:
    """Whether a message is what a benchmark asks after the last turn: each dialogue ends so."""
    replies = tree.children(user.id)
    return user.agent == PRESCRIBED and not any(tree.children(reply.id) for reply in replies)


def count_turns(tree: "Tree") -> int:
    """Return how many turns the longest path of a tree has; a closing question is none."""
    return max((user.turn - is_closing(tree, user) for user in tree.users), default=0)
