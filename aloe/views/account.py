"""What calls took, added up: for a node, a tree or a run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aloe.number_format import counted


@dataclass(kw_only=True)
class Account:
    """Sums over some calls."""

    calls: int = 0
    seconds: float = 0.0
    """Time spent waiting for models; calls in parallel count each."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """US dollars."""
    unpriced: int = 0
    """Calls whose price is not known."""

    def add(self, event: Mapping[str, Any]) -> None:
        """Count one call; one that was carried over from another run took nothing in this one."""
        if event.get("carried"):
            return
        self.calls += 1
        self.seconds += event["latency"]
        self.input_tokens += event["input_tokens"]
        self.output_tokens += event["output_tokens"]
        self.cost += event["cost"] or 0.0
        self.unpriced += event["cost"] is None

    @property
    def money(self) -> str:
        """The cost as a person reads it."""
        return "unknown" if self.unpriced else f"${self.cost:.4f}"

    @property
    def text(self) -> str:
        """All of it in one line."""
        return (
            f"{counted(self.calls, 'call')}, {self.seconds:.1f} s of models, "
            f"{self.input_tokens:,} tokens read, {self.output_tokens:,} written, cost {self.money}"
        )


def accounts(
    events: Iterable[Mapping[str, Any]], by: Callable[[Mapping[str, Any]], str | None]
) -> dict[str, Account]:
    """Return the sums of `events` under what `by` says of each; None is left out."""
    found: dict[str, Account] = {}
    for event in events:
        if (name := by(event)) is not None:
            found.setdefault(name, Account()).add(event)
    return found


class Spending:
    """The calls of a run, added up as they are read: none of them is kept but each tree's last."""

    def __init__(self, events: Iterable[Mapping[str, Any]]) -> None:
        self.logged = False
        """Whether there is any call; without, what the run took is not known."""
        self.total = Account()
        self.by_tree: dict[str, Account] = {}
        self.by_role: dict[str, Account] = {}
        self.last: dict[str, Mapping[str, Any]] = {}
        for event in events:
            self.logged = True
            self.total.add(event)
            self.by_role.setdefault(event["role"], Account()).add(event)
            if tree := event["tree"]:
                self.by_tree.setdefault(tree, Account()).add(event)
                self.last[tree] = event
