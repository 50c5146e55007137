"""How a person is asked about two replies, and where the answers go.

`aloe label` and the browser of `aloe trace` ask alike: which reply is A depends on the person and
the pair alone, and nothing tells who wrote which.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aloe.files.appending import cut_torn_line
from aloe.labels import Answer, Label, append_labels, latest, pair_id, read_labels
from aloe.schema import AssistantNode, Tree, Verdict, digest
from aloe.wording import same_text, visible

ANSWERS: Mapping[str, Answer] = {"t": "tie", "=": "tie", "s": "skip"}
"""Keys that mean the same whatever is shown first."""


def can_be_asked(tree: Tree, verdict: Verdict) -> bool:
    """Whether both replies say something, and not the same."""
    first, second = (tree.by_id[each].content for each in (verdict.first, verdict.second))
    return bool(visible(first) and visible(second)) and not same_text(first, second)


@dataclass(frozen=True, kw_only=True)
class BlindPair:
    """Two replies as one person is shown them."""

    tree: Tree
    verdict: Verdict
    rater: str

    @cached_property
    def id(self) -> str:
        """Content hash under which the pair is labelled."""
        return pair_id(self.tree.id, self.verdict)

    @cached_property
    def sides(self) -> tuple[Answer, Answer]:
        """Which reply is A, and which B."""
        swapped = int(digest("shown", self.rater, self.id), 16) % 2 == 1
        return ("second", "first") if swapped else ("first", "second")

    @property
    def a(self) -> AssistantNode:
        """The reply shown as A."""
        return self._reply(self.sides[0])

    @property
    def b(self) -> AssistantNode:
        """The reply shown as B."""
        return self._reply(self.sides[1])

    def _reply(self, side: Answer) -> AssistantNode:
        verdict = self.verdict
        node = self.tree.by_id[verdict.first if side == "first" else verdict.second]
        assert isinstance(node, AssistantNode)
        return node

    @property
    def answers(self) -> dict[str, Answer]:
        """What each key means."""
        return {**ANSWERS, "a": self.sides[0], "b": self.sides[1]}

    def label(self, key: str, seconds: float) -> Label:
        """Return the answer that a key stands for, given after some seconds."""
        return Label(
            pair=self.id,
            tree=self.tree.id,
            node=self.verdict.node,
            first=self.verdict.first,
            second=self.verdict.second,
            rater=self.rater,
            answer=self.answers[key],
            shown="second-first" if self.sides[0] == "second" else "first-second",
            seconds=round(seconds, 1),
        )


class LabelSheet:
    """The labels of a run, as one person goes on with them.

    Args:
        path: labels.jsonl; it need not exist.
        rater: the person.

    Raises:
        InputError: a line is broken (with its number).
    """

    def __init__(self, path: Path, rater: str) -> None:
        self.path = path
        self.rater = rater
        cut_torn_line(path)
        self.labels = read_labels(path)

    def answered(self) -> set[str]:
        """Return the pairs that this person is done with."""
        return {label.pair for label in self.labels if label.rater == self.rater}

    def add(self, *labels: Label) -> None:
        """Keep answers, all or none.

        Raises:
            StoreError: the file cannot be written.
        """
        append_labels(self.path, labels)
        self.labels = latest([*self.labels, *labels])
