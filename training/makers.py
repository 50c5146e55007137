"""Who played the users of trees and who judged their replies: models, rules, people or code.

Conversations from elsewhere do not say all of it, and may be of people; a part of a tree is known
only if its own messages or votes say who made them.
"""

from collections.abc import Collection

from aloe.memory.conversations import IMPORTED
from aloe.players import RULE
from aloe.schema import Tree
from aloe.verdict import is_human

MODELS, RULES, PEOPLE, CODE = "language models", "rules", "people", "custom code"

UNKNOWN = "not recorded"
"""What stands for makers that trees do not name."""


def find_users(tree: Tree) -> set[str]:
    """Return who played the user of a tree, `UNKNOWN` among them where it does not say."""
    return {_user(tree, agent) for agent in {user.agent for user in tree.users}}


def find_assistants(tree: Tree) -> set[str]:
    """Return who wrote the replies of a tree: models, except where it does not say."""
    return {UNKNOWN if reply.agent == IMPORTED else MODELS for reply in tree.replies}


def find_judges(tree: Tree) -> set[str]:
    """Return who compared the replies of a tree, `UNKNOWN` among them where it does not say."""
    votes = (vote.judge for verdict in tree.verdicts for vote in verdict.votes)
    return {_describe_maker(tree, judge) for judge in {*votes}}


def join_makers(makers: Collection[str]) -> str:
    """Return makers in words."""
    return " and ".join(sorted(makers)) or UNKNOWN


def _user(tree: Tree, agent: str) -> str:
    model = tree.models.get("user")
    if agent == "user" and model is None:  # a conversation of ours that was exported and read back
        return UNKNOWN
    return _describe_maker(tree, agent, model or "")


def _describe_maker(tree: Tree, *names: str) -> str:
    if any(map(is_human, names)):
        return PEOPLE
    if RULE in names:
        return RULES
    if {*names} & {*tree.models.values()}:
        return MODELS
    return UNKNOWN if IMPORTED in names or not tree.models else CODE
