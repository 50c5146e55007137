"""Is a checkpoint whole? Each of its files is opened as the trainer will open it.

A kill or a full disk may tear any of them, and a checkpoint that came from elsewhere may hold a
pickle that runs code. Without its optimizer, schedule or random numbers the trainer would go on
all the same, with other steps than an uninterrupted training takes. Weights are mapped, not read,
so this takes no time and no memory.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

from aloe.training.processes import count_processes

STATE = "trainer_state.json"
INDEX = ".index.json"
"""How the file is called that says which file holds which weights, where they are in several."""
NUMBERS = "rng_state.pth"
"""The state of random numbers; of several processes each has its own file."""
WEIGHTS = frozenset((
    *("adapter_model.safetensors", "adapter_model.bin", "model.safetensors", "pytorch_model.bin"),
    *("model.safetensors.index.json", "pytorch_model.bin.index.json"),
))  # fmt: skip
"""What the trainer looks for: any of these."""


def find_damage(checkpoint: Path) -> str | None:
    """Return which file of a checkpoint is missing or cannot be used; None if it is whole."""
    if missing := _find_missing(checkpoint):
        return f"{missing} is missing"
    for file in sorted(checkpoint.iterdir()):
        check = _CHECKS.get(file.suffix)
        if check is None or file.name == "training_args.bin":
            continue
        try:
            check(file)
        except Exception:  # whatever a library raises over a file that is none of its own
            return f"{file.name} cannot be read"
    return None


def _find_missing(checkpoint: Path) -> str | None:
    """Return what is missing that every checkpoint has, None if nothing is."""
    processes = count_processes()
    own = [f"rng_state_{rank}.pth" for rank in range(processes)] if processes > 1 else [NUMBERS]
    sharded = _is_sharded(checkpoint)
    names = [STATE] if sharded else [STATE, "optimizer.pt", "scheduler.pt", *own]
    there = {file.name for file in checkpoint.iterdir()}
    if missing := next((name for name in names if name not in there), None):
        return missing
    return None if sharded or there & WEIGHTS else "the file of its weights"


def _is_sharded(checkpoint: Path) -> bool:
    """Return whether FSDP or DeepSpeed saves it, under names of their own."""
    used = (os.environ.get(f"ACCELERATE_USE_{name}", "") for name in ("FSDP", "DEEPSPEED"))
    return any(value.lower() in ("1", "true") for value in used) or any(
        file.name.startswith(("pytorch_model_fsdp", "global_step")) for file in checkpoint.iterdir()
    )


def step_of(checkpoint: Path) -> int | None:
    """Return the step after which a checkpoint was saved; None if its name does not say."""
    found = re.fullmatch(r"checkpoint-(\d{1,18})", checkpoint.name)
    return int(found[1]) if found else None


def _open_tensors(file: Path) -> None:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - it is no dict
            tensors.get_slice(name).get_shape()


def _open_pickle(file: Path) -> None:
    """Open what torch has saved; anything but numbers in it is refused."""
    import torch
    from transformers.trainer_pt_utils import safe_globals

    with safe_globals():
        torch.load(file, map_location="cpu", weights_only=True, mmap=True)


def _open_json(file: Path) -> None:
    import json

    found = json.loads(file.read_text(encoding="utf-8"))
    if file.name == STATE:
        _check_state(file, found)
    if file.name.endswith(INDEX):
        for part in set(found["weight_map"].values()):
            (file.parent / part).stat()


def _check_state(file: Path, found: Any) -> None:
    """Make sure that the trainer's state is one, and this checkpoint's.

    Raises:
        Exception: it is not.
    """
    from pydantic import TypeAdapter
    from transformers import TrainerState

    kinds: dict[str, Any] = get_type_hints(TrainerState) | {
        "log_history": list[dict[str, Any]],
        "stateful_callbacks": dict[str, Any],  # as it is in the file
    }
    TrainerState.load_from_json(str(file))
    for name, value in found.items():
        TypeAdapter(kinds[name]).validate_python(value, strict=True)
    if found["global_step"] != step_of(file.parent):
        raise TypeError(file.name)


_CHECKS: dict[str, Callable[[Path], None]] = {
    ".safetensors": _open_tensors,
    ".pt": _open_pickle,
    ".pth": _open_pickle,
    ".bin": _open_pickle,
    ".json": _open_json,
}
