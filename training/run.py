"""One training from start to finish: rows in, a model folder out.

The order puts cheap checks first: data, folder, arguments, model, template, lengths, memory, and
only then the first step. A loss or gradient that is not a number stops the training before it
reaches the weights, so the last checkpoint is always a good one.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from math import isnan
from statistics import fmean
from typing import Any

from aloe.errors import ConfigError
from aloe.number_format import counted
from aloe.training.breaks import explained
from aloe.training.dataset import Row, TrainingData, hash_rows, read_training_data
from aloe.training.model_folder import (
    ModelFolder,
    Record,
    hash_base,
    hash_model,
    read_versions,
)
from aloe.training.plan import Plan
from aloe.training.processes import count_processes, is_main_process
from aloe.training.progress import TrainingProgress, Watch
from aloe.training.reward import READY
from aloe.training.rollout_agents import AgentFactory, RolloutAgents
from aloe.training.saving import check_saving, save_model


def train(plan: Plan, watch: Watch, make_agents: AgentFactory | None = None) -> Record:
    """Train a model and return its record.

    Args:
        plan: what is to be trained.
        watch: called with how far it is, often.
        make_agents: makes the agents that reward and answer in GRPO; None for none.

    Raises:
        AloeError: something is wrong with the data, the folder, the settings or the model.
    """
    progress = TrainingProgress(method=plan.method, watch=watch)
    progress.update()
    data = read_training_data(
        plan.data, plan.method, plan.settings.label, every_column=plan.own_reward
    )
    if plan.settings.weighted:
        _check_weights(plan, data)
    folder = ModelFolder(plan.out)
    agents = make_agents(data.rows) if make_agents else RolloutAgents()
    record = _record(plan, data, agents)
    main = is_main_process()
    if main:
        folder.check_free()
    if done := folder.check(record):
        return done
    with folder.locked() if main else nullcontext():
        with _quiet():
            trainer, tokenizer = _make_trainer(plan, data, agents, progress)
        noticed = _look_at_texts(data.all, tokenizer, progress)
        if main:
            chosen = {name: getattr(progress, name) for name in ("row_tokens", "frozen_in")}
            chosen = {name: value for name, value in chosen.items() if value}
            folder.begin({**record, **chosen, "processes": count_processes()})
        with _quiet(), explained(trainer, folder):
            _take_steps(trainer, folder, progress)
            progress.update(phase="saving")
            save_model(trainer, tokenizer, plan, plan.out)
        results = {
            **_results(progress, trainer.state, _find_saved_step(trainer)),
            **agents.spent(),
            **({"left_out": dict(data.skipped)} if data.skipped else {}),
            **({"labelled": True} if data.labelled else {"judges": sorted(data.judges)}),
            **({"levels": sorted(data.levels)} if data.levels else {}),
            **noticed,
        }
        if main:
            return _write_results(plan, record, results, trainer.state.log_history)
    return {**record, **results}


def _check_weights(plan: Plan, data: TrainingData) -> None:
    """Make sure that there is something to weight by, and that some row counts then."""
    if not data.confident:
        raise ConfigError(_explain_unweighted(plan, data))
    for which, rows in (("", data.rows), (" held out", data.held_out)):
        if rows and not any(row["weight"] for row in rows):
            raise ConfigError(
                f"training.weighted: {plan.data} has a confidence of 0 in every row{which}, so no "
                "row would count; leave out --weighted"
            )


def _explain_unweighted(plan: Plan, data: TrainingData) -> str:
    """Return what to do where pairs are to be weighted and none says how sure its label is."""
    why = "these trees hold no votes"
    if data.labelled:
        why = "export them again with --columns, or train on the trees"
    elif plan.settings.label == "return":
        why = "labels by return have none; take --label judge, mixed or people"
    return (
        f"training.weighted: no pair of {plan.data} has a 'confidence' to be weighted by: {why}, "
        "or leave out --weighted"
    )


def _write_results(plan: Plan, record: Record, results: Record, history: list[Any]) -> Record:
    """Write beside a trained model what became of the training, and return it."""
    from aloe.training.card import write_card
    from aloe.training.curves import draw_curves

    write_card(plan.out, plan.data, {**record, **results}, history)
    draw_curves(plan.out / "curves.png", plan.method, history)
    return ModelFolder(plan.out).finish(record, results)


def _make_trainer(
    plan: Plan, data: TrainingData, agents: RolloutAgents, progress: TrainingProgress
) -> tuple[Any, Any]:
    """Return a trainer that is ready for its first step, and the tokenizer."""
    import transformers

    from aloe.training.arguments import make_arguments

    arguments = make_arguments(
        plan.method,
        plan.settings,
        checkpoints=ModelFolder(plan.out).checkpoints,
        seed=plan.seed,
        packed=plan.packed,
        report_to=plan.report_to,
        evaluated=bool(data.held_out),
        kept=ModelFolder(plan.out).begun().get("frozen_in", ""),
    )
    transformers.set_seed(plan.seed)  # an adapter begins with random numbers
    progress.update(phase="loading" if plan.packed else "preparing")
    if plan.packed:
        from aloe.training.tree_trainers import make_tree_trainer

        trainer, tokenizer = make_tree_trainer(plan, data, arguments, progress)
    else:
        from aloe.training.trl_trainers import make_trl_trainer

        trainer, tokenizer = make_trl_trainer(plan, data, arguments, agents)
    check_saving(trainer, plan.out, partial(save_model, trainer, tokenizer, plan))
    return trainer, tokenizer


def _look_at_texts(rows: Sequence[Row], tokenizer: Any, progress: TrainingProgress) -> Record:
    """Return which parts of the texts are not read verbatim, and warn about what is left out."""
    from aloe.training.encoding import count_unread_system_messages, find_control_tokens

    unread = count_unread_system_messages(rows, tokenizer)
    if unread and is_main_process():
        progress.notes.append(_unread(**unread))
        progress.update()
    return {**find_control_tokens(rows, tokenizer), **unread}


def _take_steps(trainer: Any, folder: ModelFolder, progress: TrainingProgress) -> None:
    import transformers

    from aloe.training.dpo import TreeDpoTrainer
    from aloe.training.step_watcher import StepWatcher
    from aloe.training.tree_trainers import score_reference

    checkpoint = folder.newest_checkpoint(progress.notes.append)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(StepWatcher(progress))
    if isinstance(trainer, TreeDpoTrainer):
        score_reference(trainer, folder.reference, progress)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if not trainer.state.global_step:
        raise ConfigError("no step was taken: there are too few rows for one batch")


def _unread(unread_system_messages: int) -> str:
    rows = counted(unread_system_messages, "row")
    return f"the chat template drops the system messages of {rows}: they are not trained on"


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


def _record(plan: Plan, data: TrainingData, agents: RolloutAgents) -> Record:
    return {
        **(
            {"held_out": len(data.held_out), "held_out_hash": hash_rows(data.held_out)}
            if data.held_out
            else {}
        ),
        **({"start_hash": found} if (found := hash_model(plan.start)) else {}),
        **({"base_hash": found} if (found := hash_base(plan.start)) else {}),
        **({"reward_hash": found} if (found := _hash_reward(plan)) else {}),
        **({"agents": dict(agents.about)} if agents.about else {}),
        **agents.shaped_by,
        "method": plan.method,
        "start": plan.start,
        "rows": len(data.rows),
        "data_hash": hash_rows(data.rows),
        "seed": plan.seed,
        "day": plan.day,
        "settings": plan.settings.model_dump(mode="json"),
        "versions": read_versions(),
    }


def _hash_reward(plan: Plan) -> str | None:
    """Return a hash of the reward model; None without one."""
    reward = plan.settings.reward if plan.method == "grpo" else None
    return hash_model(reward) if reward and reward not in READY else None


def _says_something(key: str, value: float | None) -> bool:
    """Return whether a logged value is of use in a record; a loss that is no number has to be."""
    is_number = value is not None and not isnan(value)
    return key not in ("epoch", "step") and (key == "loss" or is_number)


def _find_saved_step(trainer: Any) -> int:
    """Return the step whose model is saved: the last, unless the best checkpoint was loaded."""
    best: str | None = trainer.state.best_model_checkpoint
    if best and trainer.args.load_best_model_at_end:
        return int(best.rpartition("-")[2])
    return int(trainer.state.global_step)


def _results(progress: TrainingProgress, state: Any, saved: int) -> Record:
    from aloe.training.curves import average_ends, collect_values, find_held_out

    logged = [entry for entry in state.log_history if "loss" in entry]
    if not logged:  # settings want a log entry less often than there are steps
        mean = (e["train_loss"] for e in state.log_history if "train_loss" in e)
        logged = [{"loss": next(mean, float("nan"))}]
    last: dict[str, float] = logged[-1]
    reward = average_ends(state.log_history, "reward") if progress.method == "grpo" else None
    cut = collect_values(state.log_history, "completions/clipped_ratio")
    return {
        "steps": state.global_step,
        **({"saved_step": saved} if saved != state.global_step else {}),
        "tokens": progress.tokens,
        "flat_tokens": progress.flat_tokens,
        **(
            {"row_tokens": progress.row_tokens, "step_rows": progress.step_rows}
            if progress.row_tokens
            else {}
        ),
        **({"frozen_in": progress.frozen_in} if progress.frozen_in else {}),
        "first_loss": logged[0]["loss"],
        **({"reward": reward} if reward else {}),
        **({"cut_off": round(fmean(cut), 4)} if cut else {}),
        **find_held_out(state.log_history, progress.method, saved),
        "last": {key: last[key] for key in sorted(last) if _says_something(key, last[key])},
        "seconds": round(progress.seconds, 1),
        "peak_gib": round(progress.peak_gib, 2),
        **({"gpu_peak_gib": round(held, 2)} if (held := progress.gpu_peak_gib) else {}),
    }
