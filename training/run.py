"""One training from start to finish: rows in, a model folder out.

The order is that of the mistakes it catches: data, folder, arguments, model, template, lengths,
memory, and only then the first step. A loss or gradient that is not a number stops the training
before it reaches the weights, so the last checkpoint is always a good one.
"""

import os
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aloe.errors import AloeError, ConfigError, ModelError
from aloe.training.dataset import Row, data_hash, held_out_rows, read_rows
from aloe.training.export import Skipped
from aloe.training.model_folder import ModelFolder, Record, versions
from aloe.training.plan import Plan, TrainingProgress, Watch

if TYPE_CHECKING:
    from aloe.training.packing import Example
    from aloe.training.reward import Agents, Cast
    from aloe.training.trainer import Batch


def train(plan: Plan, watch: Watch, cast: "Cast | None" = None) -> Record:
    """Train a model and return its record.

    Args:
        plan: what is to be trained.
        watch: called with how far it is, often.
        cast: makes the agents that reward and answer in GRPO; None for none.

    Raises:
        AloeError: something is wrong with the data, the folder, the settings or the model.
    """
    from aloe.training.reward import Agents

    progress = TrainingProgress(method=plan.method)
    watch(progress)
    skipped: Skipped = Counter()
    rows = read_rows(plan.data, plan.method, skipped)
    held_out = held_out_rows(plan.data, plan.method)
    folder = ModelFolder(plan.out)
    agents = cast(rows) if cast else Agents()
    record = _record(plan, rows, held_out, agents)
    if done := folder.check(record):
        return done
    from aloe.training.arguments import training_arguments
    from aloe.training.encoding import control_tokens_inside, unread_system_messages

    arguments = training_arguments(
        plan.method,
        plan.settings,
        checkpoints=folder.checkpoints,
        seed=plan.seed,
        packed=plan.packed,
        report_to=plan.report_to,
        evaluated=bool(held_out),
    )
    started = time.monotonic()
    with _quiet(), folder.left_alone():
        trainer, tokenizer = _trainer(plan, rows, held_out, arguments, agents, progress, watch)
    unread = unread_system_messages([*rows, *held_out], tokenizer)
    if unread and is_main_process():
        progress.notes.append(_unread(**unread))
        watch(progress)
    checkpoint = folder.newest_checkpoint()
    if is_main_process():
        folder.begin(record)
    _watch_steps(trainer, progress, watch)
    with _quiet():
        with _started(trainer, folder):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        progress.phase = "saving"
        watch(progress)
        _save(trainer, tokenizer, plan)
    results = {
        **_results(progress, trainer.state, time.monotonic() - started),
        **agents.spent(),
        **({"left_out": dict(skipped)} if skipped else {}),
        **control_tokens_inside([*rows, *held_out], tokenizer),
        **unread,
    }
    if not is_main_process():
        return {**record, **results}
    from aloe.training.card import write_card
    from aloe.training.curves import draw_curves

    write_card(plan.out, plan.data, {**record, **results}, trainer.state.log_history)
    draw_curves(plan.out / "curves.png", plan.method, trainer.state.log_history)
    return folder.finish(record, results)


def _unread(unread_system_messages: int) -> str:
    rows = "1 row" if unread_system_messages == 1 else f"{unread_system_messages} rows"
    return f"the chat template leaves out the system messages of {rows}: they are not trained on"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings from the screen that nobody can do anything about."""
    with warnings.catch_warnings():
        # The base may be a GGUF file: peft finds no config there to compare vocabularies with.
        warnings.filterwarnings("ignore", "Could not find a config file")
        # peft knows better and says so, of fused experts and of GPT-2's layers.
        warnings.filterwarnings("ignore", "The following .*_pattern keys did not match")
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False")
        # TRL still asks transformers by the old name.
        warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated")
        yield


@contextmanager
def _started(trainer: Any, folder: ModelFolder) -> Iterator[None]:
    """Say in one line why a training takes no first step, and leave nothing of it behind."""
    try:
        yield
        if not trainer.state.global_step:
            raise ConfigError("no step was taken: the rows do not fill one batch")
    except Exception as error:
        if trainer.state.global_step:
            raise
        if is_main_process():
            folder.abandon()
        if isinstance(error, AloeError):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(f"the first step of the training failed ({reason})") from error


def _record(plan: Plan, rows: Sequence[Row], held_out: Sequence[Row], agents: "Agents") -> Record:
    return {
        **({"held_out": len(held_out)} if held_out else {}),
        **({"agents": dict(agents.about)} if agents.about else {}),
        "method": plan.method,
        "start": plan.start,
        "rows": len(rows),
        "data_hash": data_hash(rows),
        "seed": plan.seed,
        "settings": plan.settings.model_dump(mode="json"),
        "versions": versions(),
    }


def _trainer(
    plan: Plan,
    rows: list[Row],
    held_out: list[Row],
    arguments: Any,
    agents: "Agents",
    progress: TrainingProgress,
    watch: Watch,
) -> tuple[Any, Any]:
    """Return a trainer that is ready for its first step, and the tokenizer."""
    import transformers

    transformers.set_seed(plan.seed)  # an adapter begins with random numbers
    if not plan.packed:
        from aloe.training.trl_trainers import stock_trainer

        progress.phase = "preparing"
        watch(progress)
        made = stock_trainer(plan, rows, held_out, arguments, agents)
        _check_saving(*made, plan)
        return made
    from aloe.training.dpo import TreeDpoTrainer
    from aloe.training.encoding import encode_rows
    from aloe.training.sft import TreeSftTrainer
    from aloe.training.start import check_not_random, starting_model

    progress.phase = "loading"
    watch(progress)
    start = starting_model(plan.start, plan.settings, rows=[*rows, *held_out])
    check_not_random(start.model)
    examples = encode_rows(plan, rows, start.tokenizer, start.model.config)
    batches = _batches(plan, examples)
    rest = encode_rows(plan, held_out, start.tokenizer, start.model.config)
    held_out_batches = _batches(plan, rest) if rest else []
    progress.tokens = sum(len(batch["ids"]) for batch in batches)
    progress.flat_tokens = sum(len(a.ids) for example in examples for a in example.answers)
    _check_memory(plan, start.model, batches, checkpointing=arguments.activation_checkpointing)
    given = {"held_out": held_out_batches, "model": start.model, "args": arguments}
    trainer = (
        TreeSftTrainer(rows=batches, **given)
        if plan.method == "sft"
        else TreeDpoTrainer(rows=batches, weighted=plan.settings.weighted, **given)
    )
    _check_saving(trainer, start.tokenizer, plan)
    if isinstance(trainer, TreeDpoTrainer):
        progress.phase, progress.steps = "reference", len(batches) + len(held_out_batches)
        for progress.step in trainer.note_reference():
            watch(progress)
    return trainer, start.tokenizer


def _batches(plan: Plan, examples: list["Example"]) -> list["Batch"]:
    from aloe.training.dpo import dpo_batch
    from aloe.training.packing import fill_rows
    from aloe.training.sft import sft_batch

    batch = sft_batch if plan.method == "sft" else dpo_batch
    return [batch(row) for row in fill_rows(examples, plan.settings.row_tokens)]


def _check_memory(plan: Plan, model: Any, batches: list["Batch"], *, checkpointing: bool) -> None:
    from aloe.training import footprint

    needed = footprint.estimated_bytes(
        model,
        tokens=max(len(batch["ids"]) for batch in batches),
        scored=max(len(batch["parents"]) for batch in batches),
        checkpointing=checkpointing,
    )
    free = footprint.free_bytes()
    footprint.check_fits(needed, free, lora=plan.settings.lora, checkpointing=checkpointing)


def _watch_steps(trainer: Any, progress: TrainingProgress, watch: Watch) -> None:
    import torch
    import transformers

    class Watcher(transformers.TrainerCallback):
        """Tells the display, and stops before a step that would spoil the weights."""

        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            progress.phase, progress.step, progress.steps = "training", 0, state.max_steps
            progress.history = [dict(entry) for entry in state.log_history]

        def on_pre_optimizer_step(
            self, _args: Any, state: Any, _control: Any, **given: Any
        ) -> None:
            gradients = [p.grad for p in given["model"].parameters() if p.grad is not None]
            if not gradients:  # they are elsewhere (DeepSpeed)
                return
            largest = torch.stack([g.abs().max() for g in gradients])
            if not largest.isfinite().all():
                raise ModelError(
                    f"the gradient stopped being a number at step {state.global_step + 1}; the "
                    "last checkpoint is good; lower learning_rate, or look at the newest rows"
                )
            # In GRPO a group whose replies are all rewarded alike teaches nothing; it may be first.
            if progress.method != "grpo" and state.global_step == 0 and not largest.any():
                raise ModelError(
                    "the first gradient is exactly zero, so nothing would be learnt; see that the "
                    "rows have replies to learn from, and that something of the model is trained"
                )

        def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            progress.step = state.global_step
            watch(progress)

        def on_log(self, _args: Any, _state: Any, _control: Any, **given: Any) -> None:
            progress.history.append(dict(given["logs"]))
            watch(progress)

    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(Watcher())


def _save(trainer: Any, tokenizer: Any, plan: Plan) -> None:
    """Write the model, and the file that `local:` serves where the base is a GGUF file."""
    from aloe.models.local import GENERATION, adapter_base
    from aloe.training.gguf import is_gguf, write_adapter

    trainer.save_model(str(plan.out))
    if not is_main_process():
        return
    tokenizer.save_pretrained(str(plan.out))
    if (generation := getattr(trainer.model, "generation_config", None)) is not None:
        generation.to_json_file(plan.out / GENERATION)  # an adapter is saved without it
    if plan.settings.lora and plan.method != "reward" and is_gguf(adapter_base(plan.out)):
        write_adapter(plan.out)


def _check_saving(trainer: Any, tokenizer: Any, plan: Plan) -> None:
    from aloe.training.saving import check_saving

    check_saving(trainer, plan.out, lambda out: _save(trainer, tokenizer, replace(plan, out=out)))


def _results(progress: TrainingProgress, state: Any, seconds: float) -> Record:
    from aloe.training.curves import CURVES, ends, series

    losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
    last: dict[str, float] = next(
        (e for e in reversed(state.log_history) if "loss" in e), {"loss": float("nan")}
    )
    reward = ends(state.log_history, "reward") if progress.method == "grpo" else None
    held_out = {
        name: (values[0], values[-1])
        for name in CURVES[progress.method]
        if name.startswith("eval_") and (values := series(state.log_history, name))
    }
    return {
        "steps": state.global_step,
        "tokens": progress.tokens,
        "flat_tokens": progress.flat_tokens,
        "first_loss": losses[0],
        **({"reward": reward} if reward else {}),
        **({"held_out_figures": held_out} if held_out else {}),
        "last": {key: last[key] for key in sorted(last) if key not in ("epoch", "step")},
        "seconds": round(seconds, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def is_main_process() -> bool:
    """Return whether this process writes files; with several GPUs only the first does."""
    return int(os.environ.get("RANK", "0")) == 0
