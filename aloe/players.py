"""Who played the agents of a tree: models, or rules in their place."""

from aloe.judge_names import is_judge
from aloe.schema import Tree

RULE, RULES = "rule", "rules"
"""What a rule is called as an author or a judge, and where it stands for a model."""


def find_players(tree: Tree) -> dict[str, str]:
    """Return what was each agent: its model, or `RULES` where a rule did its work."""
    user = any(node.agent == RULE for node in tree.users)
    votes = {vote.judge for verdict in tree.verdicts for vote in verdict.votes}
    judge = votes == {RULE} or (user and not votes)
    said = user and all(node.agent == RULE and not node.former for node in tree.users)
    at = {"user": user, "inducer": said}
    ruled = {name for name in tree.models if (judge if is_judge(name) else at.get(name))}
    return {name: RULES if name in ruled else model for name, model in tree.models.items()}
