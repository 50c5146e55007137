"""Frozen weights in bf16 on a CPU: only where this machine is faster, and adapters stay exact."""

import json
from pathlib import Path
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

import tiny
import torch
from peft import LoraConfig, get_peft_model

from aloe.config import Config, TrainingConfig
from aloe.errors import ConfigError
from aloe.training import arguments, precision, tree_trainers
from aloe.training.activations import keep_less
from aloe.training.adapters import add_in_place
from aloe.training.attention import use_tree_attention
from aloe.training.packing import EncodedReply, pack
from aloe.training.plan import make_plan
from aloe.training.precision import freeze_in_bf16, measure_gain
from aloe.training.progress import TrainingProgress
from aloe.training.scores import token_log_probabilities

pytestmark = pytest.mark.train

ANSWERS = [
    EncodedReply(ids=(*range(3, 40), *range(60, 60 + length)), start=30) for length in (9, 12, 4)
]


def adapted(**changes: Any) -> Any:
    torch.manual_seed(1)
    wanted = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(tiny.model(**changes), wanted)


def slow_in(monkeypatch: pytest.MonkeyPatch, kind: torch.dtype) -> None:
    def product(given: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        sleep(0.004 if given.dtype is kind else 0.0005)
        return given

    monkeypatch.setattr(precision, "linear", product)


def test_the_gain_is_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    model, drawn = adapted(), torch.get_rng_state()
    slow_in(monkeypatch, torch.float32)
    assert measure_gain(model) > 2
    slow_in(monkeypatch, torch.bfloat16)
    assert measure_gain(model) < 1
    assert torch.equal(torch.get_rng_state(), drawn)  # a training's order does not depend on it
    assert measure_gain(tiny.model()) == 0


def test_what_is_not_trained_is_rounded_and_nothing_else() -> None:
    model = adapted(tie_word_embeddings=True)
    before = {name: held.clone() for name, held in model.state_dict().items()}
    freeze_in_bf16(model)
    for name, held in model.state_dict().items():
        kind = torch.float32 if "lora_" in name else torch.bfloat16
        assert held.dtype is kind
        assert torch.equal(held, before[name].to(kind))
    base = model.get_base_model()
    assert base.lm_head.weight is base.model.embed_tokens.weight
    assert base.model.rotary_emb.inv_freq.dtype is torch.float32


def gradients(model: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return ln p of packed answers, and what their mean says to each adapter."""
    found = token_log_probabilities(model, pack(ANSWERS))
    (-found.mean()).backward()
    return found.detach(), [p.grad for p in model.parameters() if p.requires_grad]


def test_gradients_of_adapters_point_the_same_way_and_stay_in_fp32() -> None:
    exact, rounded = adapted(), adapted()
    freeze_in_bf16(rounded)
    for model in (exact, rounded):
        use_tree_attention(model)
        add_in_place(model)
        keep_less(model)
    (expected, wanted), (found, got) = gradients(exact), gradients(rounded)
    assert (found - expected).abs().max() < 0.1
    assert {each.dtype for each in got} == {torch.float32}
    flat = [torch.cat([each.flatten() for each in side]) for side in (wanted, got)]
    assert torch.cosine_similarity(*flat, dim=0) > 0.999


def test_layers_in_bf16_add_adapters_in_fp32_in_place() -> None:
    plain, ours = adapted(), adapted()
    for model in (plain, ours):
        freeze_in_bf16(model)
    add_in_place(ours)
    layers = [each for each in ours.modules() if type(each).__name__ == "Linear"]
    assert any("forward" in vars(each) for each in layers)
    ids = torch.arange(48)[None]
    outs = [model(ids, labels=ids, use_cache=False) for model in (plain, ours)]
    assert outs[1].loss.item() == pytest.approx(outs[0].loss.item(), rel=5e-3)
    for out in outs:
        out.loss.backward()
    for theirs, mine in zip(plain.parameters(), ours.parameters(), strict=True):
        if mine.requires_grad:
            assert torch.cosine_similarity(mine.grad.flatten(), theirs.grad.flatten(), 0) > 0.99


def chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begun: dict, gain: float, **given: Any
) -> TrainingProgress:
    """Return how a training is set up with a machine of some gain, new or begun before."""
    (tmp_path / "rows.jsonl").write_text("{}\n")
    if begun:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "training.json").write_text(json.dumps(begun))
    changes = {"training.model": str(tiny.save(tmp_path / "base")), "training.arguments": given}
    config = Config().updated(changes, source="test")
    plan = make_plan("sft", config, tmp_path / "rows.jsonl", tmp_path / "out")
    monkeypatch.setattr(tree_trainers, "measure_gain", lambda _model: gain)
    progress = TrainingProgress(method="sft")
    made = SimpleNamespace(bf16=False, fp16=False)
    numbers = tree_trainers._choose_numbers(plan, adapted(), made, progress)
    assert progress.frozen_in == str(numbers).removeprefix("torch.")
    return progress


@pytest.mark.parametrize(
    ("begun", "gain", "given", "kind"),
    [
        ({}, 3.3, {}, "bfloat16"),
        ({}, 1.2, {}, "float32"),
        ({}, 3.3, {"bf16": False}, "float32"),
        ({}, 0.2, {"bf16": True}, "bfloat16"),
        ({"frozen_in": "bfloat16"}, 0.2, {}, "bfloat16"),  # on another machine
        ({"frozen_in": "float32"}, 3.3, {}, "float32"),
        ({"method": "sft"}, 3.3, {}, "float32"),  # before there was a choice
    ],
)
def test_a_training_keeps_the_numbers_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    begun: dict, gain: float, given: dict, kind: str,
) -> None:  # fmt: skip
    progress = chosen(tmp_path, monkeypatch, begun=begun, gain=gain, **given)
    assert progress.frozen_in == kind
    said = any("3.3 times as fast" in note for note in progress.notes)
    assert said == (kind == "bfloat16" and gain == 3.3)


@pytest.mark.parametrize(("kept", "bf16"), [("", True), ("bfloat16", True), ("float32", False)])
def test_on_a_gpu_as_well(monkeypatch: pytest.MonkeyPatch, kept: str, *, bf16: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert arguments._common(packed=True, kept=kept)["bf16"] is bf16


@pytest.mark.parametrize("name", ["bf16", "fp16", "gradient_checkpointing", "use_cpu"])
def test_a_text_is_not_taken_for_on(tmp_path: Path, name: str) -> None:
    for value in ("false", "true", 1):
        given = {"settings": TrainingConfig(arguments={name: value}), "packed": True, "seed": 0}
        with pytest.raises(ConfigError, match=rf"{name} is {value!r}; true or false is expected"):
            arguments.make_arguments("sft", checkpoints=tmp_path, **given)


def test_autocast_on_a_cpu_is_not_said_to_keep_weights_in_half_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = TrainingProgress(method="sft")
    monkeypatch.setattr(tree_trainers, "measure_gain", lambda _model: 0.5)
    plan = make_plan("sft", Config(), tmp_path / "rows.jsonl", tmp_path / "out")
    made = SimpleNamespace(bf16=False, fp16=True)
    assert tree_trainers._choose_numbers(plan, adapted(), made, progress) is torch.float16
    assert progress.frozen_in == "float32"


def test_several_processes_do_not_choose_for_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_trainers, "count_processes", lambda: 2)
    assert chosen(tmp_path, monkeypatch, begun={}, gain=3.3).frozen_in == "float32"


def test_a_model_says_what_its_frozen_weights_were_kept_in(aloe, tmp_path, monkeypatch) -> None:
    base = tiny.save(tmp_path / "base")
    row = {"prompt": [{"role": "user", "content": "Birds?"}],
           "completion": [{"role": "assistant", "content": "Yes!"}]}  # fmt: skip
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "halves.toml").write_text("[training.arguments]\nbf16 = true\nmax_steps = 2\n")
    ran = aloe("train", "sft", "--data", tmp_path / "rows.jsonl", "--model", base, "--out",
               tmp_path / "out", "--config", tmp_path / "halves.toml", "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["frozen_in"] == "bfloat16"
    assert "| frozen weights | bfloat16 |" in (tmp_path / "out" / "README.md").read_text()
    from safetensors.torch import load_file

    learnt = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert {held.dtype for held in learnt.values()} == {torch.float32}
    assert record["last"]["loss"] < record["first_loss"]
