"""One exchange that shows what a run is about: the one whose preference is clearest.

Where a program can check the wishes, clearest means most wishes apart, first among those that the
user had told; elsewhere, the judge's margin. Among equals, replies that do not repeat themselves
come first, then the later turn, when more is known of the user.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from aloe.memory.wish_checks import check_replies
from aloe.schema import AssistantNode, Persona, Tree, UserNode, Verdict
from aloe.views.folding import Pairs, said
from aloe.views.marks import STAR, preference
from aloe.views.ticks import UNTOLD, draw_ticks
from aloe.views.wishes import CheckedWish

Clarity = tuple[int, float, float, int]
"""Wishes apart that had been told; all of them, or the judge's margin; variety; turn."""


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
        persona, wishes = self.tree.played(self.user.id), check_replies(self.tree).checked
        rows = [
            *_describe(persona),
            (Text(f"user, turn {self.user.turn}", "bold"), said(self.user.content)),
        ]
        for reply in self.replies:
            sign = preference(self.tree, reply)
            rows.append((Text(f"{sign} {reply.agent}"), said(reply.content)))
            if checked := wishes.get(reply.id):
                rows.append((Text(), draw_ticks(checked)))
        if any(not wish.told for reply in self.replies for wish in wishes.get(reply.id, ())):
            rows.append((Text(), Text(UNTOLD, "dim")))
        return Pairs(rows)

    def result(self) -> dict[str, Any]:
        """Return the same for a machine."""
        replies = [node.model_dump(mode="json") for node in self.replies]
        return {"tree": self.tree.id, "user": self.user.model_dump(mode="json"), "replies": replies}


def _describe(persona: Persona) -> list[tuple[Text, Text]]:
    """Return who a user is and what it wants; wishes by the names that ticks have."""
    wants = Text("wants", "dim")
    if persona.preferences:
        named = (f"{name}: {value}" for name, value in persona.preferences.items())
        return [(wants, said(", ".join(named)))]
    life = [fact.text for fact in persona.facts if fact.kind == "fact"]
    traits = [fact.text for fact in persona.facts if fact.kind == "trait"]
    return [(Text("who", "dim"), said(" ".join(life[:2]))), (wants, said(" ".join(traits)))]


def find_highlight(trees: Iterable[Tree]) -> Highlight | None:
    """Return the exchange with the clearest preference; None if no reply won and lost to nobody."""
    found = max(_rank(trees), key=lambda each: each[0], default=None)
    if found is None:
        return None
    _, tree, verdict = found
    user = tree.by_id[verdict.node]
    assert isinstance(user, UserNode)
    assert verdict.preferred
    return Highlight(tree=tree, user=user, best=verdict.preferred)


def _rank(trees: Iterable[Tree]) -> Iterator[tuple[Clarity, Tree, Verdict]]:
    """Yield the comparisons of each tree that show a preference, with how clear it is."""
    for tree in trees:
        if decided := [each for each in tree.verdicts if _is_decided(tree, each)]:
            checked = check_replies(tree).checked
            for verdict in decided:
                yield _measure_clarity(tree, verdict, checked), tree, verdict


def _is_decided(tree: Tree, verdict: Verdict) -> bool:
    """Whether one of two whole replies won, which then lost to no other."""
    compared = [tree.by_id[each] for each in (verdict.first, verdict.second)]
    best = next((node for node in compared if node.id == verdict.preferred), None)
    if not isinstance(best, AssistantNode) or any(node.faults for node in compared):
        return False
    return preference(tree, best) == STAR


def _measure_clarity(
    tree: Tree, verdict: Verdict, checked: Mapping[str, Sequence[CheckedWish]]
) -> Clarity:
    texts = [tree.by_id[each].content for each in (verdict.first, verdict.second)]
    variety, turn = min(map(_variety, texts)), tree.by_id[verdict.first].turn
    ids = (verdict.preferred, verdict.rejected)
    better, worse = (checked.get(each or "", ()) for each in ids)
    pairs = list(zip(better, worse, strict=True))
    if not pairs:
        return 0, abs(verdict.margin or 0.0), variety, turn
    told = sum(one.kept - two.kept for one, two in pairs if one.told)
    return told, sum(one.kept - two.kept for one, two in pairs), variety, turn


def _variety(text: str) -> float:
    """Return the share of words that are not said before in the text, to one decimal."""
    words = text.lower().split()
    return round(len(set(words)) / max(1, len(words)), 1)
