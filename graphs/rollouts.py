"""Rollouts: replies of finished trees continued more often, so that returns can be told apart.

A tree continues each reply once or not at all, which says little of what it leads to. Here every
reply that the judge compared is continued until it has as many continuations as are asked for, each
as long as labels by return look ahead (`aloe.memory.returns`).

A rollout is a single path: the user speaks, and one assistant, the policy, answers. Nothing is
compared, so a turn costs two calls beside the inducer's, and no other assistant has a part in what
comes of a reply.
Without wishes that a program can check such replies have no level, because they have no siblings:
labels then need given ones. Each rollout is another sample (`aloe.calls.sample`); two that say the
same share their nodes, whose ids are hashes of what was said, and count once.

What the tree holds stays as it is. Its labels by return are left out, since there is more to look
at now.
"""

import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from aloe.agents.assistant import Assistant
from aloe.calls.sample import sampling, vary_seed
from aloe.config import SimulationConfig
from aloe.errors import ContextError
from aloe.flaws import describe_flaw
from aloe.graphs.concurrency import work_through
from aloe.graphs.context import SimulationContext
from aloe.graphs.plan import last_turn
from aloe.graphs.steps import UNHURRIED
from aloe.graphs.turn import TurnResult, TurnTask, turn_graph
from aloe.memory.levels import find_flaw
from aloe.memory.merge import replace_fields
from aloe.memory.returns import forget_returns
from aloe.schema import SPOILING, AssistantNode, Node, Tree, UserNode, derive_seed, list_revealed
from aloe.wording import same_text

logger = logging.getLogger("aloe")

WIDTH = 16
"""Rollouts of one tree that are played at once."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One continuation that is wanted."""

    reply: str
    """Id of the reply that is continued."""
    exchanges: int
    """Turns to play, at least 1."""
    sample: int
    """Different for all continuations of a reply."""


def plan_rollouts(tree: Tree, config: SimulationConfig) -> list[Rollout]:
    """Return the continuations that the compared replies of `tree` lack."""
    wanted, turns = config.rollouts, max(config.turns, last_turn(tree))
    found: list[Rollout] = []
    for reply in _find_compared(tree):
        exchanges = min(wanted.horizon - 1, turns - reply.turn)
        if exchanges and reply.turn <= (wanted.until_turn or turns):
            begun = sum(1 for _ in _find_ends(tree, reply))
            missing = wanted.count - _count_branches(tree, reply, exchanges)
            found += (
                Rollout(reply=reply.id, exchanges=exchanges, sample=begun + number)
                for number in range(missing)
            )
    return found


async def roll_out(tree: Tree, context: SimulationContext) -> Tree:
    """Return `tree` with the continuations that it lacks.

    Args:
        tree: a finished tree.
        context: agents and settings; these say how often, how far and by whom it is continued.

    Raises:
        ModelError: the run cannot go on.
        CallError: a call failed for good; the tree is lost, others may pass.
    """
    planned = [
        each for each in plan_rollouts(tree, context.config) if not _is_done(tree, each, context)
    ]
    played: dict[int, list[Node]] = {}

    async def play(item: tuple[int, Rollout]) -> None:
        number, rollout = item
        with sampling(rollout.sample):
            played[number] = await _play(tree, rollout, context)

    await work_through(enumerate(planned), min(WIDTH, len(planned)), play)
    added = {node.id: node for number in sorted(played) for node in played[number]}
    new = tuple(node for node in added.values() if node.id not in tree.by_id)
    if not new:
        return tree
    verdicts = tuple(forget_returns(tree.verdicts))
    return replace_fields(tree, nodes=(*tree.nodes, *new), verdicts=verdicts)


def _find_compared(tree: Tree) -> list[AssistantNode]:
    """Return the replies that a label by return could compare, in the order of the tree."""
    found = set()
    for verdict in tree.verdicts:
        pair = [tree.by_id[each] for each in (verdict.first, verdict.second)]
        if not same_text(*(each.content for each in pair)) and all(
            _is_sound(tree, e) for e in pair
        ):
            found |= {each.id for each in pair}
    return [reply for reply in tree.replies if reply.id in found]


def _is_sound(tree: Tree, node: Node) -> bool:
    """Whether something can be learnt from a reply."""
    return isinstance(node, AssistantNode) and find_flaw(tree, node) is None


def _find_ends(tree: Tree, reply: Node) -> Iterator[Node]:
    """Yield the messages with which the talk below a reply ends."""
    for user in tree.children(reply.id):
        after = [each for each in tree.children(user.id) if tree.children(each.id)]
        for each in after:
            yield from _find_ends(tree, each)
        if not after:
            yield user


def _count_branches(tree: Tree, reply: Node, exchanges: int) -> int:
    """Return how many independent talks of so many exchanges follow a reply.

    They are counted where the talk first parts, as for a standard error, but for the last turn:
    candidates that answer one message there show no other way in which the talk could have gone.
    """
    ways = [
        [
            each
            for each in tree.children(user.id)
            if _is_sound(tree, each)
            and (exchanges == 1 or _count_branches(tree, each, exchanges - 1))
        ]
        for user in tree.children(reply.id)
    ]
    ways = [replies for replies in ways if replies]
    if len(ways) != 1 or exchanges == 1:
        return len(ways)
    (replies,) = ways
    return len(replies) if len(replies) > 1 else _count_branches(tree, replies[0], exchanges - 1)


def _is_done(tree: Tree, rollout: Rollout, context: SimulationContext) -> bool:
    """Whether the talk had come to its end with the message that the reply answers."""
    said = tree.path(rollout.reply)[:-1]
    played = tree.played(rollout.reply)
    return context.config.stop_when_done and context.user.done(played, tree.id, said)


async def _play(tree: Tree, rollout: Rollout, context: SimulationContext) -> list[Node]:
    """Return the messages of one continuation, up to one below which nothing could be learnt."""
    config, path = context.config, tree.path(rollout.reply)
    added: list[Node] = []
    for _ in range(rollout.exchanges):
        assistant = _choose(config.rollouts.policy, context, tree.id, path[-1].id)
        try:
            said = await _exchange(tree, path, replace(context, assistants=(assistant,)))
        except ContextError as error:
            logger.warning("tree %s: a rollout ends: %s", tree.id, error)
            break
        added += said
        path = [*path, *said]
        user, reply = cast(tuple[UserNode, AssistantNode], said)
        played = user.played or tree.persona
        done = config.stop_when_done and context.user.done(played, tree.id, path[:-1])
        if done or SPOILING & set(user.faults) or describe_flaw(reply):
            break
    return added


def _choose(policy: str | None, context: SimulationContext, tree: str, after: str) -> Assistant:
    if policy:
        return next(each for each in context.assistants if each.name == policy)
    rng = random.Random(vary_seed(derive_seed("policy", tree, after)))
    return rng.choice(context.assistants)


async def _exchange(tree: Tree, path: list[Node], context: SimulationContext) -> list[Node]:
    """Return what is said next: a message and the one reply to it."""
    task = TurnTask(tree=tree.id, persona=tree.persona, path=path, revealed=list_revealed(path))
    graph = turn_graph(context.places)
    return cast(TurnResult, await graph.ainvoke(task, UNHURRIED, context=context))["nodes"]
