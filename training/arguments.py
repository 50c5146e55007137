"""Training arguments: the settings over our defaults, checked against TRL.

Anything in TRL's config class for a method can be set under `[training.arguments]`. The tree
trainers read fewer: transformers' own arguments and what their loss needs. An argument that would
be ignored is an error, as is an unknown one, because training silently with the wrong settings is
the most expensive mistake there is.
"""

import dataclasses
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from aloe.config import LENGTHS, TrainingConfig
from aloe.errors import ConfigError, suggest
from aloe.secrets import one_line
from aloe.training.dataset import Method

LEARNING_RATE: dict[Method, tuple[float, float]] = {
    "sft": (2e-4, 2e-5),
    "dpo": (5e-5, 1e-6),
    "kto": (5e-5, 1e-6),
    "reward": (1e-4, 1e-5),
    "grpo": (1e-5, 1e-6),
}
"""With adapters, and with all weights."""

_OWN: dict[Method, dict[str, Any]] = {
    "sft": {"max_length": None},
    "dpo": {"max_length": None, "precompute_ref_log_probs": True},
    "kto": {"max_length": None, "per_device_train_batch_size": 4},
    "reward": {"max_length": None},
    "grpo": {
        "beta": 0.0,
        "num_generations": 4,
        "max_completion_length": 64,
        "mask_truncated_completions": True,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
    },
}
"""What we change of TRL's defaults: its length limits cut or drop late turns without a word, KTO
needs other replies in the same batch, and GRPO a group of them, of which it cuts off long ones."""

_MEASURED: dict[Method, tuple[str, ...]] = {
    "sft": (),
    "dpo": tuple(f"rewards/{name}" for name in ("accuracies", "chosen", "margins", "rejected")),
    "kto": ("kl", *(f"rewards/{name}" for name in ("chosen", "margins", "rejected"))),
    "reward": ("accuracy", "margin", "max_reward", "mean_reward", "min_reward"),
    "grpo": (),
}
"""What is measured of rows held out beside the loss, by which the best checkpoint can be chosen."""
_BY_TRL: dict[Method, tuple[str, ...]] = dict.fromkeys(
    ("sft", "dpo"), ("entropy", "mean_token_accuracy")
)
"""What is measured as well where trees are not packed."""

_READ_BY_TREES = {"beta", "loss_type", "loss_weights", "router_aux_loss_coef"}
_SET_BY_PACKING = (
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "auto_find_batch_size",
    "group_by_length",
    "train_sampling_strategy",
)
_IGNORED_BY_TREES = {
    "label_smoothing_factor",
    "label_names",
    "use_liger_kernel",
    "liger_kernel_config",
    "neftune_noise_alpha",
}
"""Of transformers' arguments those that packed trees cannot follow: those about a loss that the
tree trainers do not compute, and noise on embeddings, which would depend on the length of the
packed row and be the same for all its branches."""
_SAID_ELSEWHERE = {
    "output_dir": "checkpoints are kept in the model's folder (--out)",
    "seed": "set `seed` at the top of the file, or --seed",
    "report_to": "use --report-to (in Python: report_to)",
    "resume_from_checkpoint": "the same command resumes a training by itself",
    "push_to_hub": "publish with --push-to-hub",
    "hub_": "publish with --push-to-hub; the token is read from HF_TOKEN",
    "do_": "nothing reads it",
    "save_only_model": "a training cannot go on from weights alone; set save_total_limit = 1 to "
    "save room",
}
"""What to do instead, by how the names of arguments begin."""


def find_config_class(method: Method) -> Any:
    """Return TRL's config class for a method."""
    import trl

    names = {"sft": "SFT", "dpo": "DPO", "kto": "KTO", "reward": "Reward", "grpo": "GRPO"}
    return getattr(trl, f"{names[method]}Config")


def make_arguments(
    method: Method,
    settings: TrainingConfig,
    *,
    checkpoints: Path,
    seed: int,
    packed: bool,
    report_to: str = "none",
    evaluated: bool = False,
    kept: str = "",
) -> Any:
    """Build TRL's config object for one training.

    Args:
        method: how is trained.
        settings: what settings say about it.
        checkpoints: folder of the checkpoints.
        seed: of shuffling and sampling.
        packed: whether trees are packed.
        report_to: who else is told of the figures.
        evaluated: whether there are rows held out; then before the first step and at each epoch's
            end.
        kept: the numbers of the frozen weights of a training that goes on, as torch names them;
            empty for a new one.

    Raises:
        ConfigError: an argument is unknown, would be ignored, or has a value that does not fit.
    """
    kind = find_config_class(method)
    known = report_to.isidentifier() and importlib.util.find_spec(report_to)
    if report_to != "none" and not known:
        raise ConfigError(f"--report-to {report_to}: the package {report_to} is not installed")
    given = dict(settings.arguments)
    _check_names(given, kind, packed=packed)
    _check_length("training.arguments", given)
    _check_flags(given, kind)
    _check_metric(given.get("metric_for_best_model"), method, packed=packed)
    if method == "dpo":
        given |= _losses(given, packed=packed)
    if packed and settings.lora and not (torch.cuda.is_available() or given.get("fp16")):
        given.pop("bf16", None)  # frozen weights are kept in bf16 instead; see `tree_trainers`
    defaults = {
        **_common(packed=packed, kept=kept),
        **_own(method, packed=packed),
        **_dropout(kind, settings),
        "learning_rate": LEARNING_RATE[method][0 if settings.lora else 1],
        "output_dir": str(checkpoints),
        "seed": seed,
        "report_to": report_to,
        **({"eval_strategy": "epoch", "eval_on_start": True} if evaluated else {}),
    }
    try:
        made = kind(**{**defaults, **given})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"training.arguments: {one_line(error)}") from None
    if made.max_steps <= 0 and made.num_train_epochs <= 0:
        raise ConfigError("training.arguments: there are no epochs and no steps to train")
    return made


def computed_in(arguments: Any) -> torch.dtype:
    """Return the kind of numbers that arguments want steps to compute in.

    On a GPU, frozen weights are kept in it; on a CPU they may be in bf16 all the same.
    """
    if arguments.bf16:
        return torch.bfloat16
    return torch.float16 if arguments.fp16 else torch.float32


def _check_length(where: str, given: Mapping[str, Any]) -> None:
    """Refuse a number of steps that TRL would take for none given, and epochs beside steps.

    -1 is TRL's own word for no steps.
    """
    steps = given.get("max_steps")
    if isinstance(steps, int | float) and steps < 1 and steps != -1:
        raise ConfigError(f"{where}: max_steps is {steps}; give at least 1, or leave it out")
    if all(given.get(name) not in (None, -1) for name in LENGTHS):
        raise ConfigError(
            f"{where}: max_steps (--max-steps) and num_train_epochs (--epochs) both say how long "
            "to train; give one of them"
        )


def _check_metric(name: Any, method: Method, *, packed: bool) -> None:
    """Refuse to choose the best checkpoint by what is not measured, which would end a training."""
    if name is None:
        return
    if method == "grpo":
        raise ConfigError(
            "training.arguments: leave out 'metric_for_best_model': grpo evaluates no rows held out"
        )
    measured = ("loss", *_MEASURED[method], *(("aux_loss",) if packed else _BY_TRL.get(method, ())))
    if str(name).removeprefix("eval_") not in measured:
        raise ConfigError(
            f"training.arguments: metric_for_best_model is {name!r}, which {method} does not "
            f"measure; take one of {', '.join(f'eval_{each}' for each in measured)}"
        )


def check_known(where: str, given: Mapping[str, Any]) -> None:
    """Make sure that TRL knows each argument, for whichever method.

    Raises:
        ConfigError: naming the argument, `where` it stands, and the nearest known, or what to set
            in its place; or epochs are there beside steps.
    """
    known = {field.name for each in _OWN for field in dataclasses.fields(find_config_class(each))}
    for name in given:
        if name not in known:
            raise ConfigError(f"{where}: TRL has no '{name}'{suggest(name, known)}")
        _refuse_ours(where, name)
    _check_length(where, given)


def _refuse_ours(where: str, name: str) -> None:
    for start, instead in _SAID_ELSEWHERE.items():
        if name.startswith(start):
            raise ConfigError(f"{where}: leave out '{name}': {instead}")


def _dropout(kind: Any, settings: TrainingConfig) -> dict[str, Any]:
    """Keep the dropout of adapters where it is asked for: some of TRL's trainers take it away."""
    known = "disable_dropout" in {field.name for field in dataclasses.fields(kind)}
    return {"disable_dropout": False} if known and settings.lora and settings.dropout else {}


def _common(*, packed: bool, kept: str) -> dict[str, Any]:
    on_cpu = not torch.cuda.is_available()
    rows = {"remove_unused_columns": False, "per_device_eval_batch_size": 1} if packed else {}
    return {
        **rows,
        "num_train_epochs": 1,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 4 if packed else 8,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would say 0 for a loss that is infinite
        "save_steps": 20,
        "save_total_limit": 2,
        "disable_tqdm": True,
        "activation_checkpointing": not on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "use_cpu": on_cpu,
        "bf16": not on_cpu and kept != "float32",
        "ddp_find_unused_parameters": False,
    }


def _own(method: Method, *, packed: bool) -> dict[str, Any]:
    own = _OWN[method]
    return {key: own[key] for key in own.keys() & _READ_BY_TREES} if packed else own


def _check_names(given: dict[str, Any], kind: Any, *, packed: bool) -> None:
    known = {field.name for field in dataclasses.fields(kind)}
    for name in given:
        if name not in known:
            near = suggest(name, known)
            raise ConfigError(f"training.arguments: {kind.__name__} has no '{name}'{near}")
        _refuse_ours("training.arguments", name)
    if not packed:
        return
    for name in _SET_BY_PACKING:
        if name in given:
            raise ConfigError(
                f"training.arguments: with tree packing one row is one batch; set "
                f"training.row_tokens instead of '{name}'"
            )
    own = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    for name in given:
        if name not in (own - _IGNORED_BY_TREES) | _READ_BY_TREES:
            raise ConfigError(
                f"training.arguments: tree packing cannot follow '{name}'; leave it out, "
                "or train with --no-tree-packing"
            )


def _check_flags(given: Mapping[str, Any], kind: Any) -> None:
    """Make sure that what is on or off is given as that: any text would be taken for on."""
    for field in dataclasses.fields(kind):
        kinds = {*re.findall(r"\w+", str(field.type))}
        value = given.get(field.name)
        if "bool" in kinds and "str" not in kinds and not isinstance(value, bool | None):
            raise ConfigError(
                f"training.arguments: {field.name} is {value!r}; true or false is expected"
            )


def _losses(given: Mapping[str, Any], *, packed: bool) -> dict[str, Any]:
    """Return DPO's losses as the list that TRL wants, if any are given.

    Raises:
        ConfigError: there is not one weight a loss, or trees are packed and know no such loss.
    """
    from aloe.training.dpo import LIKELIHOOD, LOSSES

    losses = given.get("loss_type", ["sigmoid"])
    losses = [losses] if isinstance(losses, str) else losses
    weights = given.get("loss_weights") or [1.0] * len(losses)
    if not losses or not isinstance(weights, list) or len(weights) != len(losses):
        raise ConfigError(
            "training.arguments: loss_type and loss_weights have to be lists of the same length, "
            f"not {losses} and {weights}"
        )
    for loss in losses:
        if packed and loss not in {*LOSSES, LIKELIHOOD}:
            raise ConfigError(
                f"training.arguments: tree packing has the losses {', '.join(LOSSES)}, "
                f"{LIKELIHOOD}, not '{loss}'; train with --no-tree-packing"
            )
    return {"loss_type": losses}
