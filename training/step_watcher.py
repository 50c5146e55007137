"""Between the steps of a training: shows progress, and stops before the model is ruined."""

from typing import Any

import torch
import transformers
from transformers.trainer_callback import ExportableState

from aloe.errors import ModelError
from aloe.training.progress import TrainingProgress


class StepWatcher(transformers.TrainerCallback, ExportableState):
    """Tells the display, and stops before a step that would spoil the weights.

    Checkpoints hold its state: what all parts of the training took by then.

    Args:
        progress: kept up to date.
    """

    def __init__(self, progress: TrainingProgress) -> None:
        self._progress = progress

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Note how many steps there are, and what a training that goes on has logged."""
        progress = self._progress
        progress.phase, progress.step, progress.steps = "training", 0, state.max_steps
        progress.history = [dict(entry) for entry in state.log_history]
        taken = state.stateful_callbacks.get(type(self).__name__)
        if taken and state.global_step:
            progress.seconds_before = taken["attributes"]["seconds"]
            progress.peak_before = taken["attributes"]["peak_gib"]
            progress.gpu_peak_before = taken["attributes"].get("gpu_peak_gib", 0.0)
        state.stateful_callbacks[type(self).__name__] = self.state()

    def state(self) -> dict[str, dict[str, float]]:
        """Return what a checkpoint keeps, in the form that transformers wants."""
        names = ("seconds", "peak_gib", "gpu_peak_gib")
        taken = {name: getattr(self._progress, name) for name in names}
        return {"args": {}, "attributes": taken}

    def on_pre_optimizer_step(self, _args: Any, state: Any, _control: Any, **given: Any) -> None:
        """Look at the gradient.

        Raises:
            ModelError: it is no number, or the first one is zero.
        """
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
        if self._progress.method != "grpo" and state.global_step == 0 and not largest.any():
            raise ModelError(
                "the first gradient is exactly zero, so nothing would be learnt; check that "
                "the rows have replies to learn from and that part of the model is trained"
            )

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Count the step."""
        self._progress.update(step=state.global_step)

    def on_log(self, _args: Any, _state: Any, _control: Any, **given: Any) -> None:
        """Keep the figures."""
        self._progress.history.append(dict(given["logs"]))
        self._progress.update()


class WholeGenerations(transformers.TrainerCallback):
    """Puts off checkpoints until the replies that GRPO sampled are used up.

    A training that goes on samples anew, so from anywhere else it would end with other weights.

    Args:
        trainer: a `trl.GRPOTrainer`.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._due = False

    def on_step_end(self, arguments: Any, _state: Any, control: Any, **_: Any) -> None:
        """Look whether a checkpoint can be kept now."""
        used = self._trainer._step % (arguments.steps_per_generation * arguments.num_iterations)
        due = control.should_save or self._due
        control.should_save = due and not used
        self._due = due and bool(used)
