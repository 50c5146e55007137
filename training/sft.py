"""Supervised fine-tuning on packed trees: imitate the preferred reply of every turn.

The history of each reply is what was actually said on its branch, and the loss is the mean negative
log-probability over all reply tokens of an optimizer step, as TRL's completion-only loss has it.
"""

from collections.abc import Sequence
from typing import Any

from aloe.training.packing import Example, Packed
from aloe.training.trainer import Batch, TreeTrainer, batch_of


def sft_batch(examples: Sequence[Example]) -> Batch:
    """Return one row; its items are the reply tokens."""
    batch = batch_of(examples)
    return {**batch, "labels": batch["targets"]}


class TreeSftTrainer(TreeTrainer):
    """Imitates the replies in the rows."""

    def row_loss(self, _batch: Batch, _packed: Packed, log_probabilities: Any) -> Any:
        """Return the negative log-probability of all reply tokens."""
        return -log_probabilities.sum()
