"""The estimate of memory, and the rows that follow from it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import tiny
import torch
from architectures import architecture

from aloe.config import Config
from aloe.training import footprint
from aloe.training.footprint import STEP_TOKENS, choose_row_tokens, estimate_bytes
from aloe.training.head import score_in_head
from aloe.training.model_folder import ModelFolder
from aloe.training.plan import Plan
from aloe.training.progress import TrainingProgress
from aloe.training.tree_trainers import _choose_row_tokens, _explain_rows

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    "name", ["Llama", "Gemma 3n", "GPT-2", "BLOOM", "MPT", "OPT", "RWKV", "Mamba", "Falcon"]
)
def test_memory_is_estimated_whatever_a_config_calls_its_sizes(name: str) -> None:
    model = architecture(name)
    few, many = (
        estimate_bytes(model, tokens=tokens, scored=8, checkpointing=False) for tokens in (8, 800)
    )
    assert 0 < few < many


@pytest.mark.parametrize(
    ("free", "per_token", "rows"),
    [
        (80, 2, 8192),  # 1B on an H100: 16 of 64 GiB
        (80, 9, 4096),
        (24, 2, 8192),
        (16, 3, 4096),
        (8, 3, 2048),
        (2, 1, 1024),
        (0.1, 3, 512),  # nothing fits, which is told when the rows are known
        (-3, 3, 512),  # the weights alone are too large
    ],
)
def test_rows_are_as_long_as_memory_takes(free: float, per_token: float, rows: int) -> None:
    chosen = choose_row_tokens(int(free * 2**30), lambda tokens: int(tokens * per_token * 2**20))
    assert chosen == rows
    assert STEP_TOKENS % chosen == 0


def test_a_step_has_as_many_tokens_at_most_whatever_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    model, folder = tiny.model(), ModelFolder(tmp_path / "out")

    def choose(free: float, **settings: object) -> tuple[int, int]:
        monkeypatch.setattr(footprint, "measure_free_bytes", lambda _model: int(free * 2**20))
        config = Config().updated({f"training.{k}": v for k, v in settings.items()}, source="test")
        plan = Plan(
            method="dpo", settings=config.training, data=tmp_path, out=folder.path, start="x"
        )
        arguments = SimpleNamespace(
            activation_checkpointing=False, gradient_accumulation_steps=4, bf16=True, fp16=False
        )
        return _choose_row_tokens(
            plan, model, arguments, torch.bfloat16
        ), arguments.gradient_accumulation_steps

    assert choose(4000) == (8192, 1)
    progress = TrainingProgress(method="dpo", row_tokens=8192, step_rows=1)
    note = "rows of 8192 tokens, 1 a step: 5 steps an epoch; for the same steps anywhere set"
    assert note in _explain_rows(progress, 5)
    few, steps = choose(20)
    assert few * steps == STEP_TOKENS
    assert few < 8192
    assert choose(4000, row_tokens=300) == (300, 4)
    assert choose(4000, arguments={"gradient_accumulation_steps": 2})[0] == 2048
    folder.path.mkdir()
    folder.begin({"row_tokens": few})  # memory is another when the training goes on
    assert choose(4000) == (few, steps)
    for processes, gpu in (("2", True), ("1", False)):
        monkeypatch.setenv("WORLD_SIZE", processes)
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert choose(4000) == (few, steps), "a training that goes on keeps its rows"
    folder.file.unlink()
    for processes, gpu in (("2", True), ("1", False)):
        monkeypatch.setenv("WORLD_SIZE", processes)
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert choose(4000) == (2048, 4)


def test_a_head_that_scores_in_chunks_takes_less() -> None:
    model = tiny.model(tie_word_embeddings=False)
    whole = estimate_bytes(model, tokens=10**6, scored=10**6, checkpointing=True)
    model.lm_head.requires_grad_(False)
    assert score_in_head(model)
    assert estimate_bytes(model, tokens=10**6, scored=10**6, checkpointing=True) < 0.8 * whole


def test_half_precision_takes_less() -> None:
    given = {"tokens": 800, "scored": 8, "checkpointing": False}
    full, half = (estimate_bytes(tiny.model(), item=item, **given) for item in (4, 2))
    assert half < 0.7 * full
