"""Which numbers the frozen weights of a model are kept in while its adapters train on a CPU.

Some processors multiply matrices in bf16 several times as fast as in fp32, others many times as
slowly, and no list of them could be complete. So one layer of the very model is timed in both.
Adapters stay in fp32, because small steps would round to nothing in bf16.
"""

from time import perf_counter
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch.nn.functional import linear

from aloe.models.rounding import round_weights

Tensor = Any

WORTHWHILE = 1.5
"""Times as fast as in fp32 that products in bf16 have to be; less is lost in casts."""
_TOKENS = 256
_ROUNDS = 10


def measure_gain(model: Any) -> float:
    """Return how many times as fast this machine multiplies by weights of `model` in bf16.

    Args:
        model: with adapters, on a CPU. Its largest linear layer with an adapter is timed; without
            one the result is 0.
    """
    layers = [each.get_base_layer() for each in model.modules() if isinstance(each, LoraLayer)]
    weights = [layer.weight for layer in layers if type(layer) is torch.nn.Linear]
    return _time(max(weights, key=torch.Tensor.numel)) if weights else 0.0


def freeze_in_bf16(model: Any) -> None:
    """Keep all weights of `model` in bf16 that are not trained."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    round_weights(base, torch.bfloat16, frozen_only=True)


def _time(weight: Tensor) -> float:
    """Return the time of a product with a weight in fp32 over that in bf16, the fastest of each."""
    own = torch.Generator().manual_seed(0)  # training draws from torch's
    given = torch.randn(_TOKENS, weight.shape[1], generator=own)
    kinds = (torch.float32, torch.bfloat16)
    factors = [(given.to(kind), weight.detach().to(kind)) for kind in kinds]
    taken: tuple[list[float], list[float]] = ([], [])
    with torch.no_grad():
        for pair in factors:  # the first call of each kind prepares its kernel
            linear(*pair)
        for _ in range(_ROUNDS):
            for pair, seconds in zip(factors, taken, strict=True):
                begun = perf_counter()
                linear(*pair)
                seconds.append(perf_counter() - begun)
    full, half = map(min, taken)  # what else ran meanwhile only adds
    return full / half
