"""The rows of other trainers: what TRL reads, laid out as each of them documents it.

A format is the name of a layout and of a method, such as `llamafactory-dpo`; `trl-dpo` is `dpo`,
and the layout alone is its first method. A layout only moves what a row says to where its trainer
looks for it, and names the settings under which it looks there.

Histories hold replies that were not preferred, for that is how the conversation went on. Layouts
whose trainer learns the last reply only, by itself or by a setting, or that can say what not to
learn, keep them. A trainer that learns every reply gets conversations in which each was the best,
and each of these once (`keep_learnt_whole`).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from aloe.errors import ConfigError
from aloe.schema import Tree, UserNode
from aloe.training.export import COLUMNS, OPTIONAL_COLUMNS, ROWS, Row, Rows, take_trainer_columns
from aloe.training.features import KINDS, Features
from aloe.training.usable import Skipped

NOT_PREFERRED = "a reply before it was not preferred"
"""The reason where a trainer would learn a reply of the history that was not the best."""

SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}
"""ShareGPT's names of the roles."""

SOURCE = "aloe"
"""By which a trainer of many data sets knows ours."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a trainer wants the rows of one method."""

    render: Callable[[Row], Row]
    """From a full row of ours to the trainer's columns."""
    settings: tuple[str, ...]
    """What the trainer is told, line by line; `{file}` stands for the file."""
    whole: bool = False
    """Whether the trainer learns every reply of a row."""
    suffix: str = ".jsonl"
    """Of the only kind of file that is read; JSONL is what all others read."""
    kinds: Features = field(default_factory=dict)
    """What its columns hold where rows alone do not show it."""

    def explain(self, file: str) -> list[str]:
        """Return the settings for one file."""
        return [line.replace("{file}", file) for line in self.settings]


def _openai(row: Row) -> Row:
    """Return OpenAI's fine-tuning layout, in which replies of weight 0 are not learnt."""
    before = [
        message | ({"weight": 0} if message["role"] == "assistant" else {})
        for message in row["prompt"]
    ]
    return {"messages": [*before, *(message | {"weight": 1} for message in row["completion"])]}


def _plain(row: Row) -> Row:
    return {"messages": [*row["prompt"], *row["completion"]]}


def _sharegpt(row: Row) -> Row:
    answer = row.get("completion", [])
    return {"conversations": [_turn(each) for each in (*row["prompt"], *answer)]}


def _turn(message: dict[str, str]) -> dict[str, str]:
    return {"from": SHAREGPT[message["role"]], "value": message["content"]}


def _sharegpt_pair(row: Row) -> Row:
    return _sharegpt(row) | {name: _turn(row[name][0]) for name in ("chosen", "rejected")}


def _sharegpt_label(row: Row) -> Row:
    return _sharegpt(row) | {"kto_tag": row["label"]}


def _message_pair(row: Row) -> Row:
    return {"messages": row["prompt"], "chosen": row["chosen"][0], "rejected": row["rejected"][0]}


def _as_trl(method: str) -> Callable[[Row], Row]:
    return lambda row: take_trainer_columns(row, method)


def _openrlhf_prompt(row: Row) -> Row:
    label = json.dumps(_describe_user(row), ensure_ascii=False)
    return {"datasource": SOURCE, "prompt": row["prompt"], "label": label}


def _verl_prompt(row: Row) -> Row:
    wishes = dict(row["preferences"])
    origin = {name: row[name] for name in ("tree", "persona", "turn")}
    return {
        "data_source": SOURCE,
        "prompt": row["prompt"],
        "ability": "personalization",
        "reward_model": {
            "style": "rule" if wishes else "model",
            "ground_truth": json.dumps(wishes, ensure_ascii=False),
        },
        "extra_info": {"index": row["nodes"]["user"], **origin, **_describe_user(row)},
    }


def _describe_user(row: Row) -> Row:
    """Return what a reward is told of the user, and of stored groups what is known of them."""
    names = [name for name in COLUMNS["grpo"] if name != "prompt"]
    names += [name for name in OPTIONAL_COLUMNS["grpo"] if name in row]
    return {name: row[name] for name in names}


VERL_KINDS: Features = {
    "prompt": KINDS["prompt"],
    "extra_info": {
        "index": "string",
        **{name: KINDS[name] for name in ("tree", "persona", "turn", *COLUMNS["grpo"][1:])},
    },
}

LAYOUTS: dict[str, Layout] = {
    "messages-sft": Layout(
        render=_openai,
        settings=("OpenAI's fine-tuning format: replies with weight 0 are read but not learnt",),
    ),
    "sharegpt-sft": Layout(
        render=_sharegpt,
        whole=True,
        settings=("conversations of `from` and `value`; train on every reply",),
    ),
    "llamafactory-sft": Layout(
        render=_sharegpt,
        settings=(
            'dataset_info.json: {"aloe": {"file_name": "{file}", "formatting": "sharegpt"}}',
            "training: dataset: aloe, mask_history: true",
        ),
    ),
    "llamafactory-dpo": Layout(
        render=_sharegpt_pair,
        settings=(
            'dataset_info.json: {"aloe": {"file_name": "{file}", "formatting": "sharegpt", '
            '"ranking": true, "columns": {"messages": "conversations", "chosen": "chosen", '
            '"rejected": "rejected"}}}',
            "training: dataset: aloe, stage: dpo (or rm)",
        ),
    ),
    "llamafactory-kto": Layout(
        render=_sharegpt_label,
        settings=(
            'dataset_info.json: {"aloe": {"file_name": "{file}", "formatting": "sharegpt", '
            '"columns": {"messages": "conversations", "kto_tag": "kto_tag"}}}',
            "training: dataset: aloe, stage: kto",
        ),
    ),
    "axolotl-sft": Layout(
        render=_openai,
        settings=(
            "datasets: [{path: {file}, type: chat_template, roles_to_train: [], "
            "message_field_training: weight}]",
        ),
    ),
    "axolotl-dpo": Layout(
        render=_message_pair,
        settings=("rl: dpo", "datasets: [{path: {file}, type: chat_template.default}]"),
    ),
    "openrlhf-sft": Layout(
        render=_as_trl("sft"),
        settings=(
            "openrlhf.cli.train_sft --data.dataset {file} --data.apply_chat_template",
            "--data.input_key prompt --data.output_key completion",
        ),
    ),
    "openrlhf-dpo": Layout(
        render=_as_trl("dpo"),
        settings=(
            "openrlhf.cli.train_dpo --data.dataset {file} --data.apply_chat_template",
            "--data.prompt_key prompt",
        ),
    ),
    "openrlhf-rm": Layout(
        render=_as_trl("rm"),
        settings=(
            "openrlhf.cli.train_rm --data.dataset {file} --data.apply_chat_template",
            "--data.prompt_key prompt --model.margin_loss_enable",
        ),
    ),
    "openrlhf-grpo": Layout(
        render=_openrlhf_prompt,
        settings=(
            "openrlhf.cli.train_ppo_ray --data.prompt_dataset {file} --data.apply_chat_template",
            "--data.input_key prompt --data.label_key label --reward.remote_url REWARD.py",
        ),
    ),
    "verl-grpo": Layout(
        render=_verl_prompt,
        suffix=".parquet",
        kinds=VERL_KINDS,
        settings=(
            "verl.trainer.main_ppo data.train_files={file}",
            "custom_reward_function.path=examples/verl_reward.py",
        ),
    ),
    "verl-sft": Layout(
        render=_plain,
        whole=True,
        suffix=".parquet",
        settings=("data.train_files={file} data.multiturn.enable=true",),
    ),
}
"""By the name of the format; a layout's usual method comes first."""


@dataclass(frozen=True, kw_only=True)
class RowFormat:
    """What `--format` names."""

    method: str
    """One of `aloe.training.export`, or a custom exporter."""
    layout: Layout | None = None
    """How the rows are laid out; None: as TRL reads them."""


def find_format(name: str) -> RowFormat:
    """Return the method and the layout that `name` names; names of others are left as they are.

    Raises:
        ConfigError: there is such a layout, but not of this method.
    """
    family, _, method = name.partition("-")
    if family == "trl" and method in ROWS:
        return RowFormat(method=method)
    known = [each for each in LAYOUTS if each.partition("-")[0] == family]
    if not known:
        return RowFormat(method=name)
    chosen = name if method else known[0]
    if chosen not in LAYOUTS:
        raise ConfigError(f"--format: '{name}' is none of {', '.join(known)}")
    return RowFormat(method=chosen.partition("-")[2], layout=LAYOUTS[chosen])


def keep_learnt_whole(make: Rows) -> Rows:
    """Return an exporter of SFT rows for a trainer that learns all replies of a conversation.

    It yields conversations in which every reply is the best at its place, and none that another
    goes on from. Other rows are counted.
    """

    @wraps(make)
    def rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
        found = list(make(tree, skipped))
        best = {row["nodes"]["completion"] for row in found}
        before = {row["nodes"]["completion"]: _find_replies(tree, row) for row in found}
        sound = [row for row in found if best.issuperset(before[row["nodes"]["completion"]])]
        inner = {each for row in sound for each in before[row["nodes"]["completion"]]}
        if lost := len(found) - len(sound):
            skipped[NOT_PREFERRED] += lost
        yield from (row for row in sound if row["nodes"]["completion"] not in inner)

    return rows


def _find_replies(tree: Tree, row: Row) -> list[str]:
    """Return the ids of the replies in the history of a row."""
    path: list[Any] = tree.path(row["nodes"]["user"])
    return [node.id for node in path if not isinstance(node, UserNode)]
