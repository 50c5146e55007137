"""GGUF files with something in them that transformers does not read."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import gguf_files
import torch

from aloe.config import TrainingConfig
from aloe.errors import ConfigError, ModelError
from aloe.models import dequantised
from aloe.models.checkpoint import load_checkpoint
from aloe.models.local import embedded_server
from aloe.training import likeness
from aloe.training.likeness import check_likeness
from aloe.training.merge import merge
from aloe.training.start import load_start

pytestmark = pytest.mark.train

FACTORS = np.array([1, 1, 2, 4, 8, 8, 8, 8], dtype=np.float32)
ROPE = {"rope_freqs.weight": FACTORS}
LINEAR = {"rope.scaling.type": "linear", "rope.scaling.factor": 2.0}
YARN = {
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4.0,
    "rope.scaling.original_context_length": 512,
}
SCALED = {"llama 3.1": {"tensors": ROPE}, "linear": {"head": LINEAR}, "yarn": {"head": YARN}}
QUESTION = [{"role": "user", "content": "Birds and bread, and mountains in spring? " * 3}]
ROWS = {
    "prompt": [{"role": "user", "content": "Birds?"}],
    "completion": [{"role": "assistant", "content": "Owls, above all the small ones."}],
}


def gap(served: Path, folder: Path) -> float:
    """Return by how much `local:` is off what transformers says of a folder, in nats at most."""
    loaded = load_checkpoint(str(folder))
    ids = loaded.tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True)["input_ids"]
    found = likeness.ask_served(embedded_server(str(served)), ids, loaded.tokenizer)
    with torch.inference_mode():
        here = loaded.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    return max(abs(here[token].item() - value) for token, value in found.items())


@pytest.mark.parametrize("kind", SCALED)
def test_scaled_positions_are_trained_merged_and_served_as_the_file_has_them(aloe, tmp_path, kind):
    base = gguf_files.write(tmp_path / "base.gguf", **SCALED[kind])
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(ROWS) + "\n")
    ran = aloe("train", "sft", "--data", rows, "--model", base, "--out", tmp_path / "sft",
               "--max-steps", "2", "--learning-rate", "1e-3", "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    merge(tmp_path / "sft", tmp_path / "merged")
    trained, merged = tmp_path / "sft", tmp_path / "merged"
    assert gap(trained, trained) < 2e-2
    assert gap(merged, trained) < 2e-2
    assert gap(merged, merged) < 2e-2


@pytest.mark.parametrize("kind", SCALED)
def test_left_unscaled_they_are_refused_with_both_numbers(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(dequantised, "_scale_positions", lambda *_: None)
    base = str(gguf_files.write(tmp_path / "base.gguf", **SCALED[kind]))
    with pytest.raises(ModelError, match=r"differ by [1-9]\.\d+ nats .* rounding explains 0\.0"):
        load_start(base, TrainingConfig())


def test_what_only_the_header_says_is_found_by_comparing(tmp_path):
    base = str(gguf_files.write(tmp_path / "base.gguf", head={"rope.scale_linear": 2.0}))
    with pytest.raises(ModelError, match=r"differ by [1-9]\.\d+ nats"):
        load_start(base, TrainingConfig())


def test_a_weight_that_is_off_is_found_by_comparing(tmp_path):
    base = str(gguf_files.write(tmp_path / "base.gguf"))
    loaded = load_checkpoint(base)
    check_likeness(loaded.model, loaded.tokenizer, base)
    with torch.no_grad():
        loaded.model.model.norm.weight.mul_(1.05)  # what a lost scale of logits does
    with pytest.raises(ModelError, match="nats"):
        check_likeness(loaded.model, loaded.tokenizer, base)


def test_another_way_to_cut_text_is_found_by_comparing(tmp_path):
    base = str(gguf_files.write(tmp_path / "base.gguf"))
    loaded = load_checkpoint(base)
    loaded.tokenizer.add_tokens(["mountains"])
    with pytest.raises(ModelError, match="different tokens"):
        check_likeness(loaded.model, loaded.tokenizer, base)


def test_a_token_that_only_llama_cpp_puts_before_a_conversation_is_refused(tmp_path):
    base = str(gguf_files.write(tmp_path / "base.gguf", add_bos=True))
    with pytest.raises(ModelError, match=r"'<\|endoftext\|><\|im_start\|>.* from token 0"):
        load_start(base, TrainingConfig())
    written = "<|endoftext|>" + gguf_files.TEMPLATE
    load_start(str(gguf_files.write(tmp_path / "own.gguf", add_bos=True, template=written)),
               TrainingConfig())  # fmt: skip


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"tensors": {"blk.0.attn_q.bias": np.ones(64, np.float32)}}, "blk.0.attn_q.bias"),
        ({"tensors": {"blk.1.attn_q_norm.weight": np.ones(16, np.float32)}}, "attn_q_norm"),
        ({"tensors": {"blk.0.ffn_up.scale": np.ones(1, np.float32)}}, "blk.0.ffn_up.scale"),
        ({"tensors": {"blk.1.attn_rot_embd.weight": np.ones(8, np.float32)}}, "attn_rot_embd"),
        ({"head": {**LINEAR, "rope.scaling.type": "longrope"}}, "rope.scaling.type = longrope"),
        ({"head": {**YARN, "rope.scaling.attn_factor": 2.0}}, "attn_factor = 2.0"),
        ({"head": LINEAR, "tensors": ROPE}, "rope.scaling.factor = 2.0"),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(tmp_path, more, named):
    base = gguf_files.write(tmp_path / "base.gguf", **more)
    with pytest.raises(ModelError, match="transformers ignores") as problem:
        load_checkpoint(str(base))
    assert named in str(problem.value)


def test_an_adapter_without_a_place_in_the_file_is_refused_before_training(tmp_path):
    base = str(gguf_files.write(tmp_path / "base.gguf"))
    with pytest.raises(ConfigError, match="shares its weights"):
        load_start(base, TrainingConfig(target_modules=("embed_tokens",)))
