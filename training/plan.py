"""What is to be trained."""

from dataclasses import dataclass
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
