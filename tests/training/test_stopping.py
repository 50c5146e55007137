"""A model that was trained to stop stops where it is served."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import gguf_files
import tiny
import torch
from transformers import PreTrainedTokenizerFast

from aloe.config import ModelConfig, TrainingConfig
from aloe.models.checkpoint import load_checkpoint
from aloe.models.local import embedded_server, stops_at
from aloe.models.open import open_model
from aloe.training.arguments import make_arguments
from aloe.training.merge import merge
from aloe.training.start import load_start

pytestmark = pytest.mark.train

TEXT_END, TURN_END = 0, 2
ROWS = {
    "prompt": [{"role": "user", "content": "Birds?"}],
    "completion": [{"role": "assistant", "content": "Owls."}],
}
SEPARATED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ '<|im_end|>' }}{% else %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tokenizer(**tokens: str) -> PreTrainedTokenizerFast:
    made = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer().backend_tokenizer,
        **{"eos_token": "<|endoftext|>", **tokens},
    )
    made.chat_template = gguf_files.TEMPLATE
    return made


def base(folder: Path, *, template: str | None = None, **tokens: str) -> Path:
    """Write a base as Qwen2.5's is: ChatML, and another end of text."""
    tiny.model(eos_token_id=TEXT_END).save_pretrained(folder)
    made = tokenizer(**tokens)
    made.chat_template = template or made.chat_template
    made.save_pretrained(folder)
    return folder


def trained(aloe, tmp_path: Path, model: Path, *more: str) -> Path:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(ROWS) + "\n")
    ran = aloe("train", "sft", "--data", rows, "--model", model, "--out", tmp_path / "sft",
               "--max-steps", "1", "--quiet", *more)  # fmt: skip
    assert ran.code == 0, ran.err
    return tmp_path / "sft"


def finish(model: str, end: int) -> tuple[str, int]:
    """Return how a reply finished that opens with the token `end`, and its length."""
    opened = open_model(ModelConfig(model=model, temperature=0.0, max_tokens=6))
    head = opened.chat._checkpoint.model.get_output_embeddings()
    hook = head.register_forward_hook(
        lambda _m, _i, out: out.index_fill(-1, torch.tensor([end], device=out.device), 1e4)
    )
    try:
        answer = opened.chat.invoke("Hello")
    finally:
        hook.remove()
    return answer.response_metadata["finish_reason"], answer.usage_metadata["output_tokens"]


@pytest.mark.parametrize("more", [[], ["--full"], ["--no-tree-packing"]])
def test_saved_files_carry_the_end_mark_and_hf_stops_at_it(aloe, tmp_path, more):
    start = base(tmp_path / "base")
    assert finish(f"hf:{start}", TURN_END) == ("length", 6)
    out = trained(aloe, tmp_path, start, *more)
    settings = json.loads((out / "generation_config.json").read_text())
    assert set(settings["eos_token_id"]) == {TURN_END, TEXT_END}
    saved = load_checkpoint(str(out)).tokenizer
    assert (saved.eos_token, saved.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert finish(f"hf:{out}", TURN_END) == ("stop", 1)
    if not more:
        merge(out, tmp_path / "merged")
        assert finish(f"hf:{tmp_path / 'merged'}", TURN_END) == ("stop", 1)


def test_a_template_that_writes_the_end_of_text_keeps_it(tmp_path):
    start = load_start(str(base(tmp_path, template=SEPARATED)), TrainingConfig())
    assert start.tokenizer.eos_token == "<|endoftext|>"
    assert start.model.generation_config.eos_token_id == [TURN_END, TEXT_END]


def test_several_ends_are_kept(tmp_path):
    model = tiny.model(eos_token_id=TEXT_END)
    model.generation_config.eos_token_id = [TEXT_END, 7]
    model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    start = load_start(str(tmp_path), TrainingConfig(lora=False))
    assert start.model.generation_config.eos_token_id == [TURN_END, TEXT_END, 7]


def test_a_model_that_stops_already_is_left_as_it_is(tmp_path):
    start = load_start(str(tiny.save(tmp_path)), TrainingConfig())
    assert start.model.generation_config.eos_token_id == TURN_END
    assert (start.tokenizer.eos_token, start.tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")


def test_without_any_end_it_can_be_talked_to_and_trained(tmp_path):
    model = tiny.model(eos_token_id=None, pad_token_id=None)
    model.save_pretrained(tmp_path)
    bare = tokenizer()
    bare.eos_token = None
    bare.save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    assert finish(f"hf:{tmp_path}", TURN_END) == ("length", 6)
    start = load_start(str(tmp_path), TrainingConfig())
    assert start.model.generation_config.eos_token_id == [TURN_END]
    assert start.tokenizer.eos_token == start.tokenizer.pad_token == "<|im_end|>"


def test_grpo_samples_up_to_the_end_mark(tmp_path):
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    start = load_start(str(base(tmp_path)), TrainingConfig())
    trainer = trl.GRPOTrainer(
        model=start.model,
        args=make_arguments(
            "grpo", TrainingConfig(), checkpoints=tmp_path / "x", seed=0, packed=False
        ),
        train_dataset=Dataset.from_list([{"prompt": ROWS["prompt"]}]),
        processing_class=start.tokenizer,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
    )
    assert set(trainer.generation_config.eos_token_id) == {TURN_END, TEXT_END}


def test_local_stops_at_a_mark_that_the_gguf_file_does_not_name(aloe, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    marks = ("<|fim|>", "<|abre|>", "<|fecha|>")  # llama.cpp knows ChatML's by heart
    file = gguf_files.write(tmp_path / "base.gguf", marks=marks, eos=TEXT_END)
    assert not stops_at(embedded_server(str(file)), TURN_END)
    out = trained(aloe, tmp_path, file)
    merge(out, tmp_path / "merged")
    for model in (out, tmp_path / "merged"):
        server = embedded_server(str(model))
        assert stops_at(server, TURN_END), model
        assert stops_at(server, TEXT_END), model
        chat = open_model(ModelConfig(
            model=f"local:{model}", temperature=0.0, max_tokens=6,
            options={"extra_body": {"logit_bias": [[TURN_END, 1000.0]]}},
        )).chat  # fmt: skip
        assert chat.invoke("Hello").response_metadata["finish_reason"] == "stop"
