"""How well each reply of a tree did in its own turn, for returns to add up (`aloe.memory.returns`).

A level is the share of wishes kept where whoever the user plays has wishes that a program can
check. Without such wishes it is what the caller gives, such as a pointwise judge's ratings, which
trees do not hold; and where nothing is given, the share of siblings that the judge ranks below the
reply, of those that can have a level themselves. That last one compares within one turn: it says
which reply was better there, not how good both were.

A reply has no level where nothing can be learnt from it: behind a user who spoiled the talk, with
a fault, empty, or using what its user had not told. What has no level says why.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from aloe.flaws import describe_flaw
from aloe.memory.questions import count_wanted, find_questions_in
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.persona import find_knowable
from aloe.ranking import beaten
from aloe.schema import AssistantNode, Tree, UserNode

LevelSource = Literal["wishes", "rated", "siblings"]


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The levels of a tree's replies."""

    source: LevelSource
    by_reply: Mapping[str, float]
    """By node id; shares are in [0, 1], ratings on the scale of whoever rated."""
    missing: Mapping[str, str]
    """Why a reply has none, by node id."""


def find_levels(tree: Tree, rated: Mapping[str, float] | None = None) -> Levels:
    """Return the levels of all replies in `tree`.

    Args:
        tree: any tree.
        rated: levels by node id, for replies to personas without checkable wishes.
    """
    source, known = _find_known(tree, rated or {})
    found: dict[str, float] = {}
    missing: dict[str, str] = {}
    for reply in tree.replies:
        if flaw := find_flaw(tree, reply):
            missing[reply.id] = flaw
        elif reply.id in known:
            found[reply.id] = known[reply.id]
        else:
            missing[reply.id] = "reply without a level"
    return Levels(source=source, by_reply=found, missing=missing)


def _find_known(tree: Tree, rated: Mapping[str, float]) -> tuple[LevelSource, Mapping[str, float]]:
    replies = tree.replies
    wishes = {node.id: tree.played(node.id).preferences for node in replies}
    if any(wishes.values()):
        return "wishes", {
            node.id: measure_satisfaction(wishes[node.id], node.content)
            for node in replies
            if wishes[node.id]
        }
    if any(node.id in rated for node in replies):
        return "rated", rated
    return "siblings", dict(_rank_siblings(tree))


def charge_questions(tree: Tree, levels: Levels, cost: float) -> Mapping[str, float]:
    """Return the levels of a tree's replies, by node id, less what their needless questions cost.

    What a question brought is what the user made of it in the next message; a reply that was
    answered several times is charged the mean. One that was not continued is charged only if the
    user had told everything, since no question can bring anything then.

    Args:
        tree: whose users answer what they are asked, or nothing is charged.
        levels: of its replies.
        cost: of each question that brought nothing, on the scale of the levels.
    """
    if not cost or not tree.disclosure:
        return levels.by_reply
    return {
        reply: level - cost * _count_needless(tree, reply)
        for reply, level in levels.by_reply.items()
    }


def _count_needless(tree: Tree, reply: str) -> float:
    """Return how many questions of a reply brought nothing; one is free if the user wants some."""
    *before, asking = tree.path(reply)
    said = [node for node in before if isinstance(node, UserNode)]
    persona = tree.played(reply)
    count = len(find_questions_in(asking.content, [node.content for node in said]))
    count = max(0, count - count_wanted(persona))
    answers = [node for node in tree.children(reply) if isinstance(node, UserNode)]
    if count and answers:
        return fmean(max(0, count - (answer.asked == "told")) for answer in answers)
    told = {each.about for node in said for each in node.told}
    return count if find_knowable(persona) <= told else 0


def find_flaw(tree: Tree, reply: AssistantNode) -> str | None:
    """Return why nothing can be learnt from a reply of `tree`, in the words of an export."""
    return tree.lost(reply.parent) or describe_flaw(reply)


def _rank_siblings(tree: Tree) -> Iterator[tuple[str, float]]:
    """Yield node ids with the share of siblings they beat, a tie counted half.

    Siblings that neither a verdict nor a chain of verdicts places are not counted. Nor are those
    from which nothing can be learnt, or who beats one of them would have a level for that.
    """
    for user in {verdict.node: None for verdict in tree.verdicts}:
        flawed = {node.id for node in tree.children(user) if describe_flaw(node)}
        verdicts = [v for v in tree.verdicts_on(user) if not flawed & {v.first, v.second}]
        order = beaten(verdicts)
        ties = [node for v in verdicts if v.outcome == "tie" for node in (v.first, v.second)]
        for node, below in order.items():
            above = sum(node in others for others in order.values())
            compared = len(below) + above + ties.count(node)
            if compared:
                yield node, (len(below) + ties.count(node) / 2) / compared
