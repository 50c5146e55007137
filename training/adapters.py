"""LoRA layers that read and write their large tensors less often.

With an adapter a layer computes W x + s B A x. As four operations, the second term is scaled and
added in separate tensors as large as the output, and so are the two gradients of x. Here the scale
is applied to the small tensor of the adapter's rank, and products are added in place: on a CPU
these layers then cost little more than their matrix products. Values and gradients are the same.
This covers the plain case; in any other a layer works as before. Each layer is tested on random
input first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch.nn.functional import linear

from aloe.training.replacement import replace_forward

Tensor = Any

_SHOWN = 0.02
"""Enough for an adapter to change what a layer says by about a tenth."""


class AdaptedLinear(torch.autograd.Function):
    """W x + b + s B A x, of which A and B learn; these may be in fp32 where the rest is in bf16."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        """Return the output for x of shape (..., inputs)."""
        reduced = linear(x, a.to(x.dtype)).mul_(scale)
        out = linear(x, weight, bias)
        out.flatten(0, -2).addmm_(reduced.flatten(0, -2), b.to(x.dtype).T)
        ctx.save_for_backward(x, weight, a, b, reduced)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, A and B."""
        x, weight, a, b, reduced = ctx.saved_tensors
        outer, a, b = gradient.flatten(0, -2), a.to(x.dtype), b.to(x.dtype)
        of_reduced = (outer @ b).mul_(ctx.scale)
        of_a = of_reduced.T @ x.flatten(0, -2)
        of_b = outer.T @ reduced.flatten(0, -2)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = (outer @ weight).addmm_(of_reduced, a).view(x.shape)
        return of_x, None, None, of_a, of_b, None


def _forward(layer: Any, x: Tensor, *args: Any, **named: Any) -> Tensor:
    if args or named or not _plain(layer, x):
        return type(layer).forward(layer, x, *args, **named)
    name = layer.active_adapters[0]
    base, a, b = layer.base_layer, layer.lora_A[name].weight, layer.lora_B[name].weight
    return AdaptedLinear.apply(x, base.weight, base.bias, a, b, layer.scaling[name])


def _plain(layer: Any, x: Tensor) -> bool:
    """Return whether the formula above is all that the layer does.

    On a GPU the weights of a layer may be elsewhere until its own forward is called (DeepSpeed).
    """
    if layer.disable_adapters or layer.merged or len(layer.active_adapters) != 1:
        return False
    name, base = layer.active_adapters[0], layer.base_layer
    return (
        x.device.type == "cpu"
        and _computes_in(x.dtype)
        and type(base) is torch.nn.Linear
        and not base.weight.requires_grad
        and name in layer.lora_A
        and name not in layer.lora_variant
        and type(layer.lora_dropout[name]) is torch.nn.Identity
        and layer.lora_B[name].bias is None
        and x.dtype == base.weight.dtype
        and layer.lora_A[name].weight.dtype in (x.dtype, torch.float32)
    )


def _computes_in(dtype: torch.dtype) -> bool:
    """Return whether products on a CPU of tensors of this kind are of this kind here."""
    return not torch.is_autocast_enabled("cpu") or torch.get_autocast_dtype("cpu") is dtype


def add_in_place(model: Any) -> None:
    """Let every LoRA layer of `model` add its adapter where the output lies."""
    with show_adapters(model):
        for module in model.modules():
            if type(module) is Linear:
                replace_forward(module, _forward, width=module.in_features)


@contextmanager
def show_adapters(model: Any) -> Iterator[None]:
    """Let adapters that begin at zero change something, by small random numbers, for a while."""
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    zero = [b.weight for layer in layers for b in layer.lora_B.values() if not b.weight.any()]
    try:
        with torch.no_grad():
            for weight in zero:
                weight.normal_(std=_SHOWN)
        yield
    finally:
        with torch.no_grad():
            for weight in zero:
                weight.zero_()
