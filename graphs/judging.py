"""Judge comparisons that exist already: those of stored trees, those of gold pairs.

    START -> judge -> END

Nothing is grown. The graph is there for what LangGraph brings to every call: another try for
failures that often pass. Each comparison is a run of its own, so that one that fails for good
takes no other with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from agents.judge import Comparison, Judge
from aloe.schema import AssistantNode, Tree, UserNode, Verdict
from graphs.tree import RETRY


class Asked(TypedDict):
    """What is judged."""

    asked: Comparison


class Judged(TypedDict):
    """What came of it."""

    verdict: Verdict


class JudgingState(Asked, Judged):
    """A comparison on its way to a verdict."""


@dataclass(frozen=True, kw_only=True)
class JudgingContext:
    """What the graph works with."""

    judge: Judge


async def _judge(state: Asked, runtime: Runtime[JudgingContext]) -> Judged:
    return {"verdict": await runtime.context.judge.compare(state["asked"])}


@cache
def judging_graph() -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph."""
    graph = StateGraph(JudgingState, JudgingContext, input_schema=Asked, output_schema=Judged)
    graph.set_node_defaults(retry_policy=RETRY)
    graph.add_node("judge", _judge, input_schema=Asked)
    graph.add_edge(START, "judge")
    graph.add_edge("judge", END)
    return graph.compile(name="judging")


async def judge_one(comparison: Comparison, judge: Judge) -> Verdict:
    """Return the verdict on one comparison.

    Raises:
        ModelError: the judge's model is refused or gone.
        CallError: a call failed for good.
    """
    state = await judging_graph().ainvoke(
        {"asked": comparison}, context=JudgingContext(judge=judge)
    )
    verdict: Verdict = state["verdict"]
    return verdict


def comparisons_of(tree: Tree) -> list[Comparison]:
    """Return what was compared in `tree`, in the order of its verdicts."""
    return [_comparison(tree, verdict) for verdict in tree.verdicts]


def _comparison(tree: Tree, verdict: Verdict) -> Comparison:
    path: Sequence[UserNode | AssistantNode]
    *path, user = tree.path(verdict.node)
    first, second = tree.by_id[verdict.first], tree.by_id[verdict.second]
    assert isinstance(user, UserNode)
    assert isinstance(first, AssistantNode)
    assert isinstance(second, AssistantNode)
    return Comparison(
        persona=tree.persona, tree=tree.id, path=path, user=user, first=first, second=second
    )
