"""TRL's own trainers, for what tree packing does not cover: KTO, reward models, GRPO.

`--no-tree-packing` also uses them for SFT and DPO, and the tree trainers are tested against them.
Only TRL's length limits are changed; the tokens are the same as with tree packing.
"""

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any

from aloe.errors import ConfigError
from aloe.models.thoughts import decoded
from aloe.models.weights import plain_name
from aloe.secrets import one_line
from aloe.training.arguments import computed_in
from aloe.training.dataset import REPLY_COLUMNS, Method, Row, TrainingData
from aloe.training.encoding import encode_row, find_max_length, make_chat_tokens
from aloe.training.export import ChatMessage, Skipped
from aloe.training.packing import EncodedReply
from aloe.training.plan import Plan
from aloe.training.reward import LookAhead, Reward, find_reward, guard_reward, make_policy
from aloe.training.rollout_agents import RolloutAgents
from aloe.training.spreading import spread_prompts
from aloe.training.start import is_adapter, load_start
from aloe.training.step_watcher import WholeGenerations
from aloe.training.templates import ChatTokens
from aloe.training.whole_replies import WholeReplies, reward_whole

TRAINERS = {
    "sft": "SFTTrainer",
    "dpo": "DPOTrainer",
    "kto": "KTOTrainer",
    "reward": "RewardTrainer",
    "grpo": "GRPOTrainer",
}


def make_trl_trainer(
    plan: Plan, data: TrainingData, arguments: Any, agents: RolloutAgents
) -> tuple[Any, Any]:
    """Return TRL's trainer for a method, ready to train, and the tokenizer.

    Raises:
        ConfigError: an argument or a setting does not fit the method.
        InputError: the chat template refuses a row.
    """
    import trl

    if plan.settings.weighted and plan.method == "dpo":
        raise ConfigError("training.weighted needs tree packing; drop --no-tree-packing")
    _check_reference(plan, arguments)
    if plan.method == "grpo":
        _fill_batches(arguments, data)
    paired = plan.method == "kto" and arguments.loss_type != NO_DIVERGENCE
    if paired and len(data.rows) == 1:
        raise ConfigError(
            "kto holds each reply against one to another message, and there is 1 row; export more"
        )
    reward: Reward | None = None
    whole = WholeReplies()
    if plan.method == "grpo":
        name = plan.settings.reward
        ours = guard_reward(str(name), plan.reward) if plan.reward else agents.reward
        reward = find_reward(name, ours)
    start = load_start(
        plan.start,
        plan.settings,
        scoring=plan.method == "reward",
        rows=data.all,
        on_gpu=computed_in(arguments),
    )
    chat, most = make_chat_tokens(plan, start.tokenizer), find_max_length(plan, start.model.config)
    for row in data.all:  # TRL would not say which row does not fit
        _check_context(row, encode_row(row, plan.method, chat, most), plan.method)
    tokenizer = _encoding(start.tokenizer, plan.method, chat)
    if plan.method in ("dpo", "kto"):
        drop_only_while_learning(start.model)
    if reward:
        reward = _finish_reward(reward, plan, arguments, agents, start.tokenizer, whole)
    parts: tuple[Sequence[Row], ...] = (data.rows, data.held_out)
    if paired:
        parts = tuple(_spread(part, arguments, data.skipped) for part in parts)
    learnt, rest = (_make_dataset(part, plan) for part in parts)
    try:
        trainer = getattr(trl, TRAINERS[plan.method])(
            model=start.model,
            args=arguments,
            train_dataset=learnt,
            eval_dataset=rest if data.held_out else None,
            processing_class=tokenizer,
            **({"reward_funcs": reward} if reward else {}),
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(f"TRL refuses this training: {one_line(error)}") from None
    if reward:
        trainer.add_callback(WholeGenerations(trainer))
        whole.ends = frozenset((*trainer.eos_token_ids, start.tokenizer.pad_token_id))
    if isinstance(reward, LookAhead):
        reward.policy = make_policy(trainer)
    return trainer, start.tokenizer


def _check_reference(plan: Plan, arguments: Any) -> None:
    """Make sure that a reference that TRL reads itself is the model that training starts from.

    With all weights trained, TRL reads it by the name in the model's config. A merged adapter has
    its base's name there, and a GGUF file that of its folder.

    Raises:
        ConfigError: it would be another model.
    """
    by_name = {
        "dpo": not getattr(arguments, "precompute_ref_log_probs", False),
        "kto": not getattr(arguments, "precompute_ref_log_probs", False),
        "grpo": bool(getattr(arguments, "beta", 0.0)),
    }
    if plan.settings.lora or not by_name.get(plan.method):
        return
    what, instead = "", ""
    if is_adapter(plan.start):
        what, instead = "an adapter", "run `aloe train merge` and --start from the merged folder"
    elif plain_name(plan.start).endswith(".gguf"):
        what, instead = "a GGUF file", "name the checkpoint folder it was made from"
    if what:
        raise ConfigError(
            f"{plan.method} --full: TRL reads the model to compare with from a checkpoint folder, "
            f"and {plan.start} is {what}; {instead}, or train adapters"
        )


def _finish_reward(
    reward: Reward,
    plan: Plan,
    arguments: Any,
    agents: RolloutAgents,
    tokenizer: Any,
    whole: WholeReplies,
) -> Reward:
    """Return the reward with what follows from a reply, and without replies that were cut off.

    TRL says of each batch in which a reply has no reward so, with the whole row; it is kept quiet.
    """
    logging.getLogger("trl.trainer.grpo_trainer").addFilter(_is_news)
    cut_counts = not arguments.mask_truncated_completions
    if agents.speak:
        decode = partial(decoded, tokenizer)
        more = () if cut_counts else (whole,)
        return LookAhead(reward, agents.speak, plan.settings.horizon, decode, *more)
    return reward if cut_counts else reward_whole(reward, whole)


def _is_news(record: logging.LogRecord) -> bool:
    return "All reward functions returned None" not in str(record.msg)


SHORT_OF_A_BATCH = "prompt short of a full batch in each epoch"
"""The reason where GRPO asks for no replies."""


def _fill_batches(arguments: Any, data: TrainingData) -> None:
    """Count the prompts that GRPO leaves out: at the end of an epoch, those that fill no batch.

    Raises:
        ConfigError: there are too few for one batch.
    """
    needed, prompts = arguments.generation_batch_size // arguments.num_generations, len(data.rows)
    if prompts < needed:
        raise ConfigError(
            f"grpo takes {needed} prompts at a time and there "
            f"{'is 1' if prompts == 1 else f'are {prompts}'}; set gradient_accumulation_steps "
            "lower under [training.arguments], or export more"
        )
    if left := prompts % needed:
        data.skipped[SHORT_OF_A_BATCH] += left


NO_DIVERGENCE = "apo_zero_unpaired"
"""The loss of KTO that holds no reply against another message."""
ALONE = "reply alone in its batch"
"""The reason where KTO has no reply to another message to hold one against."""


def _spread(rows: Sequence[Row], arguments: Any, skipped: Skipped) -> Sequence[Row]:
    """Return KTO's rows in the order of its batches, without one that would be a batch alone.

    TRL would hold that reply against itself. A single row of those held out stays.
    """
    size = arguments.per_device_train_batch_size
    found = spread_prompts(rows, size)
    if len(found) < size or len(found) % size != 1:
        return found
    skipped[ALONE] += 1
    return found[:-1]


def drop_only_while_learning(model: Any) -> None:
    """Let a model in training draw nothing for dropout where no gradient is wanted.

    TRL computes the reference of DPO and KTO by the model in training, so that it would be another
    at each step.
    """
    import torch

    resting: list[bool] = []

    def rest(_module: Any, _given: Any) -> None:
        resting.append(model.training and not torch.is_grad_enabled())
        if resting[-1]:
            model.eval()

    def go_on(*_: Any) -> None:
        if resting and resting.pop():
            model.train()

    model.register_forward_pre_hook(rest)
    model.register_forward_hook(go_on, always_call=True)


def _check_context(row: Row, answers: Sequence[EncodedReply], method: Method) -> None:
    """Make sure that what two replies do not learn is the same: DPO of TRL has one prompt for both.

    Raises:
        InputError: it differs.
    """
    if method == "dpo" and len({answer.ids[: answer.start] for answer in answers}) > 1:
        raise row["place"].error(
            "has replies with different thoughts, and TRL's DPO would learn them; train with "
            "--tree-packing, or set training.thoughts = 'trained'"
        )


def _encoding(tokenizer: Any, method: Method, chat: ChatTokens) -> Any:
    """Return a copy of `tokenizer` that encodes conversations as `chat` does.

    TRL takes all that a template writes behind a reply for a part of it, thoughts for something to
    learn, and control tokens inside texts for real ones. A reward model reads whole conversations
    and learns none of their tokens. What a model writes is decoded with the marks of its thoughts,
    special tokens or not.
    """

    def ids(messages: list[ChatMessage], *, open_turn: bool, reply: str | None) -> list[int]:
        if method == "reward":
            return chat.encoder.encode(messages, open_turn=open_turn)
        if not open_turn:
            return list(chat.answer(messages[:-1], messages[-1]["content"]).ids)
        if reply is None:
            return list(chat.prompt(messages))
        answer = chat.answer(messages, reply)
        return list(answer.ids[: answer.start])  # TRL learns what is not in the prompt

    def apply_chat_template(
        conversation: list[Any],
        *,
        add_generation_prompt: bool = False,
        reply: str | None = None,
        **_given: Any,
    ) -> dict[str, Any]:
        encode = partial(ids, open_turn=add_generation_prompt, reply=reply)
        if isinstance(conversation[0], dict):
            return {"input_ids": encode(conversation)}
        return {"input_ids": [encode(each) for each in conversation]}

    def batch_decode(sequences: Sequence[Sequence[int]], **_given: Any) -> list[str]:
        return [decoded(tokenizer, each) for each in sequences]

    made = copy(tokenizer)
    made.apply_chat_template = apply_chat_template
    made.batch_decode = batch_decode
    return made


def _make_dataset(rows: Sequence[Row], plan: Plan) -> Any:
    """Return rows as the table that TRL's trainers read.

    Raises:
        ConfigError: a column that only the reward reads has values of several kinds.
    """
    from datasets import Dataset

    try:
        return Dataset.from_list(_alike([_columns(row, plan.method) for row in rows]))
    except (ValueError, TypeError, NotImplementedError, OverflowError) as error:
        raise ConfigError(
            f"{plan.data}: the columns that the reward may read do not fit in a table "
            f"({one_line(error)}); give each the same kind of value in every row, or leave "
            "it out"
        ) from None


def _alike(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows that all have the columns of any: `datasets` takes those of the first."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def _columns(row: Row, method: Method) -> dict[str, Any]:
    """Return what TRL's trainer takes of a row; a reward may also ask for the tree.

    A prompt is encoded for the reply to it, which says what of it is not learnt.
    """
    own = {"weight", "extra", "place"} | ({"tree"} if method != "grpo" else set())
    columns = {key: value for key, value in row.items() if key not in own} | row["extra"]
    if method in ("reward", "grpo"):
        return columns
    reply = row[REPLY_COLUMNS[method][0]]  # type: ignore[literal-required]
    return columns | {"chat_template_kwargs": {"reply": reply[0]["content"]}}
