"""Who beats whom among the replies to one message.

A verdict says so directly. If two replies were not compared, because a tournament skipped the call
or two runs were merged, a chain of preferences says so: whatever beats the winner of a comparison
beats its loser. Ties and abstentions are not links of a chain, since neither is transitive, and a
chain never overrules a verdict. Chains rank replies; they are not labels, and no exported pair
rests on one.
"""

from collections.abc import Iterable

from aloe.schema import Node, Verdict

Beaten = dict[str, set[str]]
"""Ids of the replies that each compared reply beats, by its id."""


def leave_out_rollouts(nodes: Iterable[Node], verdicts: Iterable[Verdict]) -> list[Node]:
    """Return the nodes of a tree as it grew, where every reply was compared with another.

    A rollout may share a message with what grew; then its reply is the one in no verdict.
    """
    compared = {each for v in verdicts for each in (v.node, v.first, v.second)}
    return [node for node in nodes if node.id in compared]


def beaten(verdicts: Iterable[Verdict]) -> Beaten:
    """Return whom each reply beats, given the verdicts on the replies to one message."""
    verdicts = list(verdicts)
    direct: Beaten = {node: set() for v in verdicts for node in (v.first, v.second)}
    asked = {frozenset((v.first, v.second)) for v in verdicts}
    for verdict in verdicts:
        if verdict.preferred and verdict.rejected:
            direct[verdict.preferred].add(verdict.rejected)
    if 2 * len(asked) == len(direct) * (len(direct) - 1):
        return direct
    below = {node: _reached(node, direct) for node in direct}
    return {
        node: direct[node]
        | {
            other
            for other in below[node]
            if frozenset((node, other)) not in asked and node not in below[other]
        }
        for node in direct
    }


def _reached(node: str, direct: Beaten) -> set[str]:
    """Return what chains of preferences lead to from `node`."""
    found: set[str] = set()
    open_ends = [node]
    while open_ends:
        new = direct[open_ends.pop()] - found
        found |= new
        open_ends += new
    return found
