"""Trees of several runs put together.

Node ids are content hashes that cover the parent, so two trees of one id are two views of the same
conversations: putting them together is a union, and what both hold appears once. Where they
disagree about the same node or the same comparison, the one named first is kept. Labels by return
are left out of a tree that became larger: they say what came of replies, and there is more of it.
"""

from collections.abc import Iterable
from typing import Any

from aloe.errors import ConfigError
from aloe.memory.returns import forget_returns
from aloe.schema import Tree


def merge(trees: Iterable[Tree]) -> list[Tree]:
    """Return one tree for each id, in order of first appearance.

    Raises:
        ConfigError: an agent of one tree is played by different models, or its user is not the
            same one: another persona or mood, or one who answers in one run and not in the other.
    """
    found: dict[str, Tree] = {}
    for tree in trees:
        found[tree.id] = _unite(found[tree.id], tree) if tree.id in found else tree
    return list(found.values())


def _unite(one: Tree, other: Tree) -> Tree:
    for agent in one.models.keys() & other.models.keys():
        if one.models[agent] != other.models[agent]:
            raise ConfigError(
                f"tree {one.id}: '{agent}' is {one.models[agent]} in one run and "
                f"{other.models[agent]} in another; such trees cannot be merged"
            )
    for name, same in (
        ("persona", one.persona.plays_like(other.persona) and _is_played_alike(one, other)),
        ("mood", one.mood == other.mood or _is_played_by_rule(one)),
    ):
        if not same:
            raise ConfigError(
                f"tree {one.id}: its {name} in one run is not that in another; such trees cannot "
                "be merged"
            )
    if one.disclosure != other.disclosure:
        ours, theirs = (each.disclosure or "schedule" for each in (one, other))
        raise ConfigError(
            f"tree {one.id}: user.disclosure is {ours} in one run and {theirs} in another; such "
            "trees cannot be merged"
        )
    pairs = {frozenset((verdict.first, verdict.second)) for verdict in one.verdicts}
    new = [v for v in other.verdicts if frozenset((v.first, v.second)) not in pairs]
    nodes = [node for node in other.nodes if node.id not in one.by_id]
    verdicts = [*one.verdicts, *new]
    return replace_fields(
        one,
        models=one.models | other.models,
        nodes=(*one.nodes, *nodes),
        verdicts=tuple(forget_returns(verdicts) if nodes else verdicts),
    )


def _is_played_by_rule(tree: Tree) -> bool:
    """Whether a rule plays the user, which has no mood, whatever older trees say."""
    users = [node.id for node in tree.nodes if node.role == "user"]
    if tree.disclosure is None or not users:
        return False
    return all(tree.played(node).preferences for node in users)


def _is_played_alike(one: Tree, other: Tree) -> bool:
    """Whether the user is the same in every message that both trees have."""
    shared = (node.id for node in one.nodes if node.role == "user" and node.id in other.by_id)
    return all(one.played(node).plays_like(other.played(node)) for node in shared)


def replace_fields(tree: Tree, **update: Any) -> Tree:
    """Return a tree with other fields; `model_copy` would keep the index of the old nodes."""
    return Tree(**{name: getattr(tree, name) for name in Tree.model_fields} | update)
