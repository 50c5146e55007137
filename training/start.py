"""The model a training starts from: a base, or what another training left.

An adapter that SFT left goes on being trained by DPO, so that the result is again one adapter on
the base, served beside it and switched off to get the base back.
"""

from pathlib import Path
from typing import Any

from aloe.config import TrainingConfig
from aloe.errors import ConfigError
from aloe.huggingface import ADAPTER, Checkpoint, adapter_base, load_checkpoint


def starting_model(start: str, settings: TrainingConfig, *, scoring: bool = False) -> Checkpoint:
    """Load what training starts from, ready to be trained.

    Args:
        start: model string or checkpoint folder.
        settings: what is trained of it.
        scoring: whether it is to be a reward model.

    Raises:
        ConfigError: the adapter sits on another base than the settings name.
        ModelError: there is no such model here.
    """
    loaded = load_checkpoint(start, trainable=True, scoring=scoring)
    model, adapted = loaded.model, is_adapter(start)
    if settings.lora and not adapted:
        model = _with_lora(model, loaded.base, settings, scoring=scoring)
    elif not settings.lora:
        model = model.merge_and_unload() if adapted else model
        model.requires_grad_(True)
    if loaded.tokenizer.pad_token is None:
        loaded.tokenizer.pad_token = loaded.tokenizer.eos_token
    return Checkpoint(model=model, tokenizer=loaded.tokenizer, base=loaded.base)


def is_adapter(start: str) -> bool:
    """Return whether `start` is the folder of an adapter."""
    return (Path(start) / ADAPTER).is_file()


def check_base(start: str, model: str) -> None:
    """Make sure that an adapter sits on the base that was asked for.

    Raises:
        ConfigError: it sits on another.
    """
    if is_adapter(start) and (base := adapter_base(Path(start))) != _plain(model):
        raise ConfigError(
            f"{start} is an adapter for {base}, not for {_plain(model)}; name its base with "
            "--model, or start from another checkpoint"
        )


def _plain(model: str) -> str:
    name = model.removeprefix("hf:").removeprefix("local:")
    return str(Path(name).resolve()) if Path(name).exists() else name


def _with_lora(model: Any, base: str, settings: TrainingConfig, *, scoring: bool) -> Any:
    from peft import LoraConfig, get_peft_model

    adapter = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="SEQ_CLS" if scoring else "CAUSAL_LM",
        modules_to_save=["score"] if scoring else None,
    )
    adapted = get_peft_model(model, adapter)
    adapted.peft_config["default"].base_model_name_or_path = _plain(base)
    return adapted
