"""Keep less of a gated MLP for the backward pass.

Nearly two thirds of what a layer keeps are four tensors of its MLP: gate, up, silu(gate) and their
product, which the adapter of the down projection reads again. The last two follow from the first
two at next to no cost, so only these are kept: by count 30% less of a layer of SmolLM2, no matrix
is multiplied twice, and the gradients are the same. An MLP that looks like this may do more (a
factor, a limit, a norm, dropout), so each is tested on random input and left alone if its output
differs.
"""

from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import silu
from transformers.activations import SiLUActivation

from aloe.training.replacement import replace_forward

Tensor = Any

_PARTS = ("gate_proj", "up_proj", "down_proj", "act_fn")


class _GatedUnit(torch.autograd.Function):
    """silu(gate) * up, which keeps its inputs alone."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        """Return the product."""
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of gate and up."""
        gate, up = ctx.saved_tensors
        of_gate = torch.ops.aten.silu_backward(gradient * up, gate)
        return of_gate, silu(gate).mul_(gradient)


def _forward(mlp: Any, hidden: Tensor) -> Tensor:
    gate, up = mlp.gate_proj(hidden), mlp.up_proj(hidden)
    product = _GatedUnit.apply(gate, up)
    place, size = product.data_ptr(), product.numel()

    def pack(kept: Tensor) -> Tensor | torch.Size:
        same = kept.data_ptr() == place and kept.numel() == size and kept.is_contiguous()
        return kept.shape if same else kept

    def unpack(packed: Tensor | torch.Size) -> Tensor:
        return silu(gate).mul_(up).view(packed) if isinstance(packed, torch.Size) else packed

    with saved_tensors_hooks(pack, unpack):
        return mlp.down_proj(product)


def keep_less(model: Any) -> None:
    """Let every MLP of silu(gate) * up in `model` keep less; what it computes stays the same."""
    for module in model.modules():
        gated = all(hasattr(module, part) for part in _PARTS)
        if gated and isinstance(module.act_fn, torch.nn.SiLU | SiLUActivation):
            replace_forward(module, _forward, width=module.gate_proj.in_features)
