"""The tree graph behind `langgraph dev`: plain JSON in, one finished tree out.

Inside the program, nodes get their agents through the context, which cannot be JSON. A server
receives text and numbers, so this graph builds the agents from those and runs the tree graph inside
its single node; LangGraph streams the inner steps too. `langgraph.json` refers to it.

The server has no password, and any page open in the user's browser can reach it. So a request can
choose only among the models and policies of the settings, `ALOE_STUDIO_CONFIG` or the defaults, and
`aloe.graphs.own_pages` accepts only requests from pages that belong here.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from aloe.calls.log import CallLog
from aloe.config import EXPANSION_NAMES, Config, load
from aloe.errors import ConfigError
from aloe.graphs.checks import check_rollouts, check_simulation
from aloe.graphs.context import SimulationContext, make_context, open_models
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


SETTINGS = "ALOE_STUDIO_CONFIG"
"""Environment variable that names a file of settings."""


@dataclass(frozen=True, kw_only=True)
class StudioContext:
    """Settings that a caller can give; None leaves those of the server."""

    model: str | None = None
    """One of those that the settings name, for all roles."""
    turns: int | None = None
    expansion: str | None = None


def _prepare(given: StudioContext) -> tuple[SimulationContext, dict[str, str]]:
    """Return the agents and the model strings; it reads files, so it runs in a thread."""
    file = os.environ.get(SETTINGS)
    settings: Config = load(Path(file) if file else None)
    known = sorted({each.model for each in settings.models.by_role().values()})
    if given.model not in (None, *known):
        raise ConfigError(
            f"the settings name {', '.join(known)} and no other model; see {SETTINGS}"
        )
    if given.expansion not in (None, *EXPANSION_NAMES, settings.simulation.expansion):
        raise ConfigError(f"expansion is one of {', '.join(EXPANSION_NAMES)}, or the settings' own")
    asked = {"turns": given.turns, "expansion": given.expansion}
    changes = {name: value for name, value in asked.items() if value is not None}
    settings = settings.with_model(given.model, None).updated(
        {"simulation": changes}, source="request"
    )
    check_simulation(settings)
    check_rollouts(settings)
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
