"""How far a training is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aloe.training.dataset import Method

Watch = Callable[["TrainingProgress"], None]
"""Called with how far a training is, often."""


@dataclass(kw_only=True)
class TrainingProgress:
    """Where a training is."""

    method: Method
    phase: str = "reading"
    step: int = 0
    steps: int = 0
    """0 until known."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry for each log, as the trainer makes it."""
    tokens: int = 0
    """Tokens that one pass over the data computes."""
    flat_tokens: int = 0
    """Tokens it would compute with one sequence an answer; 0 if not packed."""
    row_tokens: int = 0
    """Tokens of a packed row at most; 0 if not packed."""
    notes: list[str] = field(default_factory=list)
    """What a person should know before the first step, a line each."""
    watch: Watch = lambda _progress: None

    def update(self, **values: Any) -> None:
        """Set fields, and tell who watches."""
        for name, value in values.items():
            setattr(self, name, value)
        self.watch(self)
