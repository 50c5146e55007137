"""The model a training starts from: a base, or the result of another training.

DPO continues training SFT's adapter, so that the result is again one adapter on the base, served
beside it and switched off to get the base back. Anything that would end a training after its first
step, or turn its result into a different model where it is served, is checked here.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from aloe.config import TrainingConfig
from aloe.errors import ConfigError, suggest
from aloe.files.json_objects import load_json
from aloe.models.checkpoint import Checkpoint, embedding_rows, load_checkpoint, quiet_peft, reading
from aloe.models.weights import ADAPTER, adapter_base, model_path, plain_name
from aloe.secrets import one_line
from aloe.training.dataset import find_replies
from aloe.training.gguf import check_writable, is_gguf
from aloe.training.model_folder import ModelFolder
from aloe.training.stopping import stop_at
from aloe.training.templates import ChatTokens

if TYPE_CHECKING:
    from aloe.training.dataset import Row


def load_start(
    start: str,
    settings: TrainingConfig,
    *,
    scoring: bool = False,
    rows: Sequence["Row"] = (),
    on_gpu: torch.dtype | None = None,
) -> Checkpoint:
    """Load what training starts from, ready to be trained.

    Args:
        start: model string or checkpoint folder.
        settings: what is trained of it.
        scoring: whether it is to be a reward model.
        rows: what it is trained and evaluated on.
        on_gpu: kind of the weights on a GPU that are not trained; None: bf16.

    Raises:
        ConfigError: the adapter sits on another base than the settings name, the model cannot be
            trained as the settings say, or the template cannot be trained on.
        ModelError: there is no such model here, or llama.cpp reads its file differently.
    """
    from aloe.training.likeness import check_likeness

    read_as = on_gpu if settings.lora else torch.float32  # all weights are trained, so none rounded
    loaded = load_checkpoint(start, trainable=True, scoring=scoring, on_gpu=read_as)
    model, tokenizer, adapted = loaded.model, loaded.tokenizer, is_adapter(start)
    chat = ChatTokens(tokenizer)
    _check_tokens(model, tokenizer, chat, rows)
    if is_gguf(loaded.base) and not scoring:
        with model.disable_adapter() if adapted else nullcontext():
            check_likeness(model, tokenizer, loaded.base)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(chat.end)
    if not scoring:
        stop_at(chat.end, model, tokenizer)
    if settings.lora and not adapted:
        model = add_lora(model, loaded.base, settings, scoring=scoring)
    elif not settings.lora:
        model = model.merge_and_unload() if adapted else model
        model.requires_grad_(True)
    for parameter in model.parameters():
        if parameter.requires_grad:  # in half precision, small steps would round to nothing
            parameter.data = parameter.data.float()
    return Checkpoint(model=model, tokenizer=tokenizer, base=loaded.base)


def is_adapter(start: str) -> bool:
    """Return whether `start` is the folder of an adapter."""
    return (model_path(start) / ADAPTER).is_file()


def with_adapter_of(start: str, settings: TrainingConfig) -> TrainingConfig:
    """Return the settings with what an adapter has that is trained further: it stays as it is.

    Raises:
        ConfigError: the adapter's settings are broken.
    """
    if not settings.lora or not is_adapter(start):
        return settings
    folder = model_path(start)
    try:
        held = load_json(folder / ADAPTER)
        named = {"rank": held["r"], "alpha": held["lora_alpha"], "dropout": held["lora_dropout"]}
        named["target_modules"] = _targets_of(folder, held["target_modules"])
        return TrainingConfig.model_validate({**settings.model_dump(), **named})
    except (OSError, ValueError, TypeError, KeyError):
        raise ConfigError(f"{folder / ADAPTER} holds no settings of a LoRA adapter") from None


def _targets_of(folder: Path, held: Any) -> Any:
    """Return the layers of an adapter as settings name them, which the adapter spells out."""
    before = folder / "training.json"
    if before.is_file() and (named := load_json(before)["settings"].get("target_modules")):
        return named
    return held if isinstance(held, str) else sorted(held)


def check_base(start: str, model: str) -> None:
    """Make sure that what training starts from came from the base that was asked for.

    Raises:
        ConfigError: it came from another, or does not say from which.
        StoreError: the record of a training is broken.
    """
    named = _plain(model)
    if is_adapter(start):
        if (base := adapter_base(model_path(start))) != named:
            raise ConfigError(
                f"{start} is an adapter for {base}, not for {named}; name its base with "
                "--model, or start from another checkpoint"
            )
        return
    first, *before = _trace(start)
    if named not in (first, *before):
        whence = f"was trained from {before[-1]}, not from" if before else "is a whole model, not"
        raise ConfigError(
            f"{start} {whence} {named}; leave out --model, which a whole model does not need, or "
            "start from another checkpoint"
        )


def _trace(start: str) -> list[str]:
    """Return a model and, in order, what it was trained from, as far as folders here tell."""
    found: list[str] = []
    while start and (plain := _plain(start)) not in found:
        found.append(plain)
        folder = model_path(start)
        adapted = is_adapter(start)
        start = adapter_base(folder) if adapted else ModelFolder(folder).begun().get("start", "")
    return found


def find_base(start: str) -> str:
    """Return the model that was there before all trainings, by the name that was given to it.

    Raises:
        ConfigError: an adapter does not say on what it sits.
        StoreError: the record of a training is broken.
    """
    trace, names = _trace(start), [start]
    for each in trace:
        record = ModelFolder(model_path(each)).begun()
        names += [record.get("settings", {}).get("model", ""), record.get("start", "")]
    return next((name for name in names if name and _plain(name) == trace[-1]), trace[-1])


def check_not_random(model: Any) -> None:
    """Make sure that a model says the same twice while it trains, its adapters apart.

    Branches packed into one row share what is drawn for their prefix, so its gradients would not
    be those of one answer at a time.

    Raises:
        ConfigError: it draws random numbers, as for dropout.
        ModelError: it cannot be asked.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    adapters = model.disable_adapter() if base is not model else torch.no_grad()
    ids = torch.arange(24, device=model.device)[None] % embedding_rows(base)
    was_training = base.training
    with torch.random.fork_rng(), torch.no_grad(), adapters:
        base.train()
        with reading(base.config.name_or_path, "model that can be trained on text alone"):
            first, second = (base(input_ids=ids).logits.float() for _ in range(2))
    base.train(was_training)
    if (first - second).abs().mean() > 1e-3 * first.abs().mean():
        config = base.config.to_dict()
        named = [f"{key} = {value}" for key, value in config.items() if "drop" in key and value]
        raise ConfigError(
            f"the model draws random numbers while it trains ({', '.join(named) or 'unnamed'}), "
            "which packed branches would share; set these to 0 in its config.json, or train with "
            "--no-tree-packing"
        )


def _check_tokens(model: Any, tokenizer: Any, chat: ChatTokens, rows: Sequence["Row"]) -> None:
    """Make sure that the model has an embedding for every token of the rows."""
    known = embedding_rows(model)
    if max(tokenizer.get_vocab().values()) < known:
        return
    highest = chat.end
    for row in rows:
        replies = [reply[-1]["content"] for reply in find_replies(row)]
        written = [chat.answer(row["prompt"], reply).ids for reply in replies]
        highest = max(highest, *chat.prompt(row["prompt"]), *map(max, written))
    if highest >= known:
        token = tokenizer.convert_ids_to_tokens(highest)
        raise ConfigError(
            f"the rows hold token {highest} ({token!r}) and the model has embeddings for {known}; "
            "take the tokenizer that came with the model, or enlarge the model's embedding"
        )


def _plain(model: str) -> str:
    path = model_path(model)
    return str(path.resolve()) if path.exists() else plain_name(model)


def add_lora(model: Any, base: str, settings: TrainingConfig, *, scoring: bool) -> Any:
    """Return the model with new adapters on the layers that the settings name.

    Raises:
        ConfigError: there are no such layers, or what they would learn could not be served.
    """
    from peft import LoraConfig, get_peft_model

    wanted = settings.target_modules
    if wanted != "all-linear":
        _check_targets(model, wanted)
    adapter = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=wanted if wanted == "all-linear" else list(wanted),
        task_type="SEQ_CLS" if scoring else "CAUSAL_LM",
        modules_to_save=["score"] if scoring else None,
    )
    try:
        with quiet_peft():
            adapted = get_peft_model(model, adapter)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ConfigError(
            f"'{wanted}' of this model cannot have an adapter "
            f"({one_line(error)}); name other layers as "
            "training.target_modules, or train with --full"
        ) from None
    adapted.peft_config["default"].base_model_name_or_path = _plain(base)
    if is_gguf(base) and not scoring:
        check_writable(base, adapted.targeted_module_names)
    return adapted


def _check_targets(model: Any, wanted: Sequence[str]) -> None:
    """Make sure that layers of these names exist and can be adapted without a side effect."""
    modules = dict(model.named_modules())
    linear = sorted(
        {
            p.rpartition(".")[2]
            for p, m in modules.items()
            if hasattr(m, "weight") and m.weight is not None and m.weight.ndim == 2
        }
    )
    shared = [model.get_input_embeddings(), model.get_output_embeddings()]
    for name in wanted:
        found = [m for path, m in modules.items() if f".{path}".endswith(f".{name}")]
        if not found:
            hint = suggest(name, linear, f"it has {', '.join(linear)}")
            raise ConfigError(f"training.target_modules: the model has no '{name}'{hint}")
        if getattr(model.config, "tie_word_embeddings", False) and any(m in shared for m in found):
            raise ConfigError(
                f"training.target_modules: '{name}' shares its weights with the "
                "other end of the model (tie_word_embeddings), so an adapter on it could not be "
                "merged; leave it out"
            )
