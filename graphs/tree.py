"""The state machine that grows one conversation tree.

    START -> expand => turn x branches -> expand ... -> END

`expand` decides what is continued, and each such branch gets a turn (`aloe.graphs.turn`), all in
parallel. LangGraph returns the results of parallel tasks in the order they were sent, so a tree
does not depend on which model answers first.

A conversation may outgrow a model's context window. Then its branch ends with the turn before, and
the rest of the tree continues.
"""

import logging
import operator
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, Any, NotRequired, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from aloe.agents.mood import recorded_mood
from aloe.config import Place
from aloe.errors import ContextError
from aloe.graphs.checkpoints import Checkpoints
from aloe.graphs.context import FinishedExchange, SimulationContext
from aloe.graphs.expansion import Siblings, choose_frontier
from aloe.graphs.plan import last_turn
from aloe.graphs.steps import UNHURRIED
from aloe.graphs.turn import Context, TurnResult, TurnTask, turn_graph
from aloe.memory.returns import forget_returns
from aloe.ranking import leave_out_rollouts
from aloe.schema import AssistantNode, Node, Persona, Tree, UserNode, Verdict, list_revealed

logger = logging.getLogger("aloe")


class TreeInput(TypedDict):
    """What a tree grows from."""

    tree: str
    persona: Persona
    turn: NotRequired[int]
    """Turns that are there already; left out of a new tree, like the rest."""
    nodes: NotRequired[Annotated[list[Node], operator.add]]
    verdicts: NotRequired[Annotated[list[Verdict], operator.add]]


class TreeState(TypedDict):
    """A tree in the making."""

    tree: str
    persona: Persona
    turn: int
    nodes: Annotated[list[Node], operator.add]
    verdicts: Annotated[list[Verdict], operator.add]
    frontier: list[str | None]


async def expand(state: TreeState, runtime: Context) -> dict[str, Any]:
    """Choose what is continued: the opening first, then candidates of the turn just played.

    Rollouts are not: each would become a branch of its own, and they are outside the budget.
    """
    turn = state.get("turn", 0)
    config = runtime.context.config
    if turn == 0:
        return {"turn": 1, "frontier": [None]}
    if turn >= config.turns:
        return {"frontier": []}
    verdicts = state["verdicts"]
    nodes = leave_out_rollouts(state["nodes"], verdicts)
    replies = [node for node in nodes if isinstance(node, AssistantNode)]
    wrote = {reply.id: reply.agent for reply in replies}
    level = [
        Siblings(
            user=user.id,
            candidates=[reply for reply in replies if reply.parent == user.id],
            verdicts=[v for v in verdicts if v.node == user.id],
            reacts_to=wrote.get(user.parent or ""),
        )
        for user in nodes
        if user.role == "user" and user.turn == turn and not _is_done(state, user, runtime.context)
    ]
    chosen = choose_frontier(config, state["tree"], turn, level, len(nodes))
    return {"turn": turn + 1, "frontier": chosen}


def _is_done(state: TreeState, user: UserNode, context: SimulationContext) -> bool:
    if not context.config.stop_when_done:
        return False
    by_id = {node.id: node for node in state["nodes"]}
    played = user.played or state["persona"]
    return context.user.done(played, state["tree"], _path_to(user.id, by_id))


async def branch_out(state: TreeState) -> list[Send] | str:
    """Send every branch of the frontier on, or end."""
    if not state["frontier"]:
        return END
    by_id = {node.id: node for node in state["nodes"]}
    return [Send("turn", _make_task(state, by_id, leaf)) for leaf in state["frontier"]]


def _path_to(leaf: str | None, by_id: dict[str, Node]) -> list[Node]:
    path: list[Node] = []
    while leaf is not None:
        path.append(by_id[leaf])
        leaf = path[-1].parent
    return path[::-1]


def _make_task(state: TreeState, by_id: dict[str, Node], leaf: str | None) -> TurnTask:
    path = _path_to(leaf, by_id)
    return TurnTask(
        tree=state["tree"], persona=state["persona"], path=path, revealed=list_revealed(path)
    )


@cache
def tree_graph(places: frozenset[Place] = frozenset()) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph of a whole tree; `places` as in `turn_graph`."""
    graph = StateGraph(TreeState, SimulationContext, input_schema=TreeInput)
    graph.add_node("expand", expand)
    graph.add_node("turn", _make_turn(places), input_schema=TurnTask)
    graph.add_edge(START, "expand")
    graph.add_conditional_edges("expand", branch_out, ["turn", END])
    graph.add_edge("turn", "expand")
    return graph.compile(name="tree")


def _make_turn(places: frozenset[Place]) -> Callable[..., Awaitable[TurnResult]]:
    """Return the node of one exchange.

    It is skipped where the conversation exceeds a model's context window.
    """
    graph = turn_graph(places)

    async def turn(state: TurnTask, config: RunnableConfig, runtime: Context) -> TurnResult:
        try:
            found = await graph.ainvoke(state, config, context=runtime.context)
            result = cast(TurnResult, found)
            done = FinishedExchange(
                tree=state["tree"], nodes=result["nodes"], verdicts=result["verdicts"]
            )
            runtime.context.on_exchange(done)
            return result
        except ContextError as error:
            if not state["path"]:
                raise
            logger.warning("tree %s: a branch ends: %s", state["tree"], error)
            return TurnResult(nodes=[], verdicts=[])

    return turn


def _make_input(tree: str, persona: Persona, start: Tree | None) -> TreeInput:
    if start is None:
        return TreeInput(tree=tree, persona=persona)
    return TreeInput(
        tree=tree,
        persona=persona,
        turn=last_turn(start),
        nodes=list(start.nodes),
        verdicts=list(start.verdicts),
    )


async def grow_tree(
    persona: Persona,
    seed: int,
    models: dict[str, str],
    context: SimulationContext,
    start: Tree | None = None,
    checkpoints: Checkpoints | None = None,
) -> Tree:
    """Grow the tree of `persona` from `seed`.

    Args:
        persona: whom the user agent plays.
        seed: distinguishes the trees of one persona.
        models: model string of each agent, recorded in the tree.
        context: agents and settings.
        start: the same tree with fewer turns, which are kept, without labels by return if it
            grows; None to begin at the opening.
        checkpoints: where its states are kept; None: nowhere.

    Raises:
        ModelError: the run cannot go on.
        StoreError: the checkpoints cannot be kept.
        CallError: a call failed for good; the tree is lost, others may pass.
    """
    tree = Tree.id_for(persona, seed)
    graph, given = tree_graph(context.places), _make_input(tree, persona, start)
    if checkpoints:
        state = await checkpoints.run(graph, given, UNHURRIED, context)
    else:
        state = await graph.ainvoke(given, UNHURRIED, context=context)
    grown = start is None or len(state["nodes"]) > len(start.nodes)
    return Tree(
        id=tree,
        persona=persona,
        seed=seed,
        models=models,
        nodes=tuple(state["nodes"]),
        verdicts=tuple(forget_returns(state["verdicts"]) if grown else state["verdicts"]),
        mood=recorded_mood(persona, context.disclosure, context.config.moods, tree),
        disclosure=None if context.disclosure == "schedule" else context.disclosure,
    )
