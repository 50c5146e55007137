"""Models that think: what is learnt, that it is learnt right, and what it costs."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thinking import TEMPLATES, Thinking
from torch.nn import functional

from aloe.config import TrainingConfig
from aloe.errors import ConfigError
from aloe.training.attention import use_tree_attention
from aloe.training.packing import EncodedReply, common_prefix, count_nodes, pack
from aloe.training.plan import Plan
from aloe.training.run import train
from aloe.training.scores import answer_log_probabilities, token_log_probabilities
from aloe.training.templates import ChatTokens

pytestmark = pytest.mark.train

THOUGHT = "<think>\nRye keeps.\n</think>\n\n"


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


TALK = [
    said("user", "What should I bake?"),
    said("assistant", "Bread, with rye."),
    said("user", "And then?"),
    said("assistant", "A cake."),
    said("user", "Thanks!"),
    said("assistant", "Any time."),
]


@cache
def tokenizer(name: str) -> Any:
    return TEMPLATES[name].tokenizer()


@cache
def chat(name: str) -> ChatTokens:
    return ChatTokens(tokenizer(name))


def served(name: str, prompt: list[dict[str, str]], **given: Any) -> list[int]:
    """Return what a server gives the model."""
    made = tokenizer(name).apply_chat_template(prompt, add_generation_prompt=True, **given)
    return list(made["input_ids"])


def parts(name: str, answer: EncodedReply) -> tuple[str, str]:
    """Return what is read and what is learnt."""
    decode = tokenizer(name).decode
    return decode(answer.ids[: answer.start]), decode(answer.ids[answer.start :])


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_reply_is_learnt_behind_an_empty_block(name: str) -> None:
    shape = TEMPLATES[name]
    for turn in (1, 3, 5):
        answer, prompt = chat(name).answer(TALK[:turn], TALK[turn]["content"]), TALK[:turn]
        context, learnt = parts(name, answer)
        assert learnt == TALK[turn]["content"] + shape.end
        assert context.endswith(shape.block)
        assert list(answer.ids[: len(served(name, prompt))]) == served(name, prompt)
        assert answer.ids[-1] == chat(name).end
        assert chat(name).prompt(prompt) == tuple(served(name, prompt))


@pytest.mark.parametrize("name", ["Qwen3", "Qwen3.5", "before the last reply only"])
def test_what_is_read_is_the_prompt_of_a_model_told_not_to_think(name: str) -> None:
    answer = chat(name).answer(TALK[:3], TALK[3]["content"])
    asked = served(name, TALK[:3], enable_thinking=False)
    assert parts(name, answer)[0] == tokenizer(name).decode(asked)


SILENT = ("Qwen3.5, not thinking", "opened and ended by the prompt")


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name not in SILENT])
def test_thoughts_of_a_reply_are_read_and_not_learnt(name: str) -> None:
    shape = TEMPLATES[name]
    answer = chat(name).answer(TALK[:3], THOUGHT + "A cake.")
    context, learnt = parts(name, answer)
    assert learnt == "A cake." + shape.end
    assert context.rpartition("with rye.")[2].count("Rye keeps.") == 1
    both = ChatTokens(tokenizer(name), learn_thoughts=True).answer(TALK[:3], THOUGHT + "A cake.")
    assert both.ids == answer.ids
    assert both.start == len(served(name, TALK[:3]))


@pytest.mark.parametrize("name", SILENT)
def test_where_the_prompt_ends_thoughts_a_reply_has_none(name: str) -> None:
    answer = chat(name).answer(TALK[:3], THOUGHT + "A cake.")
    assert answer == chat(name).answer(TALK[:3], "A cake.")
    with pytest.raises(ConfigError, match="the generation prompt ends thoughts itself"):
        ChatTokens(tokenizer(name), learn_thoughts=True).answer(TALK[:3], THOUGHT + "A cake.")


@pytest.mark.parametrize("name", ["Qwen3", "DeepSeek-R1", "GLM-4.5", "opened by the prompt"])
def test_thoughts_in_the_history_are_what_the_template_makes_of_them(name: str) -> None:
    history = [TALK[0], said("assistant", THOUGHT + "Bread, with rye."), TALK[2]]
    context, learnt = parts(name, chat(name).answer(history, "A cake."))
    assert learnt == "A cake." + TEMPLATES[name].end
    assert "Rye keeps." not in context
    assert context.startswith(tokenizer(name).decode(served(name, history)))


def test_what_does_not_belong_to_the_thoughts_is_learnt() -> None:
    command = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<think></think><|start|>' }}"
        "{% endif %}{{ m['content'] + '<|im_end|>' }}{% endfor %}"
    )
    made = Thinking(source=command, marks=("<|start|>", "<|im_end|>")).tokenizer()
    for reply in ("A cake.", "<think>Rye keeps.</think>A cake."):
        answer = ChatTokens(made).answer(TALK[:1], reply)
        mark = "<|start|>" if reply == "A cake." else ""
        assert made.decode(answer.ids[answer.start :]) == f"{mark}A cake.<|im_end|>"
        assert made.decode(answer.ids[: answer.start]).endswith("</think>")


@pytest.mark.parametrize("reply", ["<think>Rye", "Bread <think>Rye", "A <think>b</think> c"])
def test_thoughts_without_an_answer_behind_them_are_refused(reply: str) -> None:
    with pytest.raises(ConfigError, match=r"no answer after them .* training.thoughts"):
        chat("Qwen3").answer(TALK[:1], reply)


def test_a_tag_that_is_written_about_is_text() -> None:
    answer = chat("Qwen3").answer(TALK[:1], "Write `<think>` first.")
    assert parts("Qwen3", answer)[1] == "Write `<think>` first.<|im_end|>"


# Trees


WORDS = st.lists(st.sampled_from(["rain", "birds", "I", "the"]), min_size=1, max_size=3)
TEXTS = WORDS.map(" ".join)


@st.composite
def trees(draw: Any) -> list[tuple[list[dict[str, str]], str, str]]:
    """Prompts with two replies, one or both of which go on, some with thoughts."""
    rows, histories = [], [[]]
    for turn in range(draw(st.integers(1, 3))):
        after = []
        for history in histories[:2]:
            prompt = [*history, said("user", draw(TEXTS))]
            replies = [f"{kind}{draw(TEXTS)} {turn}{kind}" for kind in ("yes ", "no ")]
            thoughts = draw(st.sampled_from(["", "", THOUGHT]))
            rows.append((prompt, thoughts + replies[0], replies[1]))
            both = draw(st.booleans())
            after += [[*prompt, said("assistant", r)] for r in replies[: 1 + both]]
        histories = after
    return rows


@cache
def models() -> tuple[Any, Any]:
    """Return the same model, as it is and prepared for packed rows."""
    size = max(len(tokenizer(name)) for name in TEMPLATES)
    plain, tree = tiny.model(vocab_size=size), tiny.model(vocab_size=size)
    use_tree_attention(tree)
    return plain, tree


def alone(model: Any, answer: EncodedReply) -> Any:
    """Score one row the plain way: its own sequence, labels where it is learnt."""
    ids = torch.tensor([answer.ids])
    labels = ids.masked_fill(torch.arange(len(answer.ids)) < answer.start, -100)
    logits = model(ids).logits[0, :-1]
    return -functional.cross_entropy(logits, labels[0, 1:], ignore_index=-100, reduction="sum")


def losses(scores: Any, scored: int) -> tuple[Any, Any]:
    """Return the loss of SFT on the better replies, and DPO's."""
    chosen, rejected = scores[0::2], scores[1::2]
    return -chosen.sum() / scored, -functional.logsigmoid(0.5 * (chosen - rejected) + 0.1).mean()


def gradient(model: Any, loss: Any) -> Any:
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


SHAPES = ["Qwen3", "DeepSeek-R1", "GLM-4.5", "gpt-oss", "in the history only", "other tags"]


@pytest.mark.parametrize("name", SHAPES)
@given(trees())
@settings(max_examples=4)
def test_packed_trees_have_the_loss_and_the_gradient_of_single_rows(name: str, rows: Any) -> None:
    answers = [chat(name).answer(prompt, reply) for prompt, *pair in rows for reply in pair]
    plain, tree = models()
    packed = pack(answers)
    found = answer_log_probabilities(packed, token_log_probabilities(tree, packed))
    expected = torch.stack([alone(plain, answer) for answer in answers])
    scored = sum(answer.length for answer in answers[0::2])
    pairs = list(zip(losses(found, scored), losses(expected, scored), strict=True))
    assert all(abs(ours - theirs) < 1e-5 for ours, theirs in pairs)
    ours, theirs = gradient(tree, sum(pairs[1][:1])), gradient(plain, sum(pairs[1][1:]))
    assert (ours - theirs).norm() < 1e-4 * theirs.norm()


def answers_of(name: str) -> list[EncodedReply]:
    return [chat(name).answer(TALK[:turn], TALK[turn]["content"]) for turn in (1, 3, 5)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_branch_costs_the_replies_that_go_on_once_more_and_nothing_else(name: str) -> None:
    first, second, third = answers_of(name)
    parted = sum(len(a.ids) - common_prefix(a.ids, b.ids) for a, b in
                 ((first, second), (second, third)))  # fmt: skip
    assert count_nodes([first, second, third]) == len(third.ids) + parted
    assert (parted > 0) == TEMPLATES[name].branches
    if TEMPLATES[name].branches:
        opening = served(name, TALK[:1])
        assert common_prefix(opening, second.ids) >= len(opening) - 6


# TRL


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> tuple[Path, Path]:
    made = tokenizer(name)
    tiny.model(vocab_size=len(made)).save_pretrained(folder / "base")
    made.save_pretrained(folder / "base")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "base", folder / "rows.jsonl"


def trained(method: str, folder: Path, base: Path, data: Path, **given: Any) -> dict[str, Any]:
    packed = given.pop("tree_packing", True)
    size = len(data.read_text().splitlines())
    settings = TrainingConfig(
        model=str(base), lora=False, tree_packing=packed, **given,
        arguments={"max_steps": 2, "learning_rate": 0.05, "optim": "sgd", "logging_steps": 1,
                   "lr_scheduler_type": "constant", "gradient_accumulation_steps": 1,
                   "max_grad_norm": 1.0,
                   **({} if packed else {"per_device_train_batch_size": size})},
    )  # fmt: skip
    out = folder / f"{method}-{packed}-{len(given)}"
    plan = Plan(method=method, settings=settings, data=data, start=str(base), out=out)
    return train(plan, lambda _: None)


@pytest.mark.parametrize(("method", "name"), [("sft", "DeepSeek-R1"), ("dpo", "Qwen3")])
def test_packed_training_takes_the_steps_of_trl(method: str, name: str, tmp_path: Path) -> None:
    rows = []
    for turn in (1, 3, 5):
        good, bad = TALK[turn : turn + 1], [said("assistant", f"No, {turn}.")]
        answers = {"chosen": good, "rejected": bad} if method == "dpo" else {"completion": good}
        rows.append({"prompt": TALK[:turn], "tree": "t", **answers})
    if method == "sft":
        rows[1]["completion"] = [said("assistant", THOUGHT + "A cake.")]
    base, data = write(tmp_path, name, rows)
    packed, plain = (
        trained(method, tmp_path, base, data, tree_packing=each) for each in (True, False)
    )
    assert packed["first_loss"] == pytest.approx(plain["first_loss"], abs=1e-5)
    assert packed["last"]["loss"] == pytest.approx(plain["last"]["loss"], abs=1e-5)
    assert packed["last"]["grad_norm"] == pytest.approx(plain["last"]["grad_norm"], rel=1e-3)
    assert packed["last"]["loss"] < packed["first_loss"]
