"""Supervised fine-tuning on packed trees: imitate the preferred reply of every turn.

The history of each reply is what was actually said on its branch, and the loss is the mean negative
log-probability over all reply tokens of an optimizer step, as TRL's completion-only loss has it.
"""

from typing import Any

from aloe.training.packed_dataset import Batch
from aloe.training.trainer import TreeTrainer


class TreeSftTrainer(TreeTrainer):
    """Imitates the replies in the rows."""

    def row_loss(self, _batch: Batch, log_probabilities: Any) -> Any:
        """Return the negative log-probability of all reply tokens."""
        return -log_probabilities.sum()
