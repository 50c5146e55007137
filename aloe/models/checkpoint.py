"""Loading a transformers model, or a one-line error that says why it cannot be loaded.

Training and `hf:` share this loader, so that the same weights are tuned and served. A model is a
checkpoint folder, a LoRA adapter (applied to the base that its config names), a GGUF file or the
embedded model by name (both dequantised), or a name in the local hub cache. The hub itself is never
asked unless HF_HUB_OFFLINE=0 says so.

Libraries raise all kinds of errors over a broken file, and only warn when they fill in missing
weights with random numbers. So each of their calls is wrapped in `reading`, and what they loaded is
compared with what the model and the file contain.
"""

# ruff: noqa: E402 - the hub reads its variables when it is first imported

import os
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_variable, "1")

import torch
import transformers

from aloe.errors import AloeError, ConfigError, ModelError
from aloe.files.cache import keep_copy
from aloe.models.dequantised import complete, forget_coding, left_out
from aloe.models.gguf_reader import shared_reader
from aloe.models.local import GENERATION, weights_path
from aloe.models.rounding import round_weights
from aloe.models.weights import ADAPTER, WEIGHTS, adapter_base, model_path, plain_name
from aloe.secrets import redact

Source = tuple[str, dict[str, str]]
"""Folder or hub name, and what else `from_pretrained` needs to find the file in it."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A causal language model with its tokenizer."""

    model: Any
    tokenizer: Any
    base: str
    """Model string of the base that an adapter sits on; the model's own without one."""


def load_checkpoint(
    name: str,
    *,
    trainable: bool = False,
    scoring: bool = False,
    merged: bool = False,
    on_gpu: torch.dtype | None = None,
) -> Checkpoint:
    """Load the model that `name` stands for, in fp32 on a CPU.

    Args:
        name: folder, adapter folder, GGUF file, embedded model or cached hub name; a leading
            `hf:` or `local:` is allowed.
        trainable: whether weights may change, those of an adapter included.
        scoring: whether the model gives one score for a conversation instead of the next token.
        merged: whether an adapter is merged into its base: in fp32, rounded to `on_gpu` afterwards.
        on_gpu: kind of its numbers on a GPU; None: bf16.

    Raises:
        ConfigError: a needed package is missing, or an adapter does not fit its base.
        ModelError: there is no such model here, or it cannot be read.
    """
    name, folder = plain_name(name), model_path(name)
    adapted = (folder / ADAPTER).exists()
    base = adapter_base(folder) if adapted else name
    read_as = torch.float32 if merged and adapted else on_gpu
    with _quiet(), shared_reader():
        with _as_base_of(folder if adapted else None):
            model, source = _pretrained(base, trainable=trainable, scoring=scoring, on_gpu=read_as)
        if adapted:
            model = _with_adapter(model, folder, trainable=trainable)
            if (folder / "tokenizer_config.json").exists():
                source = (str(folder), {})
        tokenizer = _tokenizer(source)
    if merged and hasattr(model, "merge_and_unload"):
        model = round_weights(model.merge_and_unload(), _numbers(on_gpu))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Checkpoint(model=model.to(device), tokenizer=tokenizer, base=base)


def embedding_rows(model: Any) -> int:
    """Return for how many token ids a model has an embedding."""
    return int(model.get_input_embeddings().weight.shape[0])


def context_window(model: Any) -> int | None:
    """Return how many tokens a model reads, prompt and reply; None if it does not say.

    Settings of stretched positions may be added to a model's own and leave its length as it was.
    """
    config = model.config.get_text_config()
    found: int | None = getattr(config, "max_position_embeddings", None)
    rope = getattr(config, "rope_parameters", None) or {}
    if not found or rope.get("rope_type") not in ("yarn", "dynamic"):
        return found
    trained = rope.get("original_max_position_embeddings") or found
    return max(found, int(trained * rope.get("factor", 1)))


@contextmanager
def reading(what: str, kind: str) -> Iterator[None]:
    """Turn whatever a library raises over a person's files into one line.

    Only calls of libraries belong inside, so that no mistake of ours is taken for a broken file.

    Args:
        what: the folder or file that is read.
        kind: what it should be, such as "model that transformers can load here".

    Raises:
        ConfigError: a package is missing.
        ModelError: it cannot be read.
    """
    try:
        yield
    except AloeError:
        raise
    except ImportError as error:
        raise ConfigError(f"{what}: {_first_line(error)}; install aloe-align[train]") from None
    except Exception as error:
        raise ModelError(f"{what} is not a {kind} ({_first_line(error)})") from None


@contextmanager
def _as_base_of(adapter: Path | None) -> Iterator[None]:
    """Say whose base it was that could not be loaded."""
    try:
        yield
    except (ConfigError, ModelError) as error:
        if adapter is None:
            raise
        raise type(error)(f"the base of {adapter}: {error}") from None


def _pretrained(
    name: str, *, trainable: bool, scoring: bool, on_gpu: torch.dtype | None
) -> tuple[Any, Source]:
    """Return a model without adapter, and where its tokenizer is."""
    folder, options = _source(name)
    if trainable and not options:
        _check_whole_numbers(name, folder)
    kind = (
        transformers.AutoModelForSequenceClassification
        if scoring
        else transformers.AutoModelForCausalLM
    )
    given = {"dtype": _numbers(on_gpu), **options, **({"num_labels": 1} if scoring else {})}
    return _loaded(name, kind, folder, given), (folder, options)


def _numbers(on_gpu: torch.dtype | None) -> torch.dtype:
    """Return the kind of a model's numbers here."""
    return (on_gpu or torch.bfloat16) if torch.cuda.is_available() else torch.float32


def _loaded(name: str, kind: Any, folder: str | Path, options: dict[str, Any]) -> Any:
    """Return a model whose weights all come from its files."""
    with reading(name, "model that transformers can load here"), left_out() as tensors:
        model, info = kind.from_pretrained(
            folder,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are looked for below
            trust_remote_code=False,
            **options,
        )
    scoring = kind is transformers.AutoModelForSequenceClassification
    _check_loaded(name, model, info, scoring=scoring)
    if (file := Path(folder) / GENERATION).exists():  # a broken one is passed over
        with reading(str(file), "file of generation settings that transformers can load"):
            transformers.GenerationConfig.from_pretrained(folder)
    if "gguf_file" in options:
        complete(model, Path(folder) / options["gguf_file"], tensors, scoring=scoring)
        forget_coding(model)
    return model


def _check_loaded(name: str, model: Any, info: dict[str, Any], *, scoring: bool) -> None:
    """Make sure that no weight is made up, and that none of a part of the model is left out.

    A score's head is new, and whole parts that the model lacks (another head, a picture encoder)
    may stay behind.
    """
    made_up = [
        key
        for key in info["missing_keys"]
        if not (scoring and not key.startswith(f"{model.base_model_prefix}."))
    ]
    if made_up:
        raise ModelError(f"{name} is missing weights of its model: {_some(made_up)}")
    if info["mismatched_keys"]:
        key, there, wanted = next(iter(info["mismatched_keys"]))
        raise ModelError(
            f"{name} does not match its config.json: {key} has the shape {tuple(there)} and should "
            f"have {tuple(wanted)}"
        )
    parts = {
        _place(path) for path, part in model.named_modules() if path and list(part.parameters())
    }
    ignored = [key for key in info["unexpected_keys"] if _place(key.rpartition(".")[0]) in parts]
    if ignored and not scoring:
        raise ModelError(
            f"{name} has weights that do not belong to its config.json: {_some(ignored)}; without "
            "them it would be a different model"
        )


def _place(path: str) -> str:
    """Return the path of a module with its numbers left out: any layer for each."""
    return re.sub(r"\d+", "N", path)


def _some(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _check_whole_numbers(name: str, folder: str) -> None:
    """Make sure that a checkpoint to be trained is not quantised."""
    with reading(name, "model that transformers can load here"):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    coding = getattr(config, "quantization_config", None)
    if coding:
        method = coding.get("quant_method") if isinstance(coding, dict) else coding.quant_method
        raise ConfigError(
            f"{name} is quantised ({method}) and cannot be trained here; name the checkpoint it "
            "was made from"
        )


def _tokenizer(source: Source) -> Any:
    """Return a tokenizer that knows text."""
    folder, options = source
    with reading(folder, "folder with a tokenizer that transformers can load"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, **options
        )
        ids = tokenizer("Hello there.", add_special_tokens=False)["input_ids"]
    if not set(ids) - {tokenizer.unk_token_id}:
        raise ModelError(
            f"the tokenizer of {folder} is empty; is its tokenizer.json (or tokenizer.model) there "
            "and complete?"
        )
    return tokenizer


def _source(name: str) -> Source:
    """Return what `from_pretrained` needs to find `name`."""
    if name in WEIGHTS or name.endswith(".gguf"):
        path = weights_path(name)
        if name in WEIGHTS and (folder := _unpacked(path)):
            return str(folder), {}
        return str(path.parent), {"gguf_file": path.name}
    if (path := model_path(name)).exists():
        return str(path), {}
    if path.is_absolute() or name[:1] in {".", "~"} or name.count("/") > 1:  # not the hub's
        raise ModelError(f"there is no model {name}")
    return name, {}


def _unpacked(path: Path) -> Path | None:
    """Return a checkpoint folder of an embedded model's GGUF file, made if it is not there.

    It holds the same numbers in fp32. From the file, transformers would make them anew for each
    process, and take most of a minute for it. None: no copy can be kept.
    """

    def make(folder: Path) -> None:
        options = {"gguf_file": path.name}
        kind = transformers.AutoModelForCausalLM
        model = _loaded(str(path), kind, path.parent, {"dtype": torch.float32, **options})
        model.save_pretrained(folder)
        _tokenizer((str(path.parent), options)).save_pretrained(folder)

    size, version = path.stat().st_size, transformers.__version__
    return keep_copy(f"{path.stem}-{size}-transformers-{version}", make)


def _with_adapter(model: Any, adapter: Path, *, trainable: bool) -> Any:
    """Return `model` with an adapter and with what the adapter's folder says of generation."""
    from peft import PeftModel, get_peft_model_state_dict
    from peft.utils import load_peft_weights

    if not any(adapter.glob("adapter_model.*")):
        raise ConfigError(f"{adapter} has no adapter_model.safetensors; the adapter is incomplete")
    try:
        with quiet_peft():
            adapted = PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable)
        stored = set(load_peft_weights(str(adapter), device="cpu"))
        placed = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    except ImportError as error:
        raise ConfigError(f"{adapter}: {_first_line(error)}; install aloe-align[train]") from None
    except Exception as error:
        raise ConfigError(
            f"{adapter} does not fit its base model {adapter_base(adapter)}: {_first_line(error)}"
        ) from None
    if odd := stored ^ placed:
        raise ConfigError(
            f"{adapter} does not fit its base model {adapter_base(adapter)}: only one "
            f"of them has {_some(odd)}"
        )
    if (adapter / GENERATION).exists():
        with reading(str(adapter), f"folder with a readable {GENERATION}"):
            own = transformers.GenerationConfig.from_pretrained(adapter)
        adapted.get_base_model().generation_config = own
    return adapted


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Keep to itself what peft warns of and puts right, or what is looked for here."""
    with warnings.catch_warnings():
        for advice in (
            "Found missing adapter keys",
            "fan_in_fan_out is set",
            ".*_pattern keys did not match",
            ".is_gradient_checkpointing. is deprecated",  # transformers, of what peft asks it
        ):
            warnings.filterwarnings("ignore", advice)
        yield


def _first_line(error: Exception) -> str:
    if "weights_only" in str(error):  # torch's advice is to run the code in the file
        return "its pickle is damaged, or holds code instead of weights; use safetensors"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first, *rest = lines or [type(error).__name__]
    return redact(f"{first} {rest[0]}" if rest and first.endswith(":") else first)[:200]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and advice of transformers off the screen while a model loads."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.utils.logging.set_verbosity_warning()
