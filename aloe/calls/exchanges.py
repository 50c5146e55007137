"""How many exchanges trees get at each turn: what a forecast multiplies."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from aloe.config import SimulationConfig
from aloe.ranking import leave_out_rollouts
from aloe.schema import Tree
from aloe.wording import visible


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a tree that is there goes on."""

    turn: int
    """Turns that it has."""
    messages: int
    """User messages of its last turn that have a reply to be continued."""
    replies: int
    """Replies to them that can be continued."""
    nodes: int
    """Nodes that it has, rollouts aside."""

    @classmethod
    def of(cls, tree: Tree) -> "Start":
        """Return where `tree` goes on."""
        turn = max(node.turn for node in tree.nodes)
        grown = leave_out_rollouts(tree.nodes, tree.verdicts)
        last = [n for n in grown if n.turn == turn and n.role == "assistant"]
        parents = [reply.parent for reply in last if visible(reply.content)]
        return cls(turn=turn, messages=len({*parents}), replies=len(parents), nodes=len(grown))


def add_exchanges(
    simulation: SimulationConfig, assistants: int, starts: Sequence[Start | None]
) -> dict[int, tuple[int, int]]:
    """Return how many exchanges all trees together get, at least and at most, by turn, from 0.

    Args:
        simulation: as for `count_exchanges`.
        assistants: candidates of an exchange.
        starts: where each tree goes on; None for a new one.
    """
    found: defaultdict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for start, trees in Counter(starts).items():
        levels = count_exchanges(simulation, assistants, start)
        for turn, (low, high) in enumerate(levels, start.turn if start else 0):
            found[turn] = found[turn][0] + trees * low, found[turn][1] + trees * high
    return dict(sorted(found.items()))


def count_exchanges(
    simulation: SimulationConfig, assistants: int, start: Start | None = None
) -> list[tuple[int, int]]:
    """Return how many exchanges a tree gets at each turn still to come, at least and at most.

    Args:
        simulation: names policy, turns and the most nodes.
        assistants: candidates of an exchange.
        start: where it goes on; None for a new one.
    """
    exchange = 1 + assistants
    levels = [] if start else [(1, 1)]
    begun = start or Start(turn=1, messages=1, replies=assistants, nodes=exchange)
    messages, replies = (begun.messages, begun.messages), (begun.replies, begun.replies)
    left = ((simulation.node_budget or 10**12) - begun.nodes) // exchange
    for turn in range(begun.turn, simulation.turns):
        # What is dropped is dropped so that those that stay reach the last turn.
        room = max(left // (simulation.turns - turn), int(left >= 1))
        low, high = _count_continued(simulation, turn, messages, replies)
        messages = min(low, room), min(high, room)
        replies = messages[0] * assistants, messages[1] * assistants
        left -= messages[1]
        levels.append(messages)
    return levels


def _count_continued(
    simulation: SimulationConfig, turn: int, messages: tuple[int, int], replies: tuple[int, int]
) -> tuple[int, int]:
    """Return how many replies of `turn` the policy continues, at least and at most."""
    if turn <= simulation.both_turns or simulation.expansion == "both":
        return replies
    if simulation.expansion == "beam":
        low, high = (min(simulation.beam_width, each) for each in replies)
        return low, high
    if simulation.expansion in ("sample", "preferred"):
        return messages
    return messages[0], replies[1]  # the policy decides on the way
