"""One exchange that shows what a run is about: the one whose preference is clearest.

Where a program can check the wishes, clearest means most wishes apart; elsewhere, the judge's
margin. Among equals, replies that do not repeat themselves come first, then the later turn, when
more is known of the user.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from aloe.memory.verifiable.scoring import check_wishes, measure_satisfaction
from aloe.schema import AssistantNode, Tree, UserNode, Verdict
from aloe.views.folding import Pairs, said
from aloe.views.marks import STAR, preference
from aloe.views.ticks import draw_ticks


@dataclass(frozen=True, kw_only=True)
class Highlight:
    """A user message and the replies to it, one of which is preferred."""

    tree: Tree
    user: UserNode
    best: str
    """Id of the preferred reply."""

    @property
    def replies(self) -> list[AssistantNode]:
        """The replies, the preferred one first, then others that lost to nobody."""
        found = [n for n in self.tree.children(self.user.id) if isinstance(n, AssistantNode)]
        return sorted(found, key=lambda r: (r.id != self.best, preference(self.tree, r) != STAR))

    def __rich__(self) -> Pairs:
        """Draw it, with ticks where a program can check."""
        persona = self.tree.played(self.user.id)
        life = [fact.text for fact in persona.facts if fact.kind == "fact"]
        wants = [fact.text for fact in persona.facts if fact.kind == "trait"]
        rows = [
            (Text("who", "dim"), said(" ".join(life[:2]))),
            (Text("wants", "dim"), said(" ".join(wants))),
            (Text(f"user, turn {self.user.turn}", "bold"), said(self.user.content)),
        ]
        for reply in self.replies:
            sign = preference(self.tree, reply)
            rows.append((Text(f"{sign} {reply.agent}"), said(reply.content)))
            checked = check_wishes(persona.preferences, reply.content)
            if checked:
                rows.append((Text(), draw_ticks(checked)))
        return Pairs(rows)

    def result(self) -> dict[str, Any]:
        """Return the same for a machine."""
        replies = [node.model_dump(mode="json") for node in self.replies]
        return {"tree": self.tree.id, "user": self.user.model_dump(mode="json"), "replies": replies}


def find_highlight(trees: Iterable[Tree]) -> Highlight | None:
    """Return the exchange with the clearest preference; None if no reply won and lost to nobody."""
    found = max(_decided(trees), key=lambda each: _clarity(*each), default=None)
    if found is None:
        return None
    tree, verdict = found
    user = tree.by_id[verdict.node]
    assert isinstance(user, UserNode)
    assert verdict.preferred
    return Highlight(tree=tree, user=user, best=verdict.preferred)


def _decided(trees: Iterable[Tree]) -> Iterator[tuple[Tree, Verdict]]:
    """Yield comparisons of whole replies that one of them won, which then lost to no other."""
    for tree in trees:
        for verdict in tree.verdicts:
            compared = [tree.by_id[each] for each in (verdict.first, verdict.second)]
            best = next((node for node in compared if node.id == verdict.preferred), None)
            if not isinstance(best, AssistantNode) or any(node.faults for node in compared):
                continue
            if preference(tree, best) == STAR:
                yield tree, verdict


def _clarity(tree: Tree, verdict: Verdict) -> tuple[float, float, int]:
    texts = [tree.by_id[each].content for each in (verdict.first, verdict.second)]
    variety, turn = min(map(_variety, texts)), tree.by_id[verdict.first].turn
    wishes = tree.played(verdict.node).preferences
    if not wishes:
        return abs(verdict.margin or 0.0), variety, turn
    first, second = (measure_satisfaction(wishes, text) for text in texts)
    apart = first - second if verdict.outcome == "first" else second - first
    return apart, variety, turn


def _variety(text: str) -> float:
    """Return the share of words that are not said before in the text, to one decimal."""
    words = text.lower().split()
    return round(len(set(words)) / max(1, len(words)), 1)
