"""Put an adapter into the weights of its base: one plain model, served anywhere.

The result is a transformers checkpoint in fp32, the same with and without a GPU, and a GGUF file
beside it where the base was one, so that `hf:`, vLLM and `local:` can all serve it.
"""

from pathlib import Path

import torch

from aloe.errors import ConfigError, StoreError
from aloe.files.writing import replace_folder
from aloe.models.checkpoint import load_checkpoint
from aloe.models.weights import ADAPTER
from aloe.training.gguf import Bits, is_gguf, write_model


def merge(adapter: Path, out: Path, *, bits: Bits = 16) -> list[Path]:
    """Merge the adapter folder into a new folder; returns the weight files written.

    Args:
        adapter: its folder.
        out: where the model goes.
        bits: of a weight in the GGUF file.

    Raises:
        ConfigError: it is no adapter, or does not fit its base.
        StoreError: `out` holds something already.
    """
    if not (adapter / ADAPTER).is_file():
        raise ConfigError(f"{adapter} is not an adapter: it has no {ADAPTER}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out} is not empty; name another folder")
    loaded = load_checkpoint(str(adapter), merged=True, on_gpu=torch.float32)
    model = loaded.model
    with replace_folder(out) as part:
        model.save_pretrained(part)
        loaded.tokenizer.save_pretrained(part)
        if is_gguf(loaded.base):
            write_model(model, loaded.base, part, bits=bits)
    return sorted([*out.glob("*.safetensors"), *out.glob("*.gguf")])
