"""TRL's own trainers, for what tree packing does not cover: KTO, reward models, GRPO.

They are also what `--no-tree-packing` gives for SFT and DPO, and the oracle that the tree trainers
are tested against. Nothing of TRL is changed but its length limits.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from aloe.errors import ConfigError
from training.dataset import Method, Row, answers_of
from training.reward import Agents, LookAhead, policy_of, reward_of
from training.start import starting_model
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


def stock_trainer(
    plan: "Plan", rows: Sequence[Row], held_out: Sequence[Row], arguments: Any, agents: Agents
) -> tuple[Any, Any]:
    """Return TRL's trainer for a method, ready to train, and the tokenizer.

    Raises:
        ConfigError: an argument or a setting does not fit the method.
        InputError: the chat template refuses a row.
    """
    import trl
    from datasets import Dataset

    if plan.settings.weighted:
        raise ConfigError("training.weighted needs tree packing; drop --no-tree-packing")
    reward = reward_of(plan.settings.reward, agents) if plan.method == "grpo" else None
    start = starting_model(plan.start, plan.settings, scoring=plan.method == "reward")
    chat = ChatTokens(start.tokenizer)
    for row in (*rows, *held_out):
        answers_of(row, plan.method, chat)  # TRL would not say which row a template refuses
    if reward and agents.speak:
        decode = partial(start.tokenizer.decode, skip_special_tokens=True)
        reward = LookAhead(reward, agents.speak, plan.settings.horizon, decode)
    data, rest = (
        Dataset.from_list([_columns(row, plan.method) for row in part]) for part in (rows, held_out)
    )
    try:
        trainer = getattr(trl, TRAINERS[plan.method])(
            model=start.model,
            args=arguments,
            train_dataset=data,
            eval_dataset=rest if held_out else None,
            processing_class=start.tokenizer,
            **({"reward_funcs": reward} if reward else {}),
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(f"TRL refuses this training: {str(error).splitlines()[0]}") from None
    if isinstance(reward, LookAhead):
        reward.policy = policy_of(trainer)
    return trainer, start.tokenizer


def _columns(row: Row, method: Method) -> dict[str, Any]:
    """Return what TRL's trainer takes of a row; a reward may also ask for the tree."""
    own = {"weight", "extra", "place"} | ({"tree"} if method != "grpo" else set())
    return {key: value for key, value in row.items() if key not in own} | row["extra"]
