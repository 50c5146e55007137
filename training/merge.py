"""Put an adapter into the weights of its base: one plain model, served anywhere.

The result is a transformers checkpoint in fp32, the same with and without a GPU, and a GGUF file
beside it where the base was one, so that `hf:`, vLLM and `local:` can all serve it. `training.json`
and the card say what it was made of.
"""

import json
from pathlib import Path

import torch

from aloe.errors import ConfigError, StoreError
from aloe.files.writing import replace_folder, replace_text
from aloe.models.checkpoint import load_checkpoint
from aloe.models.weights import ADAPTER, find_loaded, hash_files
from aloe.training.card import write_merged_card
from aloe.training.gguf import Bits, is_gguf, write_model
from aloe.training.model_folder import ModelFolder, Record
from aloe.training.reward import is_scoring
from aloe.training.start import find_base


def merge(adapter: Path, out: Path, *, bits: Bits = 16) -> list[Path]:
    """Merge the adapter folder into a new folder; returns the weight files written.

    Args:
        adapter: its folder.
        out: where the model goes.
        bits: of a weight in the GGUF file.

    Raises:
        ConfigError: it is no adapter, is not finished, or does not fit its base.
        StoreError: `out` holds something already, or cannot be written.
    """
    if not (adapter / ADAPTER).is_file():
        raise ConfigError(f"{adapter} is not an adapter: it has no {ADAPTER}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out} is not empty; name another folder")
    ModelFolder(adapter).check_finished()
    scoring = is_scoring(adapter)
    loaded = load_checkpoint(str(adapter), merged=True, scoring=scoring, on_gpu=torch.float32)
    model, record = loaded.model, _describe(adapter)
    with replace_folder(out) as part:
        model.save_pretrained(part)
        loaded.tokenizer.save_pretrained(part)
        if is_gguf(loaded.base) and not scoring:
            write_model(model, loaded.base, part, bits=bits)
        write_merged_card(out, part, adapter, record)
        replace_text(part / "training.json", json.dumps(record, indent=2) + "\n")
    return sorted([*out.glob("*.safetensors"), *out.glob("*.gguf")])


def _describe(adapter: Path) -> Record:
    """Return the record of what becomes of an adapter: from it, its base can be traced."""
    base, before = find_base(str(adapter)), ModelFolder(adapter).begun()
    return {
        "method": "merge",
        "start": base,
        "merged": str(adapter),
        "adapter_hash": hash_files(find_loaded(str(adapter))),
        "settings": {"model": base},
        **({"adapter": before} if before else {}),
        "finished": True,
    }
