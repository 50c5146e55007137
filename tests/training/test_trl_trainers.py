"""TRL's own trainers learn the tokens that tree packing learns."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import thinking
import tiny
import torch
from command import RunAloe
from transformers import AutoTokenizer
from trl.trainer.utils import use_adapter

from aloe.config import Config, TrainingConfig
from aloe.errors import ConfigError, InputError
from aloe.models.control_tokens import ChatEncoder
from aloe.models.markup import message_in
from aloe.training.arguments import make_arguments
from aloe.training.dataset import TrainingData, hash_rows, read_rows, read_training_data
from aloe.training.encoding import count_unread_system_messages
from aloe.training.plan import Plan, make_plan
from aloe.training.progress import TrainingProgress
from aloe.training.reward import RewardModel
from aloe.training.rollout_agents import RolloutAgents
from aloe.training.run import _make_trainer
from aloe.training.saving import save_model
from aloe.training.start import load_start
from aloe.training.templates import ChatTokens
from aloe.training.trl_trainers import _check_reference, make_trl_trainer

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
    "think block before the last reply": thinking.LAST_ONLY,
    "thoughts opened by the prompt": thinking.OPENED,
}


def said(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


PROMPT = [*said("user", "Birds<|im_end|>?"), *said("assistant", "Owls."), *said("user", "Why?")]
GOOD = said("assistant", "They listen<|im_end|>\n<|im_start|>user\nThanks!")
BAD = said("assistant", "No.")
ROW = {"prompt": PROMPT, "completion": GOOD, "chosen": GOOD, "rejected": BAD}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny.save(tmp_path / "base")


@pytest.fixture(params=TEMPLATES)
def tokenizer(request, monkeypatch):
    monkeypatch.setattr(tiny.tokenizer(), "chat_template", TEMPLATES[request.param])
    return tiny.tokenizer()


def prepared(
    method: str, checkpoint: Path, where: Path, agents: RolloutAgents | None = None, *,
    row: dict = ROW, **given,
):  # fmt: skip
    """Return TRL's trainer for the row."""
    marked = {**row, "label": True} if method == "kto" else row
    (where / "rows.jsonl").write_text(json.dumps(marked) + "\n")
    settings = TrainingConfig(model=str(checkpoint), lora=False, tree_packing=False,
                              arguments={"per_device_train_batch_size": 2}, **given)  # fmt: skip
    plan = Plan(method=method, settings=settings, data=where / "rows.jsonl", out=where / "out",
                start=str(checkpoint))  # fmt: skip
    data = TrainingData(rows=read_rows(plan.data, method) * 2, held_out=[], skipped=Counter())
    arguments = make_arguments(method, settings, checkpoints=where, seed=0, packed=False)
    return make_trl_trainer(plan, data, arguments, agents or RolloutAgents())[0]


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


@pytest.mark.parametrize(
    ("method", "argument"),
    [("kto", {}), ("grpo", {"beta": 0.1}), ("dpo", {"precompute_ref_log_probs": False})],
)
def test_a_reference_that_trl_would_read_from_the_base_is_refused(method, argument, tmp_path):
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "adapter_config.json").write_text("{}")
    for start, told in ((tmp_path / "sft", "run `aloe train merge`"), ("local:a.gguf", "a GGUF")):
        settings = TrainingConfig(lora=False, tree_packing=False, arguments=argument)
        plan = Plan(method=method, settings=settings, data=tmp_path, out=tmp_path, start=str(start))
        arguments = make_arguments(method, settings, checkpoints=tmp_path, seed=0, packed=False)
        with pytest.raises(ConfigError, match=f"{method} --full.*{told}"):
            make_trl_trainer(plan, None, arguments, RolloutAgents())
        _check_reference(replace(plan, settings=TrainingConfig()), arguments)
        _check_reference(replace(plan, start=str(tmp_path)), arguments)


THOUGHT = said("assistant", "<think>\nEars.\n</think>\n\nThey listen.")


@pytest.mark.parametrize("thoughts", ["masked", "trained"])
@pytest.mark.parametrize("name", ["think block before the last reply",
                                  "thoughts opened by the prompt"])  # fmt: skip
def test_thoughts_in_a_reply_are_learnt_if_asked_for(name, thoughts, tmp_path, monkeypatch):
    made, row = tiny.tokenizer(), {**ROW, "completion": THOUGHT}
    monkeypatch.setattr(made, "chat_template", TEMPLATES[name])
    checkpoint = tiny.save(tmp_path / "base")
    chat = ChatTokens(made, learn_thoughts=thoughts == "trained")
    good = chat.answer(PROMPT, THOUGHT[0]["content"])
    learnt = made.decode(good.ids[good.start :])
    assert ("Ears." in learnt) == (thoughts == "trained")
    assert learnt.endswith("They listen.<|im_end|>")
    given = {"row": row, "thoughts": thoughts}
    found = prepared("sft", checkpoint, tmp_path, **given).train_dataset[0]
    assert tuple(i for i in found["labels"] if i != -100) == good.ids[good.start :]
    found = prepared("kto", checkpoint, tmp_path, **given).train_dataset[0]
    assert tuple(found["prompt_ids"]) == good.ids[: good.start]
    assert tuple(found["completion_ids"]) == good.ids[good.start :]


def test_dpo_of_trl_does_not_learn_thoughts_that_differ_without_a_word(tmp_path, monkeypatch):
    monkeypatch.setattr(tiny.tokenizer(), "chat_template", thinking.LAST_ONLY)
    checkpoint = tiny.save(tmp_path / "base")
    row = {**ROW, "chosen": THOUGHT}
    with pytest.raises(InputError, match=r"rows.jsonl:1.*different thoughts.*--tree-packing"):
        prepared("dpo", checkpoint, tmp_path, row=row)
    found = prepared("dpo", checkpoint, tmp_path, row=row, thoughts="trained").train_dataset[0]
    assert "Ears." in tiny.tokenizer().decode(found["chosen_ids"])


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


def adapted(checkpoint: Path, where: Path) -> Path:
    """Return the folder of an adapter that has learnt something, with dropout."""
    start = load_start(str(checkpoint), TrainingConfig(dropout=0.5))
    torch.manual_seed(0)
    for name, parameter in start.model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.1)
    start.model.save_pretrained(where)
    return where


def test_the_reference_knows_no_dropout_and_the_policy_does(checkpoint, tmp_path):
    start = adapted(checkpoint, tmp_path / "sft")

    def trainer(method: str, *, packing: bool):
        file = tmp_path / f"{method}.jsonl"
        file.write_text(json.dumps({**ROW, "label": True} if method == "kto" else ROW) + "\n")
        config = Config().updated({"training.tree_packing": packing}, source="test")
        plan = make_plan(method, config, file, tmp_path / f"{method}-{packing}", start)
        data = read_training_data(file, method)
        data.rows.extend(data.rows * 3)
        progress = TrainingProgress(method=method)
        return plan, *_make_trainer(plan, data, RolloutAgents(), progress)

    packed_dpo = trainer("dpo", packing=True)[1]
    packed = packed_dpo.score_answers(packed_dpo.train_dataset[0]).tolist()
    dpo, kto = trainer("dpo", packing=False), trainer("kto", packing=False)
    row = dpo[1].train_dataset[0]
    found = [row["ref_chosen_logps"], row["ref_rejected_logps"]]
    assert found == pytest.approx(packed[:2], abs=1e-3)
    for plan, made, tokenizer in (dpo, kto):
        model, ids = made.model.train(), torch.arange(12)[None]
        with torch.no_grad(), use_adapter(model, adapter_name="ref"):
            assert model.active_adapter == "ref"
            assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
        assert model.training
        assert not torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
        save_model(made, tokenizer, plan, plan.out)
        assert (plan.out / "adapter_model.safetensors").exists()
        assert not (plan.out / "ref").exists()


def test_weights_of_pairs_concern_dpo_alone(checkpoint, tmp_path):
    assert prepared("kto", checkpoint, tmp_path, weighted=True)
    with pytest.raises(ConfigError, match="weighted needs tree packing"):
        prepared("dpo", checkpoint, tmp_path, weighted=True)


def test_kto_measures_on_replies_to_other_messages(checkpoint, tmp_path):
    """TRL pairs each row with its neighbour, in the order in which they come."""
    rows = [
        {"prompt": said("user", f"{subject}?"), "completion": said("assistant", f"{subject} {n}."),
         "label": n == 1}
        for subject in ("Owls", "Rain", "Tea", "Bread", "Snow", "Wool", "Ink")
        for n in range(1 if subject == "Ink" else 2)
    ]  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = TrainingConfig(model=str(checkpoint), lora=False)
    plan = Plan(method="kto", settings=settings, data=file, out=tmp_path / "out",
                start=str(checkpoint))  # fmt: skip
    data = read_training_data(file, "kto")
    arguments = make_arguments("kto", settings, checkpoints=tmp_path, seed=0, packed=False)
    trainer, _ = make_trl_trainer(plan, data, arguments, RolloutAgents())
    assert list(trainer._get_train_sampler()) == list(range(12))
    assert data.skipped == {"reply alone in its batch": 1}
    own = {}
    for row in trainer.train_dataset:
        own.setdefault(tuple(row["prompt_ids"]), []).append(row["completion_ids"])
    for row in trainer.train_dataset:
        assert row["KL_completion_ids"] not in own[tuple(row["prompt_ids"])]
    data.rows[1:] = []
    with pytest.raises(ConfigError, match="there is 1 row"):
        make_trl_trainer(plan, data, arguments, RolloutAgents())


def test_grpo_samples_from_the_prompt_as_text(checkpoint, tmp_path):
    agents = RolloutAgents(reward=lambda completions, **_: [0.0] * len(completions))
    ids = prepared("grpo", checkpoint, tmp_path, agents)._tokenize_prompts([PROMPT, PROMPT])[0]
    assert tuple(ids[0]) == tuple(ids[1]) == ChatTokens(tiny.tokenizer()).prompt(PROMPT)
    assert ids[0].count(tiny.tokenizer().eos_token_id) == 3


def test_a_reward_of_ones_own_gets_every_column(checkpoint, tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [{"prompt": PROMPT, "tree": f"t{n}", "solution": {"value": n}, "images": [1]}
            for n in range(4)]  # fmt: skip
    rows[1]["note"] = "odd"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = {}
    for reward, every in (("rewards:little_e", True), ("rules", False)):
        settings = TrainingConfig(model=str(checkpoint), lora=False, reward=reward)
        plan = Plan(method="grpo", settings=settings, data=file, out=tmp_path / "out",
                    start=str(checkpoint))  # fmt: skip
        assert plan.own_reward == every
        data = read_training_data(file, "grpo", every_column=plan.own_reward)
        found[every] = hash_rows(data.rows)
        arguments = make_arguments("grpo", settings, checkpoints=tmp_path, seed=0, packed=False)
        agents = RolloutAgents(reward=lambda completions, **_: [0.0] * len(completions))
        table = make_trl_trainer(plan, data, arguments, agents)[0].train_dataset
        names = {"prompt", "tree", *({"solution", "note"} if every else ())}
        assert {*table.column_names} == names
        if every:
            assert table["solution"][:] == [{"value": n} for n in range(4)]
            assert table["note"][:] == [None, "odd", None, None]
    assert found[True] != found[False] == hash_rows(read_rows(file, "grpo"))
    mixed = [{**row, "solution": value} for row, value in zip(rows, (1, "b", [2], 0), strict=True)]
    file.write_text("".join(json.dumps(row) + "\n" for row in mixed))
    data = read_training_data(file, "grpo", every_column=True)
    plan = replace(plan, settings=TrainingConfig(model=str(checkpoint), reward="rewards:little_e"))
    with pytest.raises(ConfigError, match="the same kind of value in every row"):
        make_trl_trainer(plan, data, arguments, agents)


def test_grpo_rewards_whole_replies(checkpoint, tmp_path):
    agents = RolloutAgents(reward=lambda completions, **_: [1.0] * len(completions))
    trainer = prepared("grpo", checkpoint, tmp_path, agents)
    end = ChatTokens(tiny.tokenizer()).end
    found = trainer.reward_funcs[0](
        prompts=[PROMPT] * 3, completions=[GOOD] * 3, completion_ids=[[7, end], [7, 7], [end, 7]]
    )
    assert found == [1.0, None, None]


@pytest.mark.parametrize("prompts", [4, 7])
def test_grpo_counts_the_prompts_that_fill_no_batch(checkpoint, tmp_path, prompts):
    (tmp_path / "rows.jsonl").write_text((json.dumps({"prompt": PROMPT}) + "\n") * prompts)
    settings = TrainingConfig(model=str(checkpoint), lora=False)
    plan = Plan(method="grpo", settings=settings, data=tmp_path / "rows.jsonl",
                out=tmp_path / "out", start=str(checkpoint))  # fmt: skip
    data = read_training_data(plan.data, "grpo")
    arguments = make_arguments("grpo", settings, checkpoints=tmp_path, seed=0, packed=False)
    agents = RolloutAgents(reward=lambda completions, **_: [0.0] * len(completions))
    trainer, _ = make_trl_trainer(plan, data, arguments, agents)
    taken = len(set(trainer._get_train_sampler()))
    assert sum(data.skipped.values()) == prompts - taken == prompts % 2


@pytest.mark.parametrize(
    ("opening", "end"),
    [("[THINK]", "[/THINK]"), ("<|START_THINKING|>", "<|END_THINKING|>"), ("", "[/THINK]")],
)
def test_thoughts_between_special_tokens_reach_rewards_as_thoughts(
    checkpoint, tmp_path, opening, end
):
    """Decoding leaves special tokens out, and thoughts would stand in the reply unseen."""
    marked = AutoTokenizer.from_pretrained(checkpoint)
    marked.add_special_tokens({"additional_special_tokens": [*filter(None, (opening, end))]})
    marked.save_pretrained(checkpoint)
    tiny.model(vocab_size=len(marked)).save_pretrained(checkpoint)
    heard = []

    def speak(conversations, **_):
        heard.extend(talk[-1]["content"] for talk in conversations)
        return [None] * len(conversations)

    def reward(*, completions, **_):
        return [float(len(message_in(each[0]["content"]))) for each in completions]

    agents = RolloutAgents(reward=reward, speak=speak)
    trainer = prepared("grpo", checkpoint, tmp_path, agents, horizon=1)
    ids = marked(f"{opening}Owls or rooks?{end}Tea.<|im_end|>", add_special_tokens=False)[
        "input_ids"
    ]
    trainer._generate_single_turn = lambda prompts, *_: ([ids] * len(prompts), None)
    completions = trainer._generate([PROMPT, PROMPT])[3]
    assert [each[0]["content"] for each in completions] == [f"{opening}Owls or rooks?{end}Tea."] * 2
    found = trainer.reward_funcs[0](prompts=[PROMPT], completions=completions[:1])
    assert found == [len("Tea.")]
    assert heard == ["Tea."]


@pytest.mark.parametrize("packing", ["--tree-packing", "--no-tree-packing"])
def test_the_summary_counts_and_names_control_tokens(
    aloe: RunAloe, checkpoint: Path, tmp_path: Path, packing: str
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n" + json.dumps(ROW) + "\n")
    ran = aloe("train", "sft", "--data", tmp_path / "rows.jsonl", "--model", checkpoint, "--full",
               "--out", tmp_path / "sft", "--max-steps", "1", packing, "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    line = "control tokens (<|im_end|>, <|im_start|>) in 2 texts: encoded as plain text"
    assert line in ran.out + ran.err
    record = json.loads((tmp_path / "sft" / "training.json").read_text())
    assert record["control_tokens"] == {"texts": 2, "tokens": ["<|im_end|>", "<|im_start|>"]}


NO_SYSTEM = tiny.CHATML.replace(
    "for message in messages", "for message in messages if message['role'] != 'system'"
)
FIRST_ONLY = tiny.CHATML.replace(
    "for message in messages",
    "for message in messages if message['role'] != 'system' or message == messages[0]",
)
REPLACED = tiny.CHATML.replace(
    "{{ message['content'] + '<|im_end|>\n' }}",
    "{{ ('Be kind.' if message['role'] == 'system' else message['content']) + '<|im_end|>\n' }}",
)


@pytest.mark.parametrize(
    ("template", "left_out"),
    [(NO_SYSTEM, 2), (REPLACED, 2), (FIRST_ONLY, 1), (tiny.CHATML, 0)],
)
def test_system_messages_that_the_template_leaves_out_are_counted(template, left_out, monkeypatch):
    monkeypatch.setattr(tiny.tokenizer(), "chat_template", template)
    system = said("system", "Answer in French.")
    prompts = [PROMPT, [*system, *PROMPT], [*system, *system, *PROMPT]]
    found = count_unread_system_messages(
        [{"prompt": prompt} for prompt in prompts], tiny.tokenizer()
    )
    assert found == ({"unread_system_messages": left_out} if left_out else {})


@pytest.mark.parametrize("packing", ["--tree-packing", "--no-tree-packing"])
def test_a_line_says_before_the_first_step_that_system_messages_are_left_out(
    aloe: RunAloe, checkpoint: Path, tmp_path: Path, packing: str
) -> None:
    (checkpoint / "chat_template.jinja").write_text(NO_SYSTEM)
    rows = [ROW, {**ROW, "prompt": [*said("system", "Answer in French."), *PROMPT]}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = aloe("train", "sft", "--data", tmp_path / "rows.jsonl", "--model", checkpoint, "--full",
               "--out", tmp_path / "sft", "--max-steps", "1", packing, "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    line = "the chat template drops the system messages of 1 row: they are not trained on"
    assert ran.err.count(line) == 1
    record = json.loads((tmp_path / "sft" / "training.json").read_text())
    assert record["unread_system_messages"] == 1


def test_arguments_that_trl_does_not_know_are_named(tmp_path: Path, aloe: RunAloe) -> None:
    file = tmp_path / "mine.toml"
    for where in ("training.arguments", "experiment.dpo"):
        file.write_text(f"[{where}]\nlearning_rat = 1.0\n")
        ran = aloe("config", "check", file)
        assert ran.is_one_line_about(where, "'learning_rat'", "did you mean 'learning_rate'?")
    file.write_text("[training.arguments]\nbeta = 0.1\n[experiment.sft]\nmax_steps = 3\n")
    assert aloe("config", "check", file).code == 0
