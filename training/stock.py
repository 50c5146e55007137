"""TRL's own trainers, for what tree packing does not cover: KTO, reward models, GRPO.

They are also what `--no-tree-packing` gives for SFT and DPO, and the oracle that the tree trainers
are tested against. Nothing of TRL is changed but its length limits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aloe.errors import ConfigError
from aloe.huggingface import load_checkpoint
from aloe.named import named
from training.dataset import Row
from training.start import is_adapter, starting_model
from training.templates import ChatTokens

if TYPE_CHECKING:
    from training.run import Plan

TRAINERS = {
    "sft": "SFTTrainer",
    "dpo": "DPOTrainer",
    "kto": "KTOTrainer",
    "reward": "RewardTrainer",
    "grpo": "GRPOTrainer",
}


def stock_trainer(plan: "Plan", rows: Sequence[Row], arguments: Any) -> tuple[Any, Any]:
    """Return TRL's trainer for a method, ready to train, and the tokenizer.

    Raises:
        ConfigError: an argument or a setting does not fit the method.
    """
    import trl
    from datasets import Dataset

    if plan.settings.weighted:
        raise ConfigError("training.weighted needs tree packing; drop --no-tree-packing")
    extra = _reward(plan.settings.reward) if plan.method == "grpo" else {}
    start = starting_model(plan.start, plan.settings, scoring=plan.method == "reward")
    ChatTokens(start.tokenizer)
    data = Dataset.from_list([_columns(row) for row in rows])
    try:
        trainer = getattr(trl, TRAINERS[plan.method])(
            model=start.model,
            args=arguments,
            train_dataset=data,
            processing_class=start.tokenizer,
            **extra,
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(f"TRL refuses this training: {str(error).splitlines()[0]}") from None
    return trainer, start.tokenizer


def _columns(row: Row) -> dict[str, Any]:
    """Return what TRL's trainer takes of a row."""
    own = ("tree", "weight", "extra")
    return {key: value for key, value in row.items() if key not in own} | row["extra"]


def _reward(reward: str | None) -> dict[str, Any]:
    """Return what GRPO maximises: a function, or a reward model with its tokenizer."""
    if not reward:
        raise ConfigError("grpo needs --reward: MODULE:FUNCTION, or the folder of a reward model")
    if Path(reward).is_dir():
        judge = load_checkpoint(reward, scoring=True)
        model = judge.model.merge_and_unload() if is_adapter(reward) else judge.model
        return {"reward_funcs": model, "reward_processing_classes": judge.tokenizer}
    return {"reward_funcs": named(reward, f"there is no reward {reward}")}
