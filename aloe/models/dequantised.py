"""GGUF files in transformers: what its loader ignores is applied or refused.

The loader takes the tensors whose names it knows and parts of the header, and silently ignores the
rest. That is not always noticed: positions are scaled by a tensor (`rope_freqs.weight`, Llama 3.1)
or by the header (linear, YaRN), which changes long conversations and hardly shows in short ones.
These are copied into the model's config, so that they are saved with it. Any other ignored tensor
is an error; for the rest of the header, training compares the model with llama.cpp
(`aloe.training.likeness`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import modeling_gguf_pytorch_utils as gguf_loading

from aloe.errors import ModelError
from aloe.models.gguf_header import read_header
from aloe.models.gguf_reader import open_reader

ROPE_FACTORS = "rope_freqs.weight"
"""A tensor of half a head's size: by what each rotary frequency is divided."""

_SCALING = ("type", "factor", "original_context_length", "finetuned")
"""Of the header's `rope.scaling.*`, what is understood here."""


class _Names(dict[str, str]):
    """What the loader asks for the place of a tensor; keeps the names that have none."""

    def __init__(self, places: dict[str, str], unknown: list[str]) -> None:
        super().__init__(places)
        self._unknown = unknown

    def __contains__(self, name: object) -> bool:
        known = super().__contains__(name)
        if not known and isinstance(name, str):
            self._unknown.append(name)
        return known


@contextmanager
def left_out() -> Iterator[list[str]]:
    """Yield a list that gets the names of a GGUF file's tensors that transformers does not load."""
    names: list[str] = []
    places, bar = gguf_loading.get_gguf_hf_weights_map, gguf_loading.tqdm
    gguf_loading.get_gguf_hf_weights_map = lambda *a, **named: _Names(places(*a, **named), names)
    gguf_loading.tqdm = lambda tensors, **_: tensors
    try:
        yield names
    finally:
        gguf_loading.get_gguf_hf_weights_map, gguf_loading.tqdm = places, bar


def complete(model: Any, path: Path, unloaded: list[str], *, scoring: bool) -> None:
    """Apply what the loader left out of a GGUF file.

    Args:
        model: what transformers made of it.
        path: the file.
        unloaded: tensors that were not loaded.
        scoring: whether the model has a score in place of `output.weight`.

    Raises:
        ModelError: something was left out that cannot be applied.
    """
    known = {ROPE_FACTORS, *(["output.weight"] if scoring else [])}
    if unknown := sorted(set(unloaded) - known):
        raise _refusal(path, ", ".join(unknown[:3]) + (" and more" if unknown[3:] else ""))
    factors = _rope_factors(path) if ROPE_FACTORS in unloaded else None
    if scaling := _scaling(path, factors, model.config.max_position_embeddings):
        _scale_positions(model, scaling, path)


def forget_coding(model: Any) -> None:
    """Let a model that was read from a GGUF file be saved as any other."""
    del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False


def _rope_factors(path: Path) -> list[float]:
    tensors = open_reader(path).tensors
    return next(tensor.data.tolist() for tensor in tensors if tensor.name == ROPE_FACTORS)


def _scaling(path: Path, factors: list[float] | None, length: int) -> dict[str, Any]:
    """Return how positions are scaled, in transformers' words; empty if they are not."""
    head = read_header(path)
    prefix = f"{head['general.architecture']}.rope.scaling."
    said = {k.removeprefix(prefix): value for k, value in head.items() if k.startswith(prefix)}
    kind = said.get("type", "none")
    known = said.keys() <= set(_SCALING) and kind in ("none", "linear", "yarn")
    if not known or (factors and kind != "none"):
        raise _refusal(path, ", ".join(f"{prefix}{key} = {said[key]}" for key in said))
    if factors:
        # What transformers calls longrope, with the same factors at any length.
        return {
            "rope_type": "longrope",
            "short_factor": factors,
            "long_factor": factors,
            "factor": 1.0,
            "attention_factor": 1.0,
            "original_max_position_embeddings": length,
        }
    if kind == "none" or said.get("factor", 1.0) in (0.0, 1.0):
        return {}
    trained = {"original_max_position_embeddings": said.get("original_context_length", length)}
    return {
        "rope_type": kind,
        "factor": said["factor"],
        **(trained if kind == "yarn" else {}),
    }


def _scale_positions(model: Any, scaling: dict[str, Any], path: Path) -> None:
    now = getattr(model.config, "rope_parameters", None) or {}
    if now.get("rope_type", "default") == scaling["rope_type"]:
        return  # the loader has seen to it
    turning = [each for each in model.modules() if hasattr(each, "inv_freq")]
    if now.get("rope_type") != "default" or not turning:
        raise _refusal(path, f"the scaling of positions ({scaling['rope_type']})")
    model.config.rope_parameters = {**now, **scaling}
    for each in turning:
        each.__init__(model.config)


def _refusal(path: Path, what: str) -> ModelError:
    return ModelError(
        f"{path}: transformers ignores {what}, so this would not be the model that llama.cpp "
        "serves; serve it with local:, or name the checkpoint folder that it was made from"
    )
