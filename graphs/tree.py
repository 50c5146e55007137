"""The state machine that grows one conversation tree.

Two graphs. `turn` is one exchange on one branch: the user speaks, the inducer marks what was
revealed, all assistants answer in parallel, the judge compares their replies, and the
ledger is checked against the persona, too late for any agent to learn from it. `tree` alternates
between `expand`, which decides what is continued, and one `turn` for every branch to be continued,
all branches in parallel. Roles of the user's own (`aloe.agents.roles`) get nodes between these,
where settings have any; without them the graph is the one drawn here:

    tree:  START -> expand => turn x branches -> expand ... -> END
    turn:  START -> user -> inducer => assistant x agents -> judge -> check -> END

A conversation may outgrow what a model reads. Then its branch ends with the turn before, and the
rest of the tree goes on.

A turn is a graph of its own so that the branches of a tree do not wait for each other between
roles, and so that other graphs can use it. LangGraph keeps the results of parallel tasks in the
order in which they were sent, so a tree does not depend on who answers first. Agents come in
through the context, never through the state: the state is what the tree is made of. All nodes and
branches are coroutines, also those that wait for nothing: LangGraph sends others through a thread.
"""

import asyncio
import logging
import operator
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, NotRequired, Protocol, TypeVar, cast, get_args

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite, Send
from pydantic import JsonValue
from typing_extensions import TypedDict

from aloe.agents.assistant import Assistant
from aloe.agents.judge import Comparison, Judge
from aloe.agents.mood import mood_of
from aloe.agents.role_agent import RoleAgent, noted, reworded
from aloe.agents.roles import Exchange, Update
from aloe.agents.schedule import compare_all
from aloe.agents.transcript import Path
from aloe.config import Place, Schedule, SimulationConfig
from aloe.errors import ContextError
from aloe.graphs.checkpoints import Checkpoints
from aloe.graphs.expansion import Siblings, frontier
from aloe.memory.disclosures import DisclosureChecker
from aloe.schema import (
    AssistantNode,
    Disclosure,
    Persona,
    Tree,
    UserNode,
    Verdict,
)

AnyNode = UserNode | AssistantNode
N = TypeVar("N", UserNode, AssistantNode)

logger = logging.getLogger("aloe")

STEPS_OF_A_TURN = 14
"""More than the nodes of a turn: its graph runs under the recursion limit of the tree."""


class User(Protocol):
    """Writes the user's messages: a model (`UserAgent`), or a rule."""

    async def speak(self, persona: Persona, tree: str, path: Path) -> UserNode:
        """Write the user message that follows `path`."""

    def done(self, persona: Persona, user: UserNode) -> bool:
        """Whether the conversation has come to its end."""


class Marker(Protocol):
    """Marks what a message reveals: a model (`Inducer`), or a rule."""

    async def induce(self, tree: str, user: UserNode) -> tuple[Disclosure, ...]:
        """Return what `user`, a message, reveals."""


@dataclass(frozen=True, kw_only=True)
class SimulationContext:
    """What the nodes of both graphs work with."""

    user: User
    inducer: Marker
    assistants: tuple[Assistant, ...]
    judge: Judge
    ledger: DisclosureChecker
    config: SimulationConfig
    schedule: Schedule = "round_robin"
    """Which of more than two candidates are compared."""
    roles: tuple[RoleAgent, ...] = ()
    """Roles of the user's own beside the assistants; see `aloe.agents.roles`."""

    @property
    def places(self) -> frozenset[Place]:
        """Where in a turn they work."""
        return frozenset(role.place for role in self.roles)


class TurnTask(TypedDict):
    """What one exchange starts from."""

    tree: str
    persona: Persona
    path: Sequence[AnyNode]
    revealed: tuple[Disclosure, ...]


class TurnState(TurnTask):
    """One exchange in the making."""

    user: UserNode
    candidates: Annotated[list[AssistantNode], operator.add]
    nodes: list[AnyNode]
    verdicts: list[Verdict]


class NotedTask(TurnTask):
    """A task on which roles have worked before the user speaks."""

    notes: dict[str, JsonValue]
    """What they noted, until there is a message to note it on."""


class TurnWithRoles(TurnState, NotedTask):
    """One exchange in the making, roles of the user's own among its agents."""


class TurnResult(TypedDict):
    """What one exchange adds to its tree."""

    nodes: list[AnyNode]
    verdicts: list[Verdict]


class AssistantTask(TypedDict):
    """One assistant's part of an exchange."""

    agent: str
    tree: str
    path: Sequence[AnyNode]
    user: UserNode
    revealed: tuple[Disclosure, ...]


class TreeInput(TypedDict):
    """What a tree grows from."""

    tree: str
    persona: Persona
    turn: NotRequired[int]
    """Turns that are there already; left out of a new tree, like the rest."""
    nodes: NotRequired[Annotated[list[AnyNode], operator.add]]
    verdicts: NotRequired[Annotated[list[Verdict], operator.add]]


class TreeState(TypedDict):
    """A tree in the making."""

    tree: str
    persona: Persona
    turn: int
    nodes: Annotated[list[AnyNode], operator.add]
    verdicts: Annotated[list[Verdict], operator.add]
    frontier: list[str | None]


Context = Runtime[SimulationContext]


async def speak(state: TurnTask, runtime: Context) -> dict[str, Any]:
    """Let the user write the next message."""
    user = runtime.context.user
    return {"user": await user.speak(state["persona"], state["tree"], state["path"])}


async def speak_with_notes(state: NotedTask, runtime: Context) -> dict[str, Any]:
    """Let the user write the next message, and note on it what roles noted before."""
    user: UserNode = (await speak(state, runtime))["user"]
    return {"user": user.model_copy(update={"notes": state["notes"]})}


async def induce(state: TurnState, runtime: Context) -> dict[str, Any]:
    """Enter what the message reveals into the ledger."""
    new = await runtime.context.inducer.induce(state["tree"], state["user"])
    user = state["user"].model_copy(update={"revealed": new})
    return {"user": user, "revealed": (*state["revealed"], *new)}


async def fan_out(state: TurnState, runtime: Context) -> list[Send]:
    """Send the message to every assistant."""
    return [
        Send(
            "assistant",
            AssistantTask(
                agent=agent.name,
                tree=state["tree"],
                path=state["path"],
                user=state["user"],
                revealed=state["revealed"],
            ),
        )
        for agent in runtime.context.assistants
    ]


async def answer(state: AssistantTask, runtime: Context) -> dict[str, Any]:
    """Let one assistant answer."""
    agent = next(a for a in runtime.context.assistants if a.name == state["agent"])
    node = await agent.reply(state["tree"], state["path"], state["user"], state["revealed"])
    return {"candidates": [node]}


async def judge(state: TurnState, runtime: Context) -> TurnResult:
    """Compare the candidates with each other."""
    context, candidates = runtime.context, state["candidates"]

    async def compare(first: AssistantNode, second: AssistantNode) -> Verdict:
        return await context.judge.compare(
            Comparison(
                persona=state["persona"],
                tree=state["tree"],
                path=state["path"],
                user=state["user"],
                first=first,
                second=second,
            )
        )

    verdicts = await compare_all(candidates, compare, context.schedule)
    return {"nodes": [state["user"], *candidates], "verdicts": verdicts}


async def check(state: TurnState, runtime: Context) -> dict[str, Any]:
    """Hold what was said against the persona, if settings want it."""
    if not runtime.context.config.check_ledger:
        return {"nodes": [state["user"], *state["candidates"]]}
    user, replies = await asyncio.to_thread(
        runtime.context.ledger.check,
        state["persona"],
        state["tree"],
        state["path"],
        state["user"],
        state["candidates"],
    )
    return {"nodes": [user, *replies]}


def _hook(place: Place) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Return the node of the roles at one place: each sees what those before it changed."""

    async def play(state: TurnWithRoles, runtime: Context) -> dict[str, Any]:
        now = state.copy()
        for role in runtime.context.roles:
            if role.place == place:
                update = await role.update(_seen(now))
                now.update(_applied(now, role.name, update))  # type: ignore[typeddict-item]
        changed = {key: value for key, value in now.items() if value is not state.get(key)}
        if "candidates" in changed:
            changed["candidates"] = Overwrite(now["candidates"])
        return changed

    return play


def _seen(state: TurnWithRoles) -> Exchange:
    return Exchange(
        tree=state["tree"],
        path=state["path"],
        played=state["persona"],
        said=state.get("user"),
        revealed=state["revealed"],
        candidates=tuple(state.get("candidates", ())),
        verdicts=tuple(state.get("verdicts", ())),
    )


def _applied(state: Mapping[str, Any], name: str, update: Update) -> dict[str, Any]:
    """Return what an update of the role `name` changes in the state."""
    if "user" not in state:
        notes = noted(state.get("notes", {}), name, update.note)
        return {"notes": notes, "persona": update.persona or state["persona"]}
    user = state["user"]
    if update.text:
        user = reworded(user, update.text, state["tree"])
    own = {**update.notes} if update.note is None else {**update.notes, user.id: update.note}
    changed: dict[str, Any] = {"user": _with_note(user, name, own)}
    if candidates := state.get("candidates"):
        changed["candidates"] = [_with_note(node, name, own) for node in candidates]
    return changed


def _with_note(node: N, name: str, notes: Mapping[str, Any]) -> N:
    """Return `node` with its note among `notes`, which go by node id."""
    if node.id not in notes:
        return node
    return node.model_copy(update={"notes": noted(node.notes, name, notes[node.id])})


@cache
def turn_graph(places: frozenset[Place] = frozenset()) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph of one exchange, with a node for each of the `places` where roles work."""
    schema = TurnWithRoles if places else TurnState
    graph = StateGraph(schema, SimulationContext, input_schema=TurnTask, output_schema=TurnResult)
    if "before user" in places:
        graph.add_node("user", speak_with_notes, input_schema=NotedTask)
    else:
        graph.add_node("user", speak, input_schema=TurnTask)
    graph.add_node("inducer", induce)
    graph.add_node("assistant", answer, input_schema=AssistantTask)
    graph.add_node("judge", judge)
    graph.add_node("check", check)
    before = _chain(graph, places, START, ("before user", "user", "after user", "inducer",
                                           "after inducer"))  # fmt: skip
    graph.add_conditional_edges(before, fan_out, ["assistant"])
    after = _chain(graph, places, "assistant", ("after assistant", "judge", "after judge", "check"))
    graph.add_edge(after, END)
    return graph.compile(name="turn")


def _chain(
    graph: StateGraph[Any, Any, Any, Any],
    places: frozenset[Place],
    last: str,
    steps: Sequence[str],
) -> str:
    """Add an edge from each step to the next, leaving out places without roles; return the last."""
    for step in steps:
        if step in get_args(Place):
            place = cast(Place, step)
            if place not in places:
                continue
            graph.add_node(place, _hook(place))
        graph.add_edge(last, step)
        last = step
    return last


async def expand(state: TreeState, runtime: Context) -> dict[str, Any]:
    """Choose what is continued: the opening first, then candidates of the turn just played."""
    turn = state.get("turn", 0)
    config = runtime.context.config
    if turn == 0:
        return {"turn": 1, "frontier": [None]}
    if turn >= config.turns:
        return {"frontier": []}
    nodes, verdicts = state["nodes"], state["verdicts"]
    level = [
        Siblings(
            user=user.id,
            candidates=[n for n in nodes if isinstance(n, AssistantNode) and n.parent == user.id],
            verdicts=[v for v in verdicts if v.node == user.id],
        )
        for user in nodes
        if user.role == "user" and user.turn == turn and not _done(state, user, runtime.context)
    ]
    chosen = frontier(config, state["tree"], turn, level, len(nodes))
    return {"turn": turn + 1, "frontier": chosen}


def _done(state: TreeState, user: UserNode, context: SimulationContext) -> bool:
    return context.config.stop_when_done and context.user.done(state["persona"], user)


async def branch_out(state: TreeState) -> list[Send] | str:
    """Send every branch of the frontier on, or end."""
    if not state["frontier"]:
        return END
    by_id = {node.id: node for node in state["nodes"]}
    return [Send("turn", _task(state, by_id, leaf)) for leaf in state["frontier"]]


def _task(state: TreeState, by_id: dict[str, AnyNode], leaf: str | None) -> TurnTask:
    path: list[AnyNode] = []
    while leaf is not None:
        path.append(by_id[leaf])
        leaf = path[-1].parent
    path.reverse()
    revealed = tuple(d for node in path if node.role == "user" for d in node.revealed)
    return TurnTask(tree=state["tree"], persona=state["persona"], path=path, revealed=revealed)


@cache
def tree_graph(places: frozenset[Place] = frozenset()) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph of a whole tree; `places` as in `turn_graph`."""
    graph = StateGraph(TreeState, SimulationContext, input_schema=TreeInput)
    graph.add_node("expand", expand)
    graph.add_node("turn", _turn(places), input_schema=TurnTask)
    graph.add_edge(START, "expand")
    graph.add_conditional_edges("expand", branch_out, ["turn", END])
    graph.add_edge("turn", "expand")
    return graph.compile(name="tree")


def _turn(places: frozenset[Place]) -> Callable[..., Awaitable[TurnResult]]:
    """Return the node of one exchange, which is left out where a model cannot read so far."""
    graph = turn_graph(places)

    async def turn(state: TurnTask, config: RunnableConfig, runtime: Context) -> TurnResult:
        try:
            return cast(TurnResult, await graph.ainvoke(state, config, context=runtime.context))
        except ContextError as error:
            if not state["path"]:
                raise
            logger.warning("tree %s: a branch ends: %s", state["tree"], error)
            return TurnResult(nodes=[], verdicts=[])

    return turn


def _input(tree: str, persona: Persona, start: Tree | None) -> TreeInput:
    if start is None:
        return TreeInput(tree=tree, persona=persona)
    return TreeInput(
        tree=tree,
        persona=persona,
        turn=max(node.turn for node in start.nodes),
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
        start: the same tree with fewer turns, which are kept; None to begin at the opening.
        checkpoints: where its states are kept; None: nowhere.

    Raises:
        ModelError: the run cannot go on.
        StoreError: the checkpoints cannot be kept.
        CallError: a call failed for good; the tree is lost, others may pass.
    """
    tree = Tree.id_for(persona, seed)
    graph, given = tree_graph(context.places), _input(tree, persona, start)
    settings: RunnableConfig = {"recursion_limit": STEPS_OF_A_TURN + 2 * context.config.turns}
    if checkpoints:
        state = await checkpoints.run(graph, given, settings, context)
    else:
        state = await graph.ainvoke(given, settings, context=context)
    return Tree(
        id=tree,
        persona=persona,
        seed=seed,
        models=models,
        nodes=tuple(state["nodes"]),
        verdicts=tuple(state["verdicts"]),
        mood=mood_of(context.config.moods, tree),
    )
