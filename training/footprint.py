"""How much memory a training will take, estimated before it starts.

An estimate from the shapes alone, of what comes on top of the loaded weights: gradients and Adam's
two moments of what is trained, the activations that a Llama-like layer with adapters keeps for its
backward pass, and the table of logits. The two factors of the activations are fitted to measured
peaks of SmolLM2-135M (rows of 462 to 2,028 nodes), with a third on top: other models keep
more of an MLP (see `aloe.training.activations`), and a machine that starts to swap, or an
out-of-memory kill after an hour, costs more than a wrong refusal that says what to change.
"""

from collections.abc import Callable
from typing import Any

import torch

from aloe.errors import ConfigError
from aloe.training.head import ENTRIES, scoring_head

GIB = 2**30

ROW_TOKENS = 2048
"""Tokens of a row where nothing else is said."""
STEP_TOKENS = 8192
"""Tokens of an optimizer step at most, in rows of whatever size. No tree is cut for it, so a GPU's
memory decides how full the rows are: how many pairs or replies a step has, and how many steps there
are."""
_SIZES = (8192, 4096, 2048, 1024, 512)
_SHARE = 0.8
"""Of the free memory, for rows that nobody chose: kernels and fragments want the rest."""


def choose_row_tokens(free: int, needed: Callable[[int], int]) -> int:
    """Return the largest size of a row whose step fits into memory, the smallest if none does.

    Args:
        free: bytes beside the weights.
        needed: bytes that a step takes with rows of so many tokens.
    """
    return next((size for size in _SIZES if needed(size) <= _SHARE * free), _SIZES[-1])


def estimate_bytes(
    model: Any, *, tokens: int, scored: int, checkpointing: bool, item: int = 4
) -> int:
    """Return the peak memory of one step on top of the weights, in bytes.

    Args:
        model: the model, adapters included.
        tokens: nodes in the largest row.
        scored: nodes in it whose logits are needed.
        checkpointing: whether activations are recomputed layer by layer.
        item: bytes of a number that a step computes with, whatever the weights are kept in.
    """
    config = model.config.get_text_config()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    wide = max(wide) if isinstance(wide, list | tuple) else wide  # one for each layer
    layer = tokens * (16 * config.hidden_size + 4 * wide) * item
    inputs = tokens * config.hidden_size * item * config.num_hidden_layers
    activations = inputs + layer if checkpointing else layer * config.num_hidden_layers
    table = scored * config.vocab_size
    if scoring_head(model) is not None:  # only a chunk of it, and two vectors a node
        table = min(table, ENTRIES) + 2 * scored * config.hidden_size
    logits = 8 * table
    return int(12 * trained + activations + logits)


def measure_free_bytes(model: Any) -> int:
    """Return the memory that is free on the GPU once `model` is there, or on the machine."""
    if torch.cuda.is_available():
        coming = sum(p.numel() * p.element_size() for p in model.parameters() if not p.is_cuda)
        return int(torch.cuda.mem_get_info()[0] - coming)
    import psutil

    return int(psutil.virtual_memory().available)


def check_fits(needed: int, free: int, *, lora: bool, checkpointing: bool) -> None:
    """Make sure that a training fits.

    Raises:
        ConfigError: it does not; names what would make it smaller.
    """
    if needed <= free:
        return
    ways = ["a smaller training.row_tokens"]
    ways += [] if checkpointing else ["activation_checkpointing = true under [training.arguments]"]
    ways += [] if lora else ["LoRA instead of --full"]
    raise ConfigError(
        f"a step needs about {needed / GIB:.1f} GiB beside the weights, {free / GIB:.1f} are free; "
        f"it takes less with {', '.join(ways)}"
    )
