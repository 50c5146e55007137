"""A conversation as other projects store it, and the tree that it is.

People's scores become verdicts: every two replies to one message that were both scored are
compared, the higher score wins, and equal scores are a tie. In which order the replies were shown
is unknown, so the order of a pair follows from their ids. An empty reply is kept and not compared,
nor are two of the same words. One reply with two scores is one node, and as good as not scored. Who
the user is stays empty unless the data say it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from aloe.schema import (
    AssistantNode,
    Lineage,
    Node,
    Outcome,
    Persona,
    Tree,
    UserNode,
    Verdict,
    Vote,
    digest,
)
from aloe.wording import same_text, visible

IMPORTED: Literal["imported"] = "imported"
"""Name of an assistant or a judge of whom nothing is known."""


@dataclass(frozen=True, kw_only=True)
class ScoredReply:
    """One reply to a message."""

    text: str
    agent: str = IMPORTED
    """Name of the model that wrote it."""
    score: float | None = None
    """How good it is; None if nobody said so. Only scores of one message are compared."""


_Scored = tuple[AssistantNode, ScoredReply]


@dataclass(frozen=True, kw_only=True)
class ConversationTurn:
    """A message of the user and the replies to it."""

    message: str
    replies: tuple[ScoredReply, ...] = ()
    goes_on: int = 0
    """Place of the reply that the conversation goes on with."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A whole conversation."""

    id: str
    """What names it; talks of one id are paths of one tree."""
    exchanges: tuple[ConversationTurn, ...]
    persona: Persona
    user: str = IMPORTED
    """Who wrote the messages: `human` where people are known to have."""
    rater: str = IMPORTED
    """The judge who gave the scores."""
    system: bool = False
    """Whether it had a system message, for which trees have no place."""
    reasoning: int = 0
    """Messages with what a model thought before it wrote them, which trees leave out, too."""

    def tree(self) -> Tree:
        """Return the tree."""
        name = digest(IMPORTED, self.id)
        nodes: list[Node] = []
        verdicts: list[Verdict] = []
        parent: str | None = None
        for turn, exchange in enumerate(self.exchanges, 1):
            user = UserNode.of(parent, exchange.message, tree=name, turn=turn, agent=self.user)
            written = [_node(user, reply) for reply in exchange.replies]
            unlike = _leave_out_repeats(zip(written, exchange.replies, strict=True))
            nodes += [user, *(node for node, _ in unlike)]
            verdicts += _verdicts(user, unlike, self.rater)
            parent = written[exchange.goes_on].id if written else None
        return Tree(
            id=name,
            persona=self.persona,
            seed=0,
            models={},
            nodes=tuple(nodes),
            verdicts=tuple(verdicts),
        )


def unknown(person: str) -> Persona:
    """Return the persona of somebody of whom nothing is known but that they are one person."""
    return Persona.of("", "", id=digest(IMPORTED, person))


def described(person: str, profile: str, personality: str) -> Persona:
    """Return the persona of somebody who is described; either text may be empty."""
    origin = Lineage(origin=IMPORTED)
    texts = {"profile": profile, "personality": personality}
    lineage = {kind: origin for kind, text in texts.items() if text}
    return Persona.of(**texts, lineage=lineage, id=digest(IMPORTED, person))


def verdict_of(
    user: str, better: str, worse: str, *, judge: str, raw: str = "", tie: bool = False
) -> Verdict:
    """Return the verdict of one judge, who prefers `better` or, at a `tie`, neither."""
    first, second = sorted((better, worse))
    choice: Literal["first", "second"] = "first" if first == better else "second"
    outcome: Outcome = "tie" if tie else choice
    vote = Vote(judge=judge, order="first-second", raw=raw, choice="tie" if tie else choice)
    return Verdict(node=user, first=first, second=second, votes=(vote,), outcome=outcome)


def _node(user: UserNode, reply: ScoredReply) -> AssistantNode:
    faults = () if visible(reply.text) else ("empty",)
    return AssistantNode.of(user.id, reply.text, agent=reply.agent, turn=user.turn, faults=faults)


def _leave_out_repeats(replies: Iterable[_Scored]) -> list[_Scored]:
    """Return each node once, without a score where two of its scores differ."""
    found: dict[str, _Scored] = {}
    for node, reply in replies:
        _, before = found.setdefault(node.id, (node, reply))
        if before.score != reply.score:
            found[node.id] = (node, replace(reply, score=None))
    return list(found.values())


def _verdicts(user: UserNode, replies: Sequence[_Scored], rater: str) -> list[Verdict]:
    found = []
    for one, other in combinations(replies, 2):
        (better, high), (worse, low) = sorted(
            (one, other), key=lambda each: each[1].score or 0.0, reverse=True
        )
        if high.score is None or low.score is None or better.faults or worse.faults:
            continue
        if same_text(high.text, low.text):
            continue
        raw = f"{high.score:g} against {low.score:g}"
        tie = high.score == low.score
        found.append(verdict_of(user.id, better.id, worse.id, judge=rater, raw=raw, tie=tie))
    return found
