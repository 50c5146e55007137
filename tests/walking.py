"""A LangGraph agent that takes many steps."""

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

STEPS = 60


class Walk(TypedDict):
    steps: int


def _step(state: Walk) -> Walk:
    return {"steps": state["steps"] + 1}


def _goes_on(state: Walk) -> str:
    return END if state["steps"] >= STEPS else "step"


async def walk() -> int:
    """Return the steps of an agent that takes many."""
    graph = StateGraph(Walk).add_node("step", _step).add_edge(START, "step")
    agent = graph.add_conditional_edges("step", _goes_on, ["step", END]).compile()
    return int((await agent.ainvoke({"steps": 0}))["steps"])
