"""What is to be trained, and how far it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aloe.config import TrainingConfig
from aloe.training.dataset import Method


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be trained."""

    method: Method
    settings: TrainingConfig
    data: Path
    out: Path
    start: str
    """Model string or checkpoint folder that training starts from."""
    seed: int = 0
    report_to: str = "none"

    @property
    def packed(self) -> bool:
        """Whether trees are packed; only SFT and DPO can be."""
        return self.settings.tree_packing and self.method in ("sft", "dpo")


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
    notes: list[str] = field(default_factory=list)
    """What a person should know before the first step, a line each."""


Watch = Callable[[TrainingProgress], None]
