"""Log-probabilities of packed answers, from one forward pass.

The LM head, the most expensive matrix of a small model, runs only on nodes with a scored token
below them. log p is computed as logit minus logsumexp: torch's log_softmax in fp32 on a CPU is off
by about 2e-5 a token for a vocabulary of 50 thousand, which is more than all that packing changes.
The gradient is written by hand so that one table of logits exists at a time, not three; and none
does where the head itself answers with scores (`aloe.training.head`).
"""

from typing import Any

import torch

from aloe.training.attention import Ancestry
from aloe.training.flex import pad_row
from aloe.training.head import asked_for_scores
from aloe.training.packing import Packed, count_answers

Tensor = Any


class LogProbabilities(torch.autograd.Function):
    """ln p of chosen entries of a table of logits, overwriting the table in the backward pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, rows: Tensor, targets: Tensor) -> Tensor:
        """Return ln softmax(logits[row])[target] for each row and target."""
        normaliser = torch.logsumexp(logits.float(), dim=-1)
        ctx.save_for_backward(logits, normaliser, rows, targets)
        return logits[rows, targets].float() - normaliser[rows]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the logits, in their own memory."""
        logits, normaliser, rows, targets = ctx.saved_tensors
        total = torch.zeros_like(normaliser).index_add_(0, rows, gradient)
        table = logits.detach()
        table.sub_(normaliser[:, None]).exp_().mul_(-total[:, None])
        table.index_put_((rows, targets), gradient.to(table.dtype), accumulate=True)
        return table, None, None


def token_log_probabilities(
    model: Any, packed: Packed, *, block: int | None = Ancestry.block
) -> Tensor:
    """Return ln p of each scored token of `packed`, in the order of its targets."""
    return score(model, packed, block=block)[0]


def score(
    model: Any, packed: Packed, *, block: int | None = Ancestry.block, **asked: Any
) -> tuple[Tensor, Any]:
    """Return ln p of each scored token, and the model's output, of which the logits are used up.

    Args:
        model: prepared for packed rows.
        packed: one row.
        block: queries that share one selection of keys; None for all.
        asked: what else the model is asked for.
    """
    keep, rows = packed["parents"].unique(return_inverse=True)
    if packed["ids"].is_cuda and not asked:  # padding would count in what else is asked for
        packed = pad_row(packed)
    with asked_for_scores(model, rows, packed["targets"], len(keep)) as scored:
        output = model(
            input_ids=packed["ids"][None],
            position_ids=packed["depth"][None],
            ancestry=Ancestry(packed["end"], packed["depth"], block),
            logits_to_keep=keep,
            use_cache=False,
            **asked,
        )
    if scored:
        return output.logits[0], output
    return LogProbabilities.apply(output.logits[0], rows, packed["targets"]), output


def model_dtype(model: Any) -> Any:
    """Return the type in which the model computes."""
    return next(model.parameters()).dtype


def answer_log_probabilities(packed: Packed, per_token: Tensor) -> Tensor:
    """Return ln p of each whole answer."""
    return per_token.new_zeros(count_answers(packed)).index_add_(0, packed["owners"], per_token)
