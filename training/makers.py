"""Who played the users of trees and who judged their replies: models, rules, people or code."""

from collections.abc import Collection, Iterator

from aloe.agents.rules import RULE
from aloe.schema import Tree
from aloe.verdict import is_human

MODELS, RULES, PEOPLE, CODE = "language models", "rules", "people", "custom code"

UNKNOWN = "not recorded"
"""What stands for makers that trees do not name."""


def find_users(tree: Tree) -> set[str]:
    """Return who played the user of a tree; nobody is known where it names no models."""
    played = {user.agent for user in tree.users} if tree.models else ()
    return {_describe_maker(tree, name, tree.models.get("user", "")) for name in played}


def find_judges(tree: Tree) -> set[str]:
    """Return who compared the replies of a tree; nobody is known where it names no models."""
    return {_describe_maker(tree, name) for name in _judges(tree)} if tree.models else set()


def join_makers(makers: Collection[str]) -> str:
    """Return makers in words."""
    return " and ".join(sorted(makers)) or UNKNOWN


def _judges(tree: Tree) -> Iterator[str]:
    return (vote.judge for verdict in tree.verdicts for vote in verdict.votes)


def _describe_maker(tree: Tree, *names: str) -> str:
    if any(map(is_human, names)):
        return PEOPLE
    if RULE in names:
        return RULES
    return MODELS if {*names} & {*tree.models.values()} else CODE
