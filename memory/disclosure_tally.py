"""What the check of `aloe.memory.disclosures` found over many trees, in figures."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from aloe.schema import AssistantNode, Node, Tree, UserNode


@dataclass(kw_only=True)
class Tally:
    """What the check found over many trees."""

    messages: int = 0
    checked: int = 0
    """Of these, the ones that show a trace of the check."""
    marked: int = 0
    """Sentences that the inducer marked."""
    right: int = 0
    """Of these, the ones that reveal or contradict a statement or a wish of the persona."""
    stated: int = 0
    """Statements found in user messages, once a message."""
    found: int = 0
    """Of these, the ones in a sentence that the inducer marked."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Marked sentences by kind."""
    reasons: Counter[str] = field(default_factory=Counter)
    """What users were to tell, by reason."""
    replies: int = 0
    mind_reading: int = 0
    """Replies that use what was not told yet."""
    on_table: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Consistency of the messages of each turn with what was on the table."""

    def add(self, tree: Tree) -> None:
        """Count a tree."""
        self.add_nodes(tree.nodes)

    def add_nodes(self, nodes: Iterable[Node]) -> None:
        """Count messages of a tree."""
        for node in nodes:
            if isinstance(node, AssistantNode):
                self.replies += 1
                self.mind_reading += bool(node.mind_reading)
            else:
                self._add_message(node)

    def _add_message(self, node: UserNode) -> None:
        self.messages += 1
        self.checked += node.checked
        marked = [d for d in node.revealed if d.kind]
        self.marked += len(marked)
        self.right += sum(d.kind != "invented" for d in marked)
        self.kinds.update(d.kind for d in marked if d.kind)
        self.reasons.update(each.why for each in node.told)
        self.stated += len(node.stated)
        self.found += len({d.fact for d in marked} & set(node.stated))
        if node.consistency:
            self.on_table[node.turn].append(node.consistency.on_table)

    @property
    def unchecked(self) -> bool:
        """Whether nothing was looked at, as with `check_ledger = false`: then 0 says nothing."""
        return self.messages > 0 and not (self.checked or self.mind_reading)

    @property
    def recall(self) -> float | None:
        """Share of what users stated about their persona that the inducer marked."""
        return self.found / self.stated if self.stated else None

    @property
    def precision(self) -> float | None:
        """Share of what the inducer marked that is about the persona."""
        return self.right / self.marked if self.marked else None

    def counts(self) -> dict[str, int | None]:
        """Return how much of each was found; None where nothing was looked at."""
        found = {
            "stated": self.stated,
            "marked": self.marked,
            **{kind: self.kinds[kind] for kind in ("revealed", "contradicted", "invented")},
            "mind_reading": self.mind_reading,
        }
        return {name: None if self.unchecked else number for name, number in found.items()}

    def summary(self) -> dict[str, Any]:
        """Return the figures for machines; None stands for a share of nothing, too."""
        return {
            "recall": _rounded(self.recall),
            "precision": _rounded(self.precision),
            **self.counts(),
            "told": dict(self.reasons),
            "checked": self.checked,
            "messages": self.messages,
            "replies": self.replies,
            "consistency": {
                turn: _rounded(mean(values)) for turn, values in sorted(self.on_table.items())
            },
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
