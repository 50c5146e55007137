"""Which replies were cut off at the token limit, and how many on each side of a comparison.

What is cut off lacks its end, where closings and questions stand, whatever the model had in mind.
"""

from collections.abc import Iterable, Mapping, Sequence

from aloe.benchmark.figures import Figure, sample
from aloe.benchmark.scores import ReplyScores
from aloe.schema import AssistantNode, Tree


def is_cut_off(reply: AssistantNode) -> bool:
    """Whether a reply ended at the token limit; one that says nothing is empty instead."""
    return "truncated" in reply.faults


def note_cut_off(rows: Iterable[ReplyScores], trees: Iterable[Tree]) -> list[ReplyScores]:
    """Return rows that say which replies were cut off: of earlier versions, only the trees do.

    What these trees do not hold stays unknown.
    """
    found = {(tree.id, reply.id): is_cut_off(reply) for tree in trees for reply in tree.replies}

    def note(row: ReplyScores) -> ReplyScores:
        if row.cut_off is not None or (row.dialogue, row.reply) not in found:
            return row
        return row.model_copy(update={"cut_off": found[row.dialogue, row.reply or ""]})

    return [note(row) for row in rows]


def measure_cut_off(
    sides: Mapping[str, Sequence[ReplyScores]],
) -> dict[str, dict[str, Figure]]:
    """Return the share of the replies that were cut off, by suite and side, where it is known.

    Args:
        sides: rows of one condition each, by name.
    """
    shares: dict[str, dict[str, Figure]] = {}
    for name, rows in sides.items():
        for suite in sorted({row.suite for row in rows}):
            found = sample([row for row in rows if row.suite == suite]).rate("cut_off")
            if found.count:
                shares.setdefault(suite, {})[name] = found
    return shares
