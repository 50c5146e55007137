"""A simulated conversation inside your own LangGraph graph: grow a tree, then use it.

    python examples/subgraph.py

Here a second node counts what the tree's user revealed. Both steps can be streamed, and so can the
inner ones (`subgraphs=True`).
"""

import asyncio
import sys
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

import aloe


class State(TypedDict, total=False):
    """The simulation reads `persona` and `seed` and leaves `tree`; `told` is ours."""

    persona: aloe.Persona
    seed: int
    tree: aloe.Tree
    told: list[str]


def count(state: State) -> State:
    nodes = state["tree"].nodes
    return {"told": [each.quote for node in nodes if node.role == "user" for each in node.revealed]}


def build(model: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    graph = StateGraph(State)
    graph.add_node("simulate", aloe.graph(model=model, turns=2))
    graph.add_node("count", count)
    graph.add_edge(START, "simulate")
    graph.add_edge("simulate", "count")
    graph.add_edge("count", END)
    return graph.compile()


async def main(model: str = "local:smollm2-135m") -> None:
    persona = aloe.Persona.of("I mend bicycles. I live in Porto.", "I want plain answers.")
    async for _, step in build(model).astream({"persona": persona, "seed": 0}, subgraphs=True):
        print(", ".join(step))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
