"""Keeping a model's weights in fewer bits, as if they had been loaded so.

An adapter is merged into fp32 weights and the sum is rounded once. Added to weights in bf16, most
of a small change would be lost: the gap between two of their numbers is larger than it.
"""

import re
from typing import Any

import torch


def round_weights(model: Any, dtype: torch.dtype, *, frozen_only: bool = False) -> Any:
    """Return a model in fp32 with its weights rounded, as transformers would load them.

    What a file does not hold (rotary frequencies) stays in fp32, and so do the weights of which the
    model says that it needs them so, and with `frozen_only` those that are trained.
    """
    kept = [part.replace("*", ".*") for part in model._get_dtype_plan(dtype)]
    for name, held in model.state_dict(keep_vars=True).items():
        if not held.is_floating_point() or (frozen_only and held.requires_grad):
            continue
        if not any(re.search(part, name) for part in kept):
            held.data = held.data.to(dtype)
    return model
