"""How much memory a training will take, estimated before it starts.

An estimate from the shapes alone, of what comes on top of the loaded weights: gradients and Adam's
two moments of what is trained, the activations that a Llama-like layer with adapters keeps for its
backward pass, and the table of logits. The two factors of the activations are fitted to measured
peaks of SmolLM2-135M (rows of 462 to 2,028 nodes), with a third on top: other models keep
more of an MLP (see `aloe.training.activations`), and a machine that starts to swap, or an
out-of-memory kill after an hour, costs more than a wrong refusal that says what to change.
"""

from typing import Any

import torch

from aloe.errors import ConfigError

GIB = 2**30


def estimate_bytes(model: Any, *, tokens: int, scored: int, checkpointing: bool) -> int:
    """Return the peak memory of one step on top of the weights, in bytes.

    Args:
        model: the model, adapters included.
        tokens: nodes in the largest row.
        scored: nodes in it whose logits are needed.
        checkpointing: whether activations are recomputed layer by layer.
    """
    config = model.config.get_text_config()
    item = next(model.parameters()).element_size()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    wide = max(wide) if isinstance(wide, list | tuple) else wide  # one for each layer
    layer = tokens * (16 * config.hidden_size + 4 * wide) * item
    inputs = tokens * config.hidden_size * item * config.num_hidden_layers
    activations = inputs + layer if checkpointing else layer * config.num_hidden_layers
    logits = 2 * scored * config.vocab_size * 4
    return int(12 * trained + activations + logits)


def measure_free_bytes() -> int:
    """Return the memory that is free on the GPU, or on the machine if there is none."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
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
