"""The trainers that compute shared prefixes once: SFT and DPO on packed trees."""

from pathlib import Path
from typing import Any

import torch

from aloe.number_format import counted
from aloe.training import footprint
from aloe.training.arguments import computed_in
from aloe.training.dataset import TrainingData
from aloe.training.dpo import TreeDpoTrainer
from aloe.training.head import score_in_head
from aloe.training.model_folder import ModelFolder
from aloe.training.packed_dataset import PackedDataset, pack_dataset
from aloe.training.plan import Plan
from aloe.training.precision import WORTHWHILE, freeze_in_bf16, measure_gain
from aloe.training.processes import count_processes
from aloe.training.progress import TrainingProgress
from aloe.training.reference import score_rows
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
    start = load_start(plan.start, plan.settings, rows=data.all, on_gpu=computed_in(arguments))
    check_not_random(start.model)
    score_in_head(start.model)  # what a step takes depends on whether that works
    numbers = _choose_numbers(plan, start.model, arguments, progress)
    progress.row_tokens = _choose_row_tokens(plan, start.model, arguments, numbers)
    packed = pack_dataset(plan, data, start.tokenizer, start.model.config, progress.row_tokens)
    progress.tokens, progress.flat_tokens = packed.tokens, packed.flat_tokens
    progress.step_rows = arguments.gradient_accumulation_steps
    if _memory_chooses(plan):
        progress.notes.append(_explain_rows(progress, len(packed.batches)))
        progress.update()
    _check_memory(plan, start.model, packed, arguments, numbers)
    given = {"held_out": packed.held_out, "model": start.model, "args": arguments}
    if plan.method == "dpo":
        given["weighted"] = plan.settings.weighted
    kind: Any = TreeSftTrainer if plan.method == "sft" else TreeDpoTrainer
    trainer = kind(rows=packed.batches, **given)
    if progress.frozen_in == "bfloat16" and not torch.cuda.is_available():
        freeze_in_bf16(start.model)  # not before: scores are compared more closely in fp32
    return trainer, start.tokenizer


def _choose_numbers(
    plan: Plan, model: Any, arguments: Any, progress: TrainingProgress
) -> torch.dtype:
    """Return the numbers that steps compute in: on a CPU bf16 where it is asked for, or faster.

    A training that goes on keeps its numbers. Several processes need the same ones, and may be on
    different machines, so these keep fp32 unless told otherwise.
    """
    numbers = frozen = computed_in(arguments)
    if not plan.settings.lora:
        return numbers
    if not torch.cuda.is_available():
        frozen, asked = torch.float32, plan.settings.arguments.get("bf16")
        begun = ModelFolder(plan.out).begun()
        measured = asked is None and not begun and count_processes() == 1
        gain = measure_gain(model) if measured else 0.0
        if gain >= WORTHWHILE:
            progress.notes.append(
                f"this processor multiplies {gain:.1f} times as fast in bf16 as in fp32, so the "
                "frozen weights are kept in bf16; for fp32, set bf16 = false under "
                "[training.arguments]"
            )
        kept = asked is None and begun.get("frozen_in") == "bfloat16"
        if asked or kept or gain >= WORTHWHILE:
            numbers = frozen = torch.bfloat16
    progress.frozen_in = str(frozen).removeprefix("torch.")
    return numbers


def _memory_chooses(plan: Plan) -> bool:
    """Return whether the free memory of a GPU chooses the rows of a training.

    Several processes need the same rows, and their GPUs may differ, so not for these.
    """
    chosen = plan.settings.row_tokens or "gradient_accumulation_steps" in plan.settings.arguments
    return not chosen and torch.cuda.is_available() and count_processes() == 1


def _explain_rows(progress: TrainingProgress, rows: int) -> str:
    """Return which rows memory chose, and how a training on another machine has the same."""
    size, each = progress.row_tokens, progress.step_rows
    return (
        f"free memory allows rows of {size} tokens, {each} a step: "
        f"{counted(-(-rows // each), 'step')} an epoch; for the same steps anywhere set "
        f"row_tokens = {size} and gradient_accumulation_steps = {each}"
    )


def score_reference(trainer: TreeDpoTrainer, kept: Path, progress: TrainingProgress) -> None:
    """Score what DPO compares with, before the first step, and tell how far that is.

    Args:
        trainer: ready for its first step.
        kept: the file that keeps the scores while the training lasts.
        progress: is told.

    Raises:
        StoreError: the file cannot be written.
    """
    progress.phase = "reference"
    progress.steps = len(trainer.all_rows())
    for done in score_rows(trainer, kept):
        progress.update(step=done)


def _choose_row_tokens(plan: Plan, model: Any, arguments: Any, numbers: torch.dtype) -> int:
    """Return the tokens of a row; where memory chooses them, a step has rows accordingly.

    A training that goes on keeps its rows: its checkpoint says how many of them are done.
    """
    settings = plan.settings
    if settings.row_tokens:
        return settings.row_tokens
    if "gradient_accumulation_steps" in settings.arguments:
        return footprint.ROW_TOKENS
    kept: int | None = ModelFolder(plan.out).begun().get("row_tokens")
    if not (kept or _memory_chooses(plan)):
        return footprint.ROW_TOKENS

    def needed(tokens: int) -> int:
        return footprint.estimate_bytes(
            model,
            tokens=tokens,
            scored=tokens,
            checkpointing=arguments.activation_checkpointing,
            item=numbers.itemsize,
        )

    chosen = kept or footprint.choose_row_tokens(footprint.measure_free_bytes(model), needed)
    arguments.gradient_accumulation_steps = footprint.STEP_TOKENS // chosen
    return chosen


def _check_memory(
    plan: Plan, model: Any, packed: PackedDataset, arguments: Any, numbers: torch.dtype
) -> None:
    checkpointing = arguments.activation_checkpointing
    needed = footprint.estimate_bytes(
        model,
        tokens=max(len(batch["ids"]) for batch in packed.batches),
        scored=max(len(batch["parents"]) for batch in packed.batches),
        checkpointing=checkpointing,
        item=numbers.itemsize,
    )
    free = footprint.measure_free_bytes(model)
    footprint.check_fits(needed, free, lora=plan.settings.lora, checkpointing=checkpointing)
