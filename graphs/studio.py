"""The tree graph behind `langgraph dev`: plain JSON in, one finished tree out.

Inside the program, nodes get their agents through the context, which cannot be JSON. A server
receives text and numbers, so this graph builds the agents from those and runs the tree graph inside
its single node; LangGraph streams the inner steps too. `langgraph.json` refers to it.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, NotRequired

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from aloe.calls.log import CallLog
from aloe.config import DEFAULT_MODEL, Config, load
from aloe.graphs.context import SimulationContext, make_context, open_models
from aloe.graphs.expansion import check_expansion
from aloe.graphs.tree import grow_tree
from aloe.schema import Persona


class StudioInput(TypedDict):
    """Whom the user plays."""

    profile: str
    personality: str
    seed: NotRequired[int]


class StudioState(StudioInput):
    """The persona, and what became of it."""

    tree: dict[str, Any]
    """A line of trees.jsonl."""


class StudioOutput(TypedDict):
    """What the server answers."""

    tree: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StudioContext:
    """Settings that a caller can give."""

    model: str = DEFAULT_MODEL
    turns: int = 3
    expansion: str = "sample"


def _prepare(given: StudioContext) -> tuple[SimulationContext, dict[str, str]]:
    """Return the agents and the model strings; it reads files, so it runs in a thread."""
    settings: Config = load(
        None, {"simulation.turns": given.turns, "simulation.expansion": given.expansion}
    ).with_model(given.model, None)
    check_expansion(settings.simulation)
    models = open_models(settings)
    context = make_context(settings, models, CallLog())
    return context, {name: model.name for name, model in models.items()}


async def simulate(state: StudioInput, runtime: Runtime[StudioContext]) -> StudioOutput:
    """Grow one tree."""
    context, names = await asyncio.to_thread(_prepare, runtime.context or StudioContext())
    persona = Persona.of(state["profile"], state["personality"])
    tree = await grow_tree(persona, state.get("seed", 0), names, context)
    return {"tree": tree.model_dump(mode="json")}


def simulation() -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph that `langgraph dev` serves."""
    graph = StateGraph(
        StudioState, StudioContext, input_schema=StudioInput, output_schema=StudioOutput
    )
    graph.add_node("simulate", simulate, input_schema=StudioInput)
    graph.add_edge(START, "simulate")
    graph.add_edge("simulate", END)
    return graph.compile(name="simulation")
