"""What a node is in its tree, in symbols that need no colour.

The drawing, the browser and the page use the same symbols, so that one legend serves all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from math import tanh
from typing import TYPE_CHECKING, Any

from aloe.number_format import format_number
from aloe.views.answers import describe_note

if TYPE_CHECKING:
    from aloe.schema import AssistantNode, Node, Persona, Tree, Verdict

LEGEND = (
    "▶ continued   ★ preferred   = tie   ? judge abstains   ⚠ fault   "
    "◆ revealed   ◇ used before it was told"
)

STAR = "★"
"""The sign of a reply that won and lost to nobody."""

NOBODY = "(no persona)"
"""What stands for the texts of a persona that has none, as in a chat as oneself."""

CELLS = 5
"""Width of a bar; a full one is certainty."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the judge thinks of a reply beside its siblings."""

    text: str
    """Mean log-odds in its favour, such as `+0.12`, or votes for it, such as `2/2` or
    `0/2, 1 tied`."""
    share: float
    """How sure it is, within -1..1; negative is against the reply."""

    @property
    def bar(self) -> str:
        """The share as up to `CELLS` blocks: solid in favour, hollow against."""
        cells = round(abs(self.share) * CELLS)
        return ("▮" if self.share > 0 else "▯") * cells


def verdicts_about(tree: "Tree", node: "AssistantNode") -> "list[Verdict]":
    """Return the comparisons in which `node` took part."""
    return [v for v in tree.verdicts_on(node.parent) if node.id in (v.first, v.second)]


def preference(tree: "Tree", node: "AssistantNode") -> str:
    """Return `★`, `=`, `?` or a blank; a star is for a reply that won and lost to nobody."""
    verdicts = verdicts_about(tree, node)
    won = any(verdict.preferred == node.id for verdict in verdicts)
    if won and not any(verdict.rejected == node.id for verdict in verdicts):
        return STAR
    outcomes = {verdict.outcome for verdict in verdicts}
    return "?" if "abstain" in outcomes else "=" if "tie" in outcomes else " "


def score(tree: "Tree", node: "AssistantNode") -> Standing | None:
    """Return what the judge thinks of `node`; None if nobody was asked.

    Log-odds m are drawn as tanh(m/2), which is P(better) - P(worse).
    """
    verdicts = verdicts_about(tree, node)
    margins = [
        v.margin if v.first == node.id else -v.margin for v in verdicts if v.margin is not None
    ]
    if margins:
        mean = sum(margins) / len(margins)
        return Standing(text=format_number(mean, "{:+.2f}"), share=tanh(mean / 2))
    votes = [
        0 if vote.choice == "tie" else 1 if vote.choice == _side(verdict, node) else -1
        for verdict, vote in _readable(verdicts)
    ]
    if not votes:
        return None
    ties = f", {votes.count(0)} tied" if 0 in votes else ""
    return Standing(text=f"{votes.count(1)}/{len(votes)}{ties}", share=sum(votes) / len(votes))


def _side(verdict: "Verdict", node: "AssistantNode") -> str:
    return "first" if verdict.first == node.id else "second"


def _readable(verdicts: "Iterable[Verdict]") -> "Iterator[tuple[Verdict, Any]]":
    return ((v, vote) for v in verdicts for vote in v.votes if vote.choice is not None)


def fact_text(tree: "Tree", fact: str) -> str:
    """Return the statement whose id is `fact`, of the persona or of who else was played."""
    others = (node.played for node in tree.nodes if node.role == "user" and node.played)
    facts = (each for persona in chain([tree.persona], others) for each in persona.facts)
    return next((each.text for each in facts if each.id == fact), fact)


def short(ids: Iterable[str], least: int = 4) -> int:
    """Return how many digits, at least `least`, tell all of `ids` apart."""
    known = set(ids)
    length = least
    while length < 16 and len({each[:length] for each in known}) < len(known):
        length += 1
    return length


def profile_of(persona: "Persona") -> str:
    """Return who a user is, in one text."""
    return persona.profile or persona.personality or NOBODY


def notes(node: "Node") -> dict[str, str]:
    """Return what custom roles noted on `node`, in words, by role."""
    return {role: describe_note(note) for role, note in node.notes.items()}
