"""From trees to training rows: pure functions, one row at a time.

Rows are TRL's conversational format. The prompt is what the deployed assistant would see: the
conversation as it happened on that branch, no hints and no instructions of ours. The answer is the
reply the judge preferred at that point, which need not be the one that the conversation continued
with; the history always is. A comparison without a label (a tie or an abstention), an empty reply
and a reply cut off at the token limit give no row; how many were left out, and why, is counted.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal

from typing_extensions import TypedDict

from aloe.schema import AssistantNode, Tree, Verdict

Format = Literal["sft", "dpo"]


class ChatMessage(TypedDict):
    """One message as TRL reads it."""

    role: str
    content: str


class SftRow(TypedDict):
    """A row for TRL's SFTTrainer: loss on the completion only."""

    prompt: list[ChatMessage]
    completion: list[ChatMessage]


class DpoRow(TypedDict):
    """A row for TRL's DPOTrainer."""

    prompt: list[ChatMessage]
    chosen: list[ChatMessage]
    rejected: list[ChatMessage]


Skipped = Counter[str]
"""Comparisons that gave no row, by reason."""


def sft_rows(tree: Tree, skipped: Skipped) -> Iterator[SftRow]:
    """Yield one row for each user message whose best reply is known.

    With more than two candidates the best is the one that wins every comparison it is in.
    """
    for user in (node for node in tree.nodes if node.role == "user"):
        verdicts = list(tree.verdicts_on(user.id))
        labelled = [v for v in verdicts if _usable(tree, v, skipped)]
        beaten = {verdict.rejected for verdict in labelled}
        best = {v.preferred for v in labelled if v.preferred} - beaten
        if len(best) == 1:
            yield {"prompt": _prompt(tree, user.id), "completion": _answer(tree, best.pop())}


def dpo_rows(tree: Tree, skipped: Skipped) -> Iterator[DpoRow]:
    """Yield one row for each comparison with a preference."""
    for verdict in tree.verdicts:
        if _usable(tree, verdict, skipped) and verdict.preferred and verdict.rejected:
            yield {
                "prompt": _prompt(tree, verdict.node),
                "chosen": _answer(tree, verdict.preferred),
                "rejected": _answer(tree, verdict.rejected),
            }


ROWS: dict[Format, Callable[[Tree, Skipped], Iterator[SftRow] | Iterator[DpoRow]]] = {
    "sft": sft_rows,
    "dpo": dpo_rows,
}


def _usable(tree: Tree, verdict: Verdict, skipped: Skipped) -> bool:
    if verdict.preferred is None:
        skipped[verdict.outcome] += 1
        return False
    pair = tree.by_id[verdict.first], tree.by_id[verdict.second]
    faults = [node.faults[0] for node in pair if isinstance(node, AssistantNode) and node.faults]
    if faults:
        skipped[f"{faults[0]} reply"] += 1
    return not faults


def _prompt(tree: Tree, user: str) -> list[ChatMessage]:
    return [{"role": node.role, "content": node.content} for node in tree.path(user)]


def _answer(tree: Tree, node: str) -> list[ChatMessage]:
    return [{"role": "assistant", "content": tree.by_id[node].content}]
