"""From trained weights to GGUF, so that the embedded llama.cpp server can serve them.

An adapter becomes a small file that the server loads beside its base; a merged model becomes a
whole one that takes settings and tokenizer from the GGUF file its base came from. One trap: for
Llama-like models GGUF stores the rows of the query and key projections in a different order (the
two halves of a rotary pair interleaved), both for weights and for the output side of an adapter.
Ignoring that gives a model that is fluent but wrong; a test compares log-probabilities.
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from aloe.errors import ConfigError
from aloe.files.json_objects import load_json
from aloe.models.dequantised import ROPE_FACTORS
from aloe.models.gguf_header import read_header
from aloe.models.gguf_reader import open_reader
from aloe.models.local import weights_path
from aloe.models.requantize import close, ending_at, metadata
from aloe.models.weights import ADAPTER, ADAPTER_GGUF, MODEL_GGUF, WEIGHTS, adapter_base
from aloe.training.stopping import find_ends

Array = Any

Bits = Literal[8, 16]
"""Of a weight."""

LAYER_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
"""What GGUF calls the parts of a layer."""

OUTER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}

ARCHITECTURES = ("llama", "qwen2")
"""GGUF architectures whose parts have these names; only llama reorders queries and keys."""


def is_gguf(base: str) -> bool:
    """Return whether a base model is a GGUF file here."""
    return base in WEIGHTS or base.endswith(".gguf")


def check_writable(base: str, modules: Collection[str]) -> None:
    """Make sure that an adapter on these modules of a GGUF base can be written for `local:`.

    Raises:
        ConfigError: it cannot.
    """
    _architecture(_base_file(base))
    for module in modules:
        find_gguf_name(module)


def write_adapter(folder: Path) -> Path:
    """Write the adapter in `folder` as a GGUF file beside it.

    Raises:
        ConfigError: its base is no GGUF file, or of an architecture not covered.
    """
    import gguf
    from safetensors.numpy import load_file

    base = _base_file(adapter_base(folder))
    settings = load_json(folder / ADAPTER)
    out = folder / ADAPTER_GGUF
    writer = gguf.GGUFWriter(out, _architecture(base))
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    alpha = float(settings["lora_alpha"]) or 1.0
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    reordered = make_reordering(base)
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        module, side = _parsed(name)
        part = find_gguf_name(module)
        value = tensor.astype("float32")
        if side == "b":  # llama.cpp multiplies by alpha / rank, whatever PEFT does
            rank = value.shape[1]
            value = reordered(part, value) * (_scale(settings, module, rank) * rank / alpha)
        writer.add_tensor(f"{part}.weight.lora_{side}", value.astype("float32"))
    close(writer)
    return out


def _scale(settings: Mapping[str, Any], module: str, rank: int) -> float:
    """Return by what PEFT multiplies an adapter on a module."""
    from peft.utils.other import get_pattern_key

    own = settings.get("alpha_pattern") or {}
    alpha = own.get(get_pattern_key(own.keys(), module), settings["lora_alpha"])
    return float(alpha / (rank**0.5 if settings.get("use_rslora") else rank))


def write_model(model: Any, base: str, folder: Path, *, bits: Bits = 16) -> Path:
    """Write the weights of a plain model, with settings and tokenizer of its `base`.

    Args:
        model: transformers model without adapter.
        base: what it was trained on.
        folder: where the file goes.
        bits: 16 (F16) says what the model says; 8 (Q8_0: 32 weights of a row share a scale) is
            smaller, faster and a little off. Vectors have 32 bits, rows of another length 16.

    Raises:
        ConfigError: the base is no GGUF file, or of an architecture not covered.
    """
    import gguf

    file = _base_file(base)
    reader = open_reader(file)
    out = folder / MODEL_GGUF
    writer = gguf.GGUFWriter(out, _architecture(file))
    for key, value, kind, element in ending_at(
        find_ends(model.generation_config), metadata(reader)
    ):
        writer.add_key_value(key, value, kind, element)
    coding = "Q8_0" if bits == 8 else "F16"
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{coding}"])
    reordered = make_reordering(file)
    tied = bool(getattr(model.config, "tie_word_embeddings", False))
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        module, _, leaf = name.rpartition(".")
        part = find_gguf_name(module)
        value = reordered(part, tensor.detach().float().cpu().numpy())
        kind = choose_coding(value, gguf.GGMLQuantizationType[coding])
        writer.add_tensor(f"{part}.{leaf}", gguf.quantize(value, kind), raw_dtype=kind)
    for tensor in reader.tensors:
        if tensor.name == ROPE_FACTORS:  # the model has it in its config
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    close(writer)
    return out


def choose_coding(value: Array, wanted: Any) -> Any:
    """Return how a tensor is stored: the blocks of a coding have to fill its rows."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if value.ndim == 1:
        return GGMLQuantizationType.F32
    block, _ = GGML_QUANT_SIZES[wanted]
    return GGMLQuantizationType.F16 if value.shape[-1] % block else wanted


def find_gguf_name(module: str) -> str:
    """Return what GGUF calls a module of a transformers model.

    Raises:
        ConfigError: it has no name there.
    """
    if found := re.fullmatch(r"model\.layers\.(\d+)\.(.+)", module):
        number, part = found.groups()
        if part in LAYER_NAMES:
            return f"blk.{number}.{LAYER_NAMES[part]}"
    if module in OUTER_NAMES:
        return OUTER_NAMES[module]
    raise ConfigError(f"{module} has no place in a GGUF file; serve this model with hf:DIR")


def _parsed(name: str) -> tuple[str, str]:
    """Return module and side (a or b) of an adapter's tensor."""
    found = re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", name)
    if not found:
        raise ConfigError(f"{name} has no place in a GGUF file; serve this model with hf:DIR")
    return found[1], found[2].lower()


def _base_file(base: str) -> Path:
    if not is_gguf(base):
        raise ConfigError(f"{base} is not a GGUF file; serve what is trained on it with hf:DIR")
    return weights_path(base)


def _architecture(base: Path) -> str:
    architecture = str(read_header(base)["general.architecture"])
    if architecture not in ARCHITECTURES:
        raise ConfigError(
            f"GGUF files of architecture {architecture} are not written here; serve with hf:DIR"
        )
    return architecture


def make_reordering(base: Path) -> Callable[[str, Array], Array]:
    """Return what puts the rows of queries and keys into GGUF's order, and leaves all others."""
    architecture, head = _architecture(base), read_header(base)
    heads = int(head[f"{architecture}.attention.head_count"])
    key_heads = int(head[f"{architecture}.attention.head_count_kv"])
    by_part = {"attn_q": heads, "attn_k": key_heads} if architecture == "llama" else {}

    def reordered(part: str, tensor: Array) -> Array:
        count = by_part.get(part.rpartition(".")[2])
        return interleave(tensor, count) if count else tensor

    return reordered


def interleave(tensor: Array, heads: int) -> Array:
    """Return the rows with each head's two rotary halves interleaved."""
    halves = tensor.reshape(heads, 2, len(tensor) // heads // 2, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape)
