"""How labels by return and the judge's labels agree, and the questions that only returns reward."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aloe.memory.questions import find_questions_in
from aloe.schema import Tree, Verdict

EXAMPLES = 5
"""Questions that are shown."""


@dataclass(frozen=True, kw_only=True)
class PaidQuestion:
    """A reply that asks, won by what came of it, and was not what the judge preferred."""

    tree: str
    turn: int
    message: str
    """What the user had said."""
    asked: str
    """The reply."""
    question: str
    """The last question in it that the user had not asked before."""
    instead: str
    """The reply that it was compared with."""
    judged: str
    """What the judge said: `lost`, `tie` or `abstain`."""
    difference: float
    """Its return minus the other's; positive."""


@dataclass(kw_only=True)
class LabelAgreement:
    """Counts over the comparisons of trees; see `add`."""

    comparisons: int = 0
    labelled: int = 0
    """Those with a label by return, decided or not."""
    compared: int = 0
    """Those whose replies both have a return over as many turns."""
    decided: int = 0
    """Those in which one reply has the better return."""
    ties: int = 0
    undecided: Counter[str] = field(default_factory=Counter)
    """Abstentions by reason."""
    both: int = 0
    """Those in which the judge and the returns prefer a reply each."""
    same: int = 0
    """Those of `both` in which it is the same reply."""
    settings: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Labels by rule, in words, and what levels are."""
    questions: list[PaidQuestion] = field(default_factory=list)
    """The `EXAMPLES` with the largest difference."""

    def add(self, tree: Tree) -> None:
        """Count the comparisons of a tree."""
        for verdict in tree.verdicts:
            self.comparisons += 1
            if label := verdict.by_return:
                self.labelled += 1
                self.settings[label.rule, label.levels] += 1
                self.compared += label.returns is not None
                self.ties += label.outcome == "tie"
                self.undecided.update([label.reason] if label.reason else [])
                if label.outcome in ("first", "second"):
                    self._add_decided(tree, verdict)
        self.questions = sorted(self.questions, key=lambda each: -each.difference)[:EXAMPLES]

    def _add_decided(self, tree: Tree, verdict: Verdict) -> None:
        assert verdict.by_return
        outcome, difference = verdict.by_return.outcome, verdict.by_return.difference or 0.0
        self.decided += 1
        self.both += verdict.preferred is not None
        self.same += verdict.outcome == outcome
        pair = (verdict.first, verdict.second)
        best, other = pair if outcome == "first" else pair[::-1]
        asked = tree.by_id[best].content
        said = [user.content for user in tree.path(verdict.node) if user.role == "user"]
        questions = () if verdict.preferred == best else find_questions_in(asked, said)
        if not questions:
            return
        self.questions.append(
            PaidQuestion(
                tree=tree.id,
                turn=tree.by_id[best].turn,
                message=said[-1],
                asked=asked,
                question=questions[-1],
                instead=tree.by_id[other].content,
                judged="lost" if verdict.preferred else verdict.outcome,
                difference=abs(difference),
            )
        )

    @property
    def turned(self) -> int:
        """Comparisons in which the judge prefers one reply and the returns the other."""
        return self.both - self.same

    @property
    def basis(self) -> str:
        """The settings of the labels in words; of several, the most frequent first."""
        return "; ".join(
            f"{rule}, levels are {LEVELS[levels]}"
            for (rule, levels), _ in self.settings.most_common()
        )

    def figures(self) -> dict[str, Any]:
        """Return the counts for machines."""
        return {
            "comparisons": self.comparisons,
            "decided": self.decided,
            "ties": self.ties,
            "undecided": dict(sorted(self.undecided.items())),
            "decided_in_both": self.both,
            "same": self.same,
            "turned": self.turned,
        }


LEVELS = {
    "wishes": "shares of wishes kept",
    "rated": "given ratings",
    "siblings": "shares of siblings beaten",
}
"""What levels are, by `ReturnLabel.levels`."""
