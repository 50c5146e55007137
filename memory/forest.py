"""Trees cut back and grown together: pure functions from trees to trees.

Node ids are content hashes that cover the parent, so two trees of one id are two views of the same
conversations: putting them together is a union, and what both hold appears once. Where they
disagree about the same node or the same comparison, the one named first is kept. Cutting removes
whole subtrees with their verdicts, so parents still stand before their children and every verdict
still compares two replies that are there.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from aloe.errors import ConfigError
from aloe.schema import SPOILING, AssistantNode, Tree, UserNode


def merged(trees: Iterable[Tree]) -> list[Tree]:
    """Return one tree for each id, in order of first appearance.

    Raises:
        ConfigError: an agent of one tree is played by different models.
    """
    found: dict[str, Tree] = {}
    for tree in trees:
        found[tree.id] = _union(found[tree.id], tree) if tree.id in found else tree
    return list(found.values())


def _union(one: Tree, other: Tree) -> Tree:
    for agent in one.models.keys() & other.models.keys():
        if one.models[agent] != other.models[agent]:
            raise ConfigError(
                f"tree {one.id}: '{agent}' is {one.models[agent]} in one run and "
                f"{other.models[agent]} in another; such trees cannot be merged"
            )
    pairs = {frozenset((verdict.first, verdict.second)) for verdict in one.verdicts}
    new = (v for v in other.verdicts if frozenset((v.first, v.second)) not in pairs)
    return _changed(
        one,
        models=one.models | other.models,
        nodes=(*one.nodes, *(node for node in other.nodes if node.id not in one.by_id)),
        verdicts=(*one.verdicts, *new),
    )


def _changed(tree: Tree, **update: Any) -> Tree:
    # model_copy would carry the cached index of the old nodes over.
    return Tree(**{name: getattr(tree, name) for name in Tree.model_fields} | update)


def pruned(tree: Tree, *, turns: int | None = None, spoiled: bool = False) -> Tree | None:
    """Return `tree` without some subtrees; None if nothing is left.

    Args:
        tree: what to cut.
        turns: cut below this turn; None for no limit.
        spoiled: whether to cut user messages that spoil what follows (see `SPOILING`).
    """
    kept: dict[str, UserNode | AssistantNode] = {}
    for node in tree.nodes:
        rooted = node.parent is None or node.parent in kept
        deep = turns is not None and node.turn > turns
        bad = spoiled and isinstance(node, UserNode) and bool(SPOILING & set(node.faults))
        if rooted and not deep and not bad:
            kept[node.id] = node
    verdicts = tuple(v for v in tree.verdicts if {v.first, v.second} <= kept.keys())
    return _changed(tree, nodes=tuple(kept.values()), verdicts=verdicts) if kept else None


def all_pruned(trees: Iterable[Tree], *, turns: int | None, spoiled: bool) -> Iterator[Tree]:
    """Yield what is left of each tree."""
    for tree in trees:
        if left := pruned(tree, turns=turns, spoiled=spoiled):
            yield left
