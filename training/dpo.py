"""Direct preference optimisation on packed trees.

The loss of a pair is TRL's, on log-probabilities summed over the reply: sigmoid (Rafailov et al.
2023), hinge (SLiC) or IPO; or the negative log-likelihood of the chosen reply (`sft`); or a
weighted sum of several, such as sigmoid and `sft` (Pang et al. 2024). The reference is the model at
the start of training (a base, or SFT's adapter on it); its log-probabilities are computed once,
before the first step, so that no second model is kept.

Pairs may be weighted (see `aloe.training.dataset`); weights have mean 1, so a weighted loss is on
the same scale as a plain one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from aloe.training.packed_dataset import Batch
from aloe.training.packing import count_answers
from aloe.training.scores import answer_log_probabilities, token_log_probabilities
from aloe.training.trainer import TreeTrainer

Tensor = Any


def _sigmoid(logits: Tensor, beta: float) -> Tensor:
    return -logsigmoid(beta * logits)


def _hinge(logits: Tensor, beta: float) -> Tensor:
    return torch.relu(1 - beta * logits)


def _ipo(logits: Tensor, beta: float) -> Tensor:
    return (logits - 1 / (2 * beta)) ** 2


LOSSES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "sigmoid": _sigmoid,
    "hinge": _hinge,
    "ipo": _ipo,
}
"""By TRL's name: from log-ratio differences (chosen minus rejected, nats) to losses."""

LIKELIHOOD = "sft"
"""TRL's name of the mean negative log-likelihood of the chosen reply's tokens."""


class TreeDpoTrainer(TreeTrainer):
    """Prefers the chosen replies in the rows.

    Args:
        args: a `trl.DPOConfig`; `beta`, `loss_type` and `loss_weights` are read from it.
        weighted: whether pairs count by their weight.
        given: further arguments of `TreeTrainer`.
    """

    def __init__(self, *, args: Any, weighted: bool = False, **given: Any) -> None:
        super().__init__(args=args, **given)
        weights = args.loss_weights or [1.0] * len(args.loss_type)
        self._losses = list(zip(args.loss_type, weights, strict=True))
        self._weighted = weighted

    def all_rows(self) -> list[Batch]:
        """Return every row, also those held out."""
        return [*self.train_dataset, *(self.eval_dataset or ())]

    def score_answers(self, row: Batch) -> Tensor:
        """Return ln p of each answer of a row by the model as it is, without dropout."""
        self.model.to(self.args.device)
        was_training = self.model.training
        self.model.eval()
        batch = self._prepare_inputs(row)
        with torch.no_grad(), self.accelerator.autocast():
            scores = token_log_probabilities(self.model, batch)
        self.model.train(was_training)
        return answer_log_probabilities(batch, scores).cpu()

    def row_loss(self, batch: Batch, log_probabilities: Tensor) -> Tensor:
        """Return the preference loss of all pairs."""
        scores = answer_log_probabilities(batch, log_probabilities)
        rewards = scores - batch["reference"]
        chosen, rejected = rewards[0::2], rewards[1::2]
        beta = self.args.beta
        self.measure(
            **{
                "rewards/chosen": beta * chosen,
                "rewards/rejected": beta * rejected,
                "rewards/margins": beta * (chosen - rejected),
                "rewards/accuracies": ((chosen - rejected).sign() + 1) / 2,  # half for a tie
            }
        )
        lengths = torch.bincount(batch["owners"], minlength=count_answers(batch))
        losses = sum(
            weight * self._pair_losses(name, scores, rewards, lengths)
            for name, weight in self._losses
        )
        return (losses * batch["weights"]).sum() if self._weighted else losses.sum()

    def _pair_losses(self, name: str, scores: Tensor, rewards: Tensor, lengths: Tensor) -> Tensor:
        """Return one of the losses of each pair; IPO's and `sft`'s are means over tokens."""
        if name == LIKELIHOOD:
            return -(scores / lengths)[0::2]
        if name == "ipo":
            rewards = rewards / lengths
        return LOSSES[name](rewards[0::2] - rewards[1::2], self.args.beta)
