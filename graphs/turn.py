"""The state machine of one turn: one exchange on one branch of a tree.

    START -> user -> inducer => assistant x agents -> judge -> check -> END

The user speaks, the inducer marks what was revealed, all assistants answer in parallel, the judge
compares their replies, and what was said is checked against the persona, too late for any agent to
learn from it. Custom roles (`aloe.agents.roles`) get nodes between these, where settings
have any; without them the graph is the one drawn here.

A turn is a graph of its own so that the branches of a tree do not wait for each other between
roles, and so that other graphs can use it. All nodes and branches are coroutines, also those that
wait for nothing: LangGraph sends others through a thread.
"""

import asyncio
import operator
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, NotRequired, TypeVar, cast, get_args

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite, Send
from pydantic import JsonValue
from typing_extensions import TypedDict

from aloe.agents.judge import Comparison
from aloe.agents.rewording import Rewording
from aloe.agents.role_agent import noted, reworded
from aloe.agents.roles import Exchange, Update
from aloe.agents.schedule import compare_all
from aloe.config import Place
from aloe.graphs.context import SimulationContext
from aloe.schema import AssistantNode, Disclosure, Node, Persona, UserNode, Verdict

N = TypeVar("N", UserNode, AssistantNode)


class TurnTask(TypedDict):
    """What one exchange starts from."""

    tree: str
    persona: Persona
    path: Sequence[Node]
    revealed: tuple[Disclosure, ...]


class TurnState(TurnTask):
    """One exchange in the making."""

    user: UserNode
    candidates: Annotated[list[AssistantNode], operator.add]
    nodes: list[Node]
    verdicts: list[Verdict]


class NotedTask(TurnTask):
    """A task on which roles have worked before the user speaks."""

    notes: dict[str, JsonValue]
    """What they noted, until there is a message to note it on."""
    played: NotRequired[Persona | None]
    """Who the user is in this exchange, if one of them said so."""


class TurnWithRoles(TurnState, NotedTask):
    """One exchange in the making, custom roles among its agents."""


class TurnResult(TypedDict):
    """What one exchange adds to its tree."""

    nodes: list[Node]
    verdicts: list[Verdict]


class AssistantTask(TypedDict):
    """One assistant's part of an exchange."""

    agent: str
    tree: str
    path: Sequence[Node]
    user: UserNode
    revealed: tuple[Disclosure, ...]


Context = Runtime[SimulationContext]


async def speak(state: TurnTask, runtime: Context) -> dict[str, Any]:
    """Let the user write the next message."""
    user = runtime.context.user
    return {"user": await user.speak(state["persona"], state["tree"], state["path"])}


async def speak_with_notes(state: NotedTask, runtime: Context) -> dict[str, Any]:
    """Let the user write the next message, and record what roles noted and changed before."""
    user: UserNode = (await speak(state, runtime))["user"]
    before = {"notes": state["notes"], "played": state.get("played")}
    return {"user": user.model_copy(update=before)}


async def induce(state: TurnState, runtime: Context) -> dict[str, Any]:
    """Note what the message reveals."""
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


async def judge(state: TurnState, runtime: Context) -> dict[str, list[Verdict]]:
    """Compare the candidates with each other."""
    context = runtime.context

    async def compare(first: AssistantNode, second: AssistantNode) -> Verdict:
        return await context.judge.compare(
            Comparison(
                persona=state["persona"],
                tree=state["tree"],
                path=tuple(state["path"]),
                user=state["user"],
                first=first,
                second=second,
            )
        )

    at_once = context.at_once
    found = await compare_all(state["candidates"], compare, context.schedule, at_once=at_once)
    return {"verdicts": found}


async def check(state: TurnState, runtime: Context) -> dict[str, Any]:
    """Hold what was said against the persona, if settings want it."""
    if not runtime.context.config.check_ledger:
        return {"nodes": [state["user"], *state["candidates"]]}
    user, replies = await asyncio.to_thread(
        runtime.context.checker.check,
        state["persona"],
        state["tree"],
        state["path"],
        state["user"],
        state["candidates"],
        scheduled=runtime.context.disclosure == "schedule",
    )
    return {"nodes": [user, *replies]}


def _make_hook(place: Place) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Return the node of the roles at one place: each sees what those before it changed."""

    async def play(state: TurnWithRoles, runtime: Context) -> dict[str, Any]:
        now = state.copy()
        for role in runtime.context.roles:
            if role.place == place:
                before, exchange = now.get("user"), _exchange_of(now, role.name)
                model = role.model_for(exchange)
                update = await role.update(exchange, model)
                now.update(_apply(now, role.name, update))  # type: ignore[typeddict-item]
                if before and update.text and now["user"].id != before.id:
                    reply = model.reply_in(update.text)
                    changed = Rewording(draft=before, user=now["user"], reply=reply)
                    now["user"] = await _recheck(now, changed, runtime)
        found = {key: value for key, value in now.items() if value is not state.get(key)}
        if "candidates" in found:
            found["candidates"] = Overwrite(now["candidates"])
        return found

    return play


async def _recheck(state: TurnWithRoles, changed: Rewording, runtime: Context) -> UserNode:
    user = runtime.context.user
    return await user.recheck(state["persona"], state["tree"], state["path"], changed)


def _exchange_of(state: TurnWithRoles, role: str) -> Exchange:
    return Exchange(
        role=role,
        tree=state["tree"],
        path=tuple(state["path"]),
        played=state["persona"],
        said=state.get("user"),
        revealed=state["revealed"],
        candidates=tuple(state.get("candidates", ())),
        verdicts=tuple(state.get("verdicts", ())),
    )


def _apply(state: Mapping[str, Any], name: str, update: Update) -> dict[str, Any]:
    """Return what an update of the role `name` changes in the state."""
    if "user" not in state:
        notes = noted(state.get("notes", {}), name, update.note)
        persona, played = state["persona"], state.get("played")
        if update.persona and update.persona != persona:
            persona = played = update.persona
        return {"notes": notes, "persona": persona, "played": played}
    user = state["user"]
    if update.text:
        user = reworded(user, update.text, state["tree"])
    before = state["revealed"][: len(state["revealed"]) - len(state["user"].revealed)]
    own = {**update.notes} if update.note is None else {**update.notes, user.id: update.note}
    changed: dict[str, Any] = {
        "user": _add_note(user, name, own),
        "revealed": (*before, *user.revealed),
    }
    if candidates := state.get("candidates"):
        changed["candidates"] = [_add_note(node, name, own) for node in candidates]
    return changed


def _add_note(node: N, name: str, notes: Mapping[str, Any]) -> N:
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
            graph.add_node(place, _make_hook(place))
        graph.add_edge(last, step)
        last = step
    return last
