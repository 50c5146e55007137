"""The trainers that compute shared prefixes once: SFT and DPO on packed trees."""

from typing import Any

from aloe.training import footprint
from aloe.training.dataset import TrainingData
from aloe.training.dpo import TreeDpoTrainer
from aloe.training.packed_dataset import PackedDataset, pack_dataset
from aloe.training.plan import Plan
from aloe.training.progress import TrainingProgress
from aloe.training.sft import TreeSftTrainer
from aloe.training.start import check_not_random, load_start


def make_tree_trainer(
    plan: Plan, data: TrainingData, arguments: Any, progress: TrainingProgress
) -> tuple[TreeSftTrainer | TreeDpoTrainer, Any]:
    """Return the tree trainer for a method, and the tokenizer.

    Args:
        plan: what is trained.
        data: its rows.
        arguments: TRL's, for the method.
        progress: is told how many tokens there are.

    Raises:
        InputError: the chat template refuses a row, or it is too long.
        ConfigError: a setting does not fit the model, or a step does not fit into memory.
    """
    start = load_start(plan.start, plan.settings, rows=data.all)
    check_not_random(start.model)
    packed = pack_dataset(plan, data, start.tokenizer, start.model.config)
    progress.tokens, progress.flat_tokens = packed.tokens, packed.flat_tokens
    _check_memory(plan, start.model, packed, checkpointing=arguments.activation_checkpointing)
    given = {"held_out": packed.held_out, "model": start.model, "args": arguments}
    if plan.method == "sft":
        return TreeSftTrainer(rows=packed.batches, **given), start.tokenizer
    weighted = plan.settings.weighted
    return TreeDpoTrainer(rows=packed.batches, weighted=weighted, **given), start.tokenizer


def score_reference(trainer: TreeDpoTrainer, progress: TrainingProgress) -> None:
    """Score what DPO compares with, before the first step, and tell how far that is."""
    progress.phase = "reference"
    progress.steps = len(trainer.train_dataset) + len(trainer.eval_dataset or ())
    for done in trainer.note_reference():
        progress.update(step=done)


def _check_memory(plan: Plan, model: Any, packed: PackedDataset, *, checkpointing: bool) -> None:
    needed = footprint.estimate_bytes(
        model,
        tokens=max(len(batch["ids"]) for batch in packed.batches),
        scored=max(len(batch["parents"]) for batch in packed.batches),
        checkpointing=checkpointing,
    )
    free = footprint.measure_free_bytes()
    footprint.check_fits(needed, free, lora=plan.settings.lora, checkpointing=checkpointing)
