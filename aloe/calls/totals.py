"""What the calls of a process cost, and what became of them."""

from collections import Counter
from dataclasses import dataclass, field

from aloe.calls.event import Event


@dataclass(kw_only=True)
class Totals:
    """Sums over the calls of this process."""

    calls: int = 0
    replayed: int = 0
    """Calls answered from the journal of an earlier, interrupted run; not part of the rest."""
    errors: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """US dollars over the calls whose price is known."""
    unpriced: int = 0
    """Calls whose price is not known."""
    estimated: int = 0
    """Calls whose tokens are made from the text, since their server counts none."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls by (role, outcome)."""

    @property
    def known_cost(self) -> float | None:
        """US dollars, to six places; None if the price of a call is not known."""
        return None if self.unpriced else round(self.cost, 6)

    def add(self, event: Event) -> None:
        """Count one call."""
        self.calls += 1
        self.errors += event.outcome == "error"
        self.input_tokens += event.input_tokens
        self.cached_tokens += event.cached_tokens
        self.output_tokens += event.output_tokens
        self.cost += event.cost or 0.0
        self.unpriced += event.cost is None
        self.estimated += event.estimated or bool(event.reply and event.reply.get("estimated"))
        self.outcomes[event.role, event.outcome] += 1
