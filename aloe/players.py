"""Who played the agents of a tree: models, or rules in their place."""

from typing import TYPE_CHECKING

from aloe.judge_names import is_judge

if TYPE_CHECKING:
    from aloe.schema import Tree, UserNode

RULE, RULES = "rule", "rules"
"""What a rule is called as an author or a judge, and where it stands for a model."""


def is_said_by_rule(user: "UserNode") -> bool:
    """Whether a rule wrote a message, and no custom role reworded it."""
    return user.agent == RULE and not user.former


def is_of_experiment(tree: "Tree") -> bool:
    """Whether `aloe experiment` grew a tree: a rule plays its user, for whom no model is named."""
    return "user" not in tree.models and any(map(is_said_by_rule, tree.users))


def find_players(tree: "Tree") -> dict[str, str]:
    """Return what was each agent: its model, or `RULES` where a rule did its work."""
    user = any(node.agent == RULE for node in tree.users)
    votes = {vote.judge for verdict in tree.verdicts for vote in verdict.votes}
    judge = votes == {RULE} or (user and not votes)
    said = user and all(map(is_said_by_rule, tree.users))
    at = {"user": user, "inducer": said}
    ruled = {name for name in tree.models if (judge if is_judge(name) else at.get(name))}
    return {name: RULES if name in ruled else model for name, model in tree.models.items()}


def group_agents(tree: "Tree") -> dict[str, list[str]]:
    """Return the agents that each model, or rules, played."""
    agents: dict[str, list[str]] = {}
    for agent, player in find_players(tree).items():
        agents.setdefault(player, []).append(agent)
    return agents
