"""Trees cut back.

Whole subtrees go with their verdicts, so parents still stand before their children and every
verdict still compares two replies that are there. Labels by return are left out of a tree that was
cut: they say what came of replies.
"""

from collections.abc import Iterable, Iterator

from aloe.memory.merge import replace_fields
from aloe.memory.returns import forget_returns
from aloe.schema import SPOILING, Node, Tree, UserNode


def prune(tree: Tree, *, turns: int | None = None, spoiled: bool = False) -> Tree | None:
    """Return `tree` without some subtrees; None if nothing is left.

    Args:
        tree: what to cut.
        turns: cut below this turn; None for no limit.
        spoiled: whether to cut user messages that spoil what follows (see `SPOILING`).
    """
    kept: dict[str, Node] = {}
    for node in tree.nodes:
        rooted = node.parent is None or node.parent in kept
        deep = turns is not None and node.turn > turns
        bad = spoiled and isinstance(node, UserNode) and bool(SPOILING & set(node.faults))
        if rooted and not deep and not bad:
            kept[node.id] = node
    if len(kept) == len(tree.nodes):
        return tree
    verdicts = forget_returns([v for v in tree.verdicts if {v.first, v.second} <= kept.keys()])
    nodes = tuple(kept.values())
    return replace_fields(tree, nodes=nodes, verdicts=tuple(verdicts)) if kept else None


def prune_all(trees: Iterable[Tree], *, turns: int | None, spoiled: bool) -> Iterator[Tree]:
    """Yield what is left of each tree."""
    for tree in trees:
        if left := prune(tree, turns=turns, spoiled=spoiled):
            yield left
