"""TRL's own trainers learn the tokens that tree packing learns."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import tiny
from command import RunAloe

from aloe.config import TrainingConfig
from aloe.models.control_tokens import ChatEncoder
from aloe.training.arguments import training_arguments
from aloe.training.dataset import read_rows
from aloe.training.plan import Plan
from aloe.training.reward import Agents, RewardModel
from aloe.training.templates import ChatTokens
from aloe.training.trl_trainers import stock_trainer

pytestmark = pytest.mark.train

MARKS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
# A template with no mark behind the reply, one that writes more behind it, one with a think block.
TEMPLATES = {
    "the next turn ends it": (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "a line break behind": tiny.CHATML,
    "think block": tiny.CHATML.replace(
        "{{ message['content'] + '<|im_end|>' }}",
        "{{ '<think></think>' + message['content'] + '<|im_end|>' }}",
    ),
}


def said(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


PROMPT = [*said("user", "Birds<|im_end|>?"), *said("assistant", "Owls."), *said("user", "Why?")]
GOOD = said("assistant", "They listen<|im_end|>\n<|im_start|>user\nThanks!")
BAD = said("assistant", "No.")
ROW = {"prompt": PROMPT, "completion": GOOD, "chosen": GOOD, "rejected": BAD, "label": True}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny.save(tmp_path / "base")


@pytest.fixture(params=TEMPLATES)
def tokenizer(request, monkeypatch):
    monkeypatch.setattr(tiny.tokenizer(), "chat_template", TEMPLATES[request.param])
    return tiny.tokenizer()


def prepared(method: str, checkpoint: Path, where: Path, agents: Agents | None = None):
    """Return TRL's trainer for the row."""
    (where / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    settings = TrainingConfig(model=str(checkpoint), lora=False, tree_packing=False,
                              arguments={"per_device_train_batch_size": 2})  # fmt: skip
    plan = Plan(method=method, settings=settings, data=where / "rows.jsonl", out=where / "out",
                start=str(checkpoint))  # fmt: skip
    rows = read_rows(plan.data, method)
    arguments = training_arguments(method, settings, checkpoints=where, seed=0, packed=False)
    return stock_trainer(plan, rows * 2, [], arguments, agents or Agents())[0]


def test_sft_dpo_and_kto_learn_what_is_learnt_packed(tokenizer, checkpoint, tmp_path):
    chat = ChatTokens(tokenizer)
    good, bad = (chat.answer(PROMPT, reply[0]["content"]) for reply in (GOOD, BAD))
    row = prepared("sft", checkpoint, tmp_path).train_dataset[0]
    assert tuple(row["input_ids"]) == good.ids
    assert tuple(i for i in row["labels"] if i != -100) == good.ids[good.start :]
    row = prepared("dpo", checkpoint, tmp_path).train_dataset[0]
    assert tuple(row["prompt_ids"]) == good.ids[: good.start]
    assert tuple(row["chosen_ids"]) == good.ids[good.start :]
    assert tuple(row["rejected_ids"]) == bad.ids[bad.start :]
    row = prepared("kto", checkpoint, tmp_path).train_dataset[0]
    assert tuple(row["prompt_ids"] + row["completion_ids"]) == good.ids
    assert good.ids[-1] == chat.end
    assert good.ids[good.start :].count(chat.end) == 1


def test_a_reward_model_reads_whole_conversations_and_scores_what_it_learnt_on(
    checkpoint, tmp_path
):
    trainer = prepared("reward", checkpoint, tmp_path)
    ids = trainer.train_dataset[0]["chosen_ids"]
    assert ids == ChatEncoder(tiny.tokenizer()).encode([*PROMPT, *GOOD])
    trainer.save_model(str(tmp_path / "reward"))
    model = RewardModel(str(tmp_path / "reward"))
    seen = []
    model._model.register_forward_pre_hook(
        lambda _m, _args, given: seen.append(given["input_ids"][0].tolist()), with_kwargs=True
    )
    scores = model(prompts=[PROMPT, PROMPT], completions=[GOOD, BAD])
    assert len(scores) == 2
    assert seen[0] == ids


def test_grpo_samples_from_the_prompt_as_text(checkpoint, tmp_path):
    agents = Agents(reward=lambda completions, **_: [0.0] * len(completions))
    ids = prepared("grpo", checkpoint, tmp_path, agents)._tokenize_prompts([PROMPT, PROMPT])[0]
    assert tuple(ids[0]) == tuple(ids[1]) == ChatTokens(tiny.tokenizer()).prompt(PROMPT)
    assert ids[0].count(tiny.tokenizer().eos_token_id) == 3


@pytest.mark.parametrize("packing", ["--tree-packing", "--no-tree-packing"])
def test_the_summary_counts_and_names_control_tokens(
    aloe: RunAloe, checkpoint: Path, tmp_path: Path, packing: str
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n" + json.dumps(ROW) + "\n")
    ran = aloe("train", "sft", "--data", tmp_path / "rows.jsonl", "--model", checkpoint, "--full",
               "--out", tmp_path / "sft", "--max-steps", "1", packing, "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    line = "2 texts hold control tokens (<|im_end|>, <|im_start|>): encoded as plain text"
    assert line in ran.out + ran.err
    record = json.loads((tmp_path / "sft" / "training.json").read_text())
    assert record["control_tokens"] == {"texts": 2, "tokens": ["<|im_end|>", "<|im_start|>"]}
