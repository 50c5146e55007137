"""Judge comparisons that exist already: those of stored trees, those of gold pairs.

    START -> judge -> END

Nothing is grown. The graph is there for what LangGraph brings to every call: another try for
failures that often pass. Each comparison is a run of its own, so that one that fails for good
takes no other with it.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from aloe.agents.judge import Comparison, Judge
from aloe.agents.schedule import compare_all
from aloe.config import Schedule
from aloe.graphs.tree import RETRY
from aloe.schema import AssistantNode, Tree, UserNode, Verdict


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


async def judge_tree(tree: Tree, judge: Judge, schedule: Schedule) -> list[Verdict]:
    """Return the verdicts on all replies in `tree`, as if it had grown under this judge.

    Raises:
        ModelError: the judge's model is refused or gone.
        CallError: a call failed for good.
    """
    users = [node for node in tree.nodes if isinstance(node, UserNode)]
    return [each for user in users for each in await _judge_replies(tree, user, judge, schedule)]


async def _judge_replies(
    tree: Tree, user: UserNode, judge: Judge, schedule: Schedule
) -> list[Verdict]:
    *path, _ = tree.path(user.id)
    replies = [node for node in tree.children(user.id) if isinstance(node, AssistantNode)]

    async def compare(first: AssistantNode, second: AssistantNode) -> Verdict:
        comparison = Comparison(
            persona=tree.persona, tree=tree.id, path=path, user=user, first=first, second=second
        )
        return await judge_one(comparison, judge)

    return await compare_all(replies, compare, schedule)
