"""What judges made of two replies, in sentences for a page."""

import json
from collections.abc import Iterator
from math import exp
from typing import TYPE_CHECKING

from aloe.number_format import format_number
from aloe.players import RULE
from aloe.wording import same_text, visible

if TYPE_CHECKING:
    from aloe.schema import Outcome, ReturnLabel, Tree, Verdict, Vote


def describe_verdict(tree: "Tree", verdict: "Verdict") -> str:
    """Return who won, by how much and how surely."""
    first, second = (tree.by_id[each] for each in (verdict.first, verdict.second))
    names = _names(tree, verdict)
    if verdict.preferred:
        winner, loser = ("first", "second") if verdict.outcome == "first" else ("second", "first")
        said = f"{names[winner]} preferred to {names[loser]}"
    elif verdict.outcome == "tie":
        said = f"{names['first']} and {names['second']}: a tie"
    else:
        said = f"{names['first']} and {names['second']}: the judge abstains"
    if not verdict.votes:
        return f"{said}; {_why_unasked(first.content, second.content, verdict.outcome)}"
    said += "" if verdict.margin is None else f", by {abs(verdict.margin):.2f}"
    return said + ("" if verdict.confidence is None else f", {verdict.confidence:.0%} sure")


def _why_unasked(first: str, second: str, outcome: "Outcome") -> str:
    """Return why there are no votes, by the rule that gave the outcome without any."""
    if outcome == "tie" and same_text(first, second):
        return "the replies are identical" if first == second else "the replies look alike"
    empty = sum(not visible(text) for text in (first, second))
    if outcome == "abstain" and empty:
        return "both are empty" if empty == 2 else "one is empty"
    return "no judge was asked"


def describe_votes(tree: "Tree", verdict: "Verdict") -> Iterator[str]:
    """Yield a line for each vote, and one for what came of both replies where it is known."""
    names = _names(tree, verdict)
    for vote in verdict.votes:
        yield _count(vote, names) or _vote(vote, names)
    if verdict.by_return:
        yield _by_return(verdict.by_return, names)


def _names(tree: "Tree", verdict: "Verdict") -> dict[str, str]:
    """Return what to call the two replies: by who wrote them, and by id where one wrote both."""
    found = {side: tree.by_id[getattr(verdict, side)] for side in ("first", "second")}
    if found["first"].agent != found["second"].agent:
        return {side: node.agent for side, node in found.items()}
    return {side: f"{node.agent} {node.id[:6]}" for side, node in found.items()}


def _count(vote: "Vote", names: dict[str, str]) -> str | None:
    """Return what a rule counted; None of a vote that a model gave."""
    if vote.judge != RULE:
        return None
    try:
        found = json.loads(vote.raw)
        kept = [
            f"{names[side]} keeps {sum(found[side].values())} of {len(found[side])} wishes"
            for side in ("first", "second")
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return f"counted by rule: {', '.join(kept)}"


def _vote(vote: "Vote", names: dict[str, str]) -> str:
    one, two = (names[side] for side in vote.order.split("-"))
    found = names.get(vote.choice or "", "a tie" if vote.choice == "tie" else "unreadable")
    said = f"{vote.judge}, shown {one} as A and {two} as B"
    said += f", on {vote.criterion}: " if vote.criterion else ": "
    if vote.logprobs:
        a, b = (exp(each) for each in vote.logprobs)
        most = "at most " if vote.unlisted else ""
        said += f"{found}; {one} {most}{a:.0%}, {two} {most}{b:.0%}"
        return said + ("" if vote.tie is None else f", a tie {exp(vote.tie):.0%}")
    return f"{said}{found}; it said “{' '.join(vote.raw.split())}”"


def _by_return(label: "ReturnLabel", names: dict[str, str]) -> str:
    found = label.reason or {"tie": "a tie", "abstain": "no difference"}.get(label.outcome)
    said = f"by what came of them: {found or names[label.outcome] + ' is better'}"
    if label.returns:
        one, two = (format_number(each, "{:.2f}") for each in label.returns)
        said += f"; {names['first']} {one}, {names['second']} {two}"
        said += "" if label.error is None else f", standard error {label.error:.2f}"
    return said
