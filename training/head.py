"""An LM head that answers with log-probabilities, so that no table of all logits ever exists.

The table of a row is nodes by vocabulary, 1 GB and more where that is large. Here the head goes
over its nodes in chunks, and the gradient is prepared on the way: that of a node's hidden state is
the sum over its scored tokens of g (W[token] - E), where g comes from the loss and E, the mean of
the head's rows under the model's own probabilities, does not. So E is computed while the chunk's
logits exist, at the cost of what the backward pass would have multiplied, and nothing is computed
twice.

This covers a head that is one matrix, is not trained and is the last thing that a model does with
its logits, which is tried on the model itself. Any other works as before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch.nn.functional import linear

Tensor = Any

ENTRIES = 2**25
"""Logits in a chunk: 128 MiB of fp32."""


@dataclass
class _Wish:
    """Set on a head: what it is to score, while that is wanted."""

    rows: Tensor
    targets: Tensor


class _Scores(torch.autograd.Function):
    """ln p of chosen tokens at chosen hidden states."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, wish: _Wish, learns: bool
    ) -> Tensor:
        """Return ln softmax(W h[row] + b)[target] for each row and target, as fp32."""
        step = max(1, ENTRIES // len(weight))
        order = wish.rows.argsort(stable=True)
        rows, targets = wish.rows[order], wish.targets[order]
        edges = torch.arange(0, len(hidden) + step, step, device=hidden.device)
        bounds = torch.searchsorted(rows, edges).tolist()
        found = torch.empty(len(rows), dtype=torch.float32, device=hidden.device)
        means = torch.empty_like(hidden) if learns else None
        for start, first, last in zip(
            range(0, len(hidden), step), bounds, bounds[1:], strict=False
        ):
            logits = linear(hidden[start : start + step], weight, bias).float()
            normaliser = torch.logsumexp(logits, -1)
            at = rows[first:last] - start
            found[first:last] = logits[at, targets[first:last]] - normaliser[at]
            if means is not None:
                likely = logits.sub_(normaliser[:, None]).exp_().to(weight.dtype)
                means[start : start + step] = likely @ weight
        if means is not None:
            ctx.save_for_backward(means, weight[targets], rows, order)
        return torch.empty_like(found).index_copy_(0, order, found)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the hidden states."""
        means, chosen, rows, order = ctx.saved_tensors
        given = gradient[order]
        total = given.new_zeros(len(means)).index_add_(0, rows, given)
        of_hidden = -total[:, None] * means  # in fp32, like the gradient of ln p
        of_hidden.index_add_(0, rows, given[:, None] * chosen)
        return of_hidden.to(means.dtype), None, None, None, None


def _forward(head: Any, hidden: Tensor) -> Tensor:
    wish = head.__dict__.get("_wish")
    if wish is None:
        return type(head).forward(head, hidden)
    learns = torch.is_grad_enabled() and hidden.requires_grad
    return _Scores.apply(hidden[0], head.weight, head.bias, wish, learns)[None]


def score_in_head(model: Any) -> bool:
    """Let the head of `model` score packed rows, if it is of the kind that this covers.

    Returns:
        Whether it does.
    """
    if scoring_head(model):
        return True
    head = model.get_output_embeddings()
    plain = type(head) is torch.nn.Linear and not head.weight.requires_grad
    if plain and _is_last(model, head):
        head.forward = MethodType(_forward, head)
        head._scores_rows = True
        return True
    return False


def scoring_head(model: Any) -> Any:
    """Return the head of `model` if it scores packed rows, else None."""
    inner = getattr(model, "module", model)  # what is wrapped for several GPUs
    head = inner.get_output_embeddings() if hasattr(inner, "get_output_embeddings") else None
    return head if "_scores_rows" in getattr(head, "__dict__", {}) else None


def _is_last(model: Any, head: Any) -> bool:
    """Return whether a model's logits are what its head says."""
    said: list[Tensor] = []
    hook = head.register_forward_hook(lambda _head, _given, out: said.append(out.clone()))
    try:
        with torch.no_grad():
            ids = torch.arange(4, device=head.weight.device)[None] % len(head.weight)
            logits = model(input_ids=ids, use_cache=False).logits
    except Exception:  # a model that cannot be asked is told when its scores are compared
        return False
    finally:
        hook.remove()
    return len(said) == 1 and torch.equal(said[0].float(), logits.float())


@contextmanager
def asked_for_scores(model: Any, rows: Tensor, targets: Tensor, nodes: int) -> Iterator[bool]:
    """Have the head of `model` answer with ln p of `targets` at `rows` of its nodes, if it can.

    It is left alone where all logits of its nodes are no more than a chunk of them: there is
    nothing to save then, and on a CPU a step of 992 tokens took 4% longer.

    Yields whether the logits of the model's output are these scores, of shape (1, targets).
    """
    head = scoring_head(model)
    if head is not None and nodes * head.out_features <= ENTRIES:
        head = None
    if head is not None:
        head._wish = _Wish(rows, targets)
    try:
        yield head is not None
    finally:
        if head is not None:
            del head._wish
