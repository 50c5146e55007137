"""The training loop over packed rows: transformers' Trainer with its own batches and loss.

One packed row is one micro-batch; everything else (optimizer, schedule, accumulation, checkpoints,
several GPUs, loggers) is the Trainer's own. A subclass says what the loss of a row is, summed over
its items, and how many items it has; the sum over an optimizer step is divided by the items of that
step, so that rows of unequal size weigh as they should and accumulation changes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import torch
import transformers
from accelerate.utils import gather_object

from aloe.errors import ConfigError
from aloe.training.activations import keep_less
from aloe.training.adapters import add_in_place
from aloe.training.attention import use_tree_attention
from aloe.training.head import score_in_head
from aloe.training.packed_dataset import Batch
from aloe.training.parity import require_same_scores
from aloe.training.scores import score
from aloe.training.shares import FillableRows, fill_up

Tensor = Any

EVALUATION = "eval_"
"""Opens the names of figures of rows held out, as transformers has it."""


def _balance(config: Any, arguments: Any) -> float:
    """Return the weight of the loss that spreads tokens over experts, which TRL adds as well."""
    if not hasattr(config, "output_router_logits"):
        return 0.0
    given = getattr(arguments, "router_aux_loss_coef", None)
    return float(getattr(config, "router_aux_loss_coef", 0.0) if given is None else given)


def _check_experts(arguments: Any, balance: float) -> None:
    """Refuse to choose a checkpoint by the balance of experts where none is measured."""
    if not balance and str(arguments.metric_for_best_model).endswith("aux_loss"):
        raise ConfigError(
            "training.arguments: metric_for_best_model is aux_loss, and the model has no experts "
            "that are balanced; name another figure"
        )


def _use_one_gpu(arguments: Any) -> None:
    """Keep a process to one GPU: what transformers does with several would split a packed row."""
    _ = arguments.device  # which counts them
    arguments._n_gpu = min(1, arguments.n_gpu)


class TreeTrainer(transformers.Trainer):
    """Trains on packed rows; subclasses give `row_loss`.

    Args:
        rows: to be trained on.
        held_out: the same, to be evaluated on; may be empty.
        given: further arguments of transformers' Trainer.
    """

    def __init__(self, *, rows: list[Batch], held_out: Sequence[Batch] = (), **given: Any) -> None:
        _use_one_gpu(given["args"])
        super().__init__(
            train_dataset=FillableRows(rows),
            eval_dataset=FillableRows(held_out) if held_out else None,
            data_collator=itemgetter(0),
            **given,
        )
        self.model_accepts_loss_kwargs = True  # so that items are counted over a whole step
        self._loss_shifts_labels = False
        self.measured: dict[str, list[float]] = defaultdict(list)
        self._evaluated: list[tuple[float, int]] = []
        self._balance = _balance(self.model.config.get_text_config(), self.args)
        _check_experts(self.args, self._balance)
        with require_same_scores(self.model, [*rows, *held_out], self.accelerator.autocast):
            score_in_head(self.model)
            use_tree_attention(self.model)
            add_in_place(self.model)
            if not self.args.activation_checkpointing:  # which keeps nothing of a layer anyway
                keep_less(self.model)

    def row_loss(self, batch: Batch, log_probabilities: Tensor) -> Tensor:
        """Return the loss of one row, summed over its items."""
        raise NotImplementedError

    def score_row(self, model: Any, batch: Batch, **asked: Any) -> tuple[Tensor, Any]:
        """Return ln p of each scored token of a row, and the model's output; see `score`."""
        return score(model, batch, **asked)

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the row's share of the mean loss over the items of the optimizer step."""
        asked = {"output_router_logits": True} if self._balance else {}
        scores, output = self.score_row(model, inputs, **asked)
        training, own = self.model.training, len(inputs["labels"])
        loss = self.row_loss(inputs, scores) if own else 0 * scores.sum()
        if not training or num_items_in_batch is None:  # transformers counts those of all processes
            loss = loss / max(own, 1)
        elif own:
            loss = loss / num_items_in_batch
            if self.args.average_tokens_across_devices:
                loss = loss * self.accelerator.num_processes  # gradients are averaged over these
        if self._balance:
            steps = self.current_gradient_accumulation_steps if training else 1
            loss = loss + self._balance * output.aux_loss / steps
            if own:
                self.measure(aux_loss=output.aux_loss)
        if not training:
            self._evaluated.append((float(loss) * own, own))
        return (loss, {}) if return_outputs else loss

    def evaluation_loop(self, *given: Any, metric_key_prefix: str = "eval", **named: Any) -> Any:
        """Evaluate; the loss is the mean over all items, as in training, not that over rows."""
        self._evaluated.clear()
        found = super().evaluation_loop(*given, metric_key_prefix=metric_key_prefix, **named)
        sums = torch.tensor(self._evaluated, dtype=torch.float64).sum(dim=0).to(self.args.device)
        loss, items = self.accelerator.reduce(sums.float()).tolist()
        found.metrics[f"{metric_key_prefix}_loss"] = loss / items
        found.metrics.update(self._average(EVALUATION))  # by which the best one may be chosen
        return found

    def get_train_dataloader(self) -> Any:
        """Return the rows of this process, filled up with rows without items."""
        return fill_up(super().get_train_dataloader())

    def get_eval_dataloader(self, *given: Any) -> Any:
        """Return this process's rows among those held out, filled up with rows without items."""
        return fill_up(super().get_eval_dataloader(*given))

    def measure(self, **values: Tensor) -> None:
        """Note figures of one item each, to be averaged in the next log entry of their kind."""
        kind = "" if self.model.training else EVALUATION
        for name, value in values.items():
            self.measured[kind + name] += value.detach().float().flatten().tolist()

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, in training with the means of what was measured since the last time."""
        evaluated = any(name.startswith(EVALUATION) for name in logs)
        super().log(logs if evaluated else {**logs, **self._average("")}, start_time)

    def _average(self, kind: str) -> dict[str, float]:
        """Return the means over all processes of what was measured, in `EVALUATION` or without."""
        names = [each for each in self.measured if each.startswith(EVALUATION) == bool(kind)]
        own = {name: self.measured.pop(name) for name in names}
        taken: dict[str, list[float]] = defaultdict(list)
        for share in gather_object([own]):  # of each process
            for name, values in share.items():
                taken[name] += values
        return {name: sum(values) / len(values) for name, values in taken.items()}
