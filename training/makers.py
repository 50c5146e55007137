"""Who played the users of trees and who judged their replies: models, rules, people or code.

Conversations from elsewhere do not say all of it, and may be of people; a part of a tree is known
only if its own messages or votes say who made them.
"""

from collections.abc import Collection

from aloe.memory.conversations import IMPORTED
from aloe.players import RULE, is_of_experiment
from aloe.schema import Tree
from aloe.verdict import is_human

MODELS, RULES, PEOPLE, CODE = "language models", "rules", "people", "custom code"

UNKNOWN = "not recorded"
"""What stands for makers that trees do not name."""


def find_users(tree: Tree) -> set[str]:
    """Return who played the user of a tree, `UNKNOWN` among them where it does not say."""
    return {_user(tree, agent) for agent in {user.agent for user in tree.users}}


def find_assistants(tree: Tree) -> set[str]:
    """Return who wrote the replies of a tree, `UNKNOWN` among them where it does not say."""
    return {*_find_authors(tree).values()}


def find_without_model(tree: Tree) -> dict[str, str]:
    """Return the agents whose replies no model wrote, and what they are: rules or code."""
    return {agent: who for agent, who in _find_authors(tree).items() if who in (RULES, CODE)}


def find_judges(tree: Tree) -> set[str]:
    """Return who compared the replies of a tree, `UNKNOWN` among them where it does not say."""
    votes = (vote.judge for verdict in tree.verdicts for vote in verdict.votes)
    return {_describe_maker(tree, judge) for judge in {*votes}}


def join_makers(makers: Collection[str]) -> str:
    """Return makers in words."""
    return " and ".join(sorted(makers)) or UNKNOWN


def _find_authors(tree: Tree) -> dict[str, str]:
    """Return who wrote replies, by agent.

    A tree of ours names the models of all agents that have one. In conversations from elsewhere
    the name of an agent is its model's.
    """
    agents = {reply.agent for reply in tree.replies}
    modelled = agents & tree.models.keys() or agents
    others = RULES if is_of_experiment(tree) else CODE
    found = {agent: MODELS if agent in modelled else others for agent in agents}
    return {agent: UNKNOWN if agent == IMPORTED else who for agent, who in found.items()}


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
