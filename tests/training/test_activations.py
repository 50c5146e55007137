"""An MLP that keeps less: the same gradients, and in fact less."""

from typing import Any

import pytest

pytest.importorskip("torch")

import tiny
import torch
from peft import LoraConfig, get_peft_model
from torch.profiler import ProfilerActivity, profile

from aloe.training.activations import keep_less

pytestmark = pytest.mark.train

TOKENS, WIDTH, LAYERS = 96, 1024, 2


def adapted(*, lean: bool) -> Any:
    torch.manual_seed(1)
    settings = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(tiny.model(intermediate_size=WIDTH, num_hidden_layers=LAYERS), settings)
    if lean:
        keep_less(model)
    return model


def gradients(model: Any) -> tuple[float, list[Any], int]:
    """Return loss, gradients, and the bytes that the forward pass left behind."""
    ids = torch.arange(TOKENS)[None] % 300
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    kept = sum(event.self_cpu_memory_usage for event in seen.events())
    return loss.item(), [p.grad for p in model.parameters() if p.requires_grad], kept


def test_gradients_are_the_same_and_two_of_four_tensors_are_gone() -> None:
    loss, expected, before = gradients(adapted(lean=False))
    lean_loss, found, after = gradients(adapted(lean=True))
    assert lean_loss == pytest.approx(loss, abs=1e-6)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)
    gone = 2 * LAYERS * TOKENS * WIDTH * 4
    assert before - after == pytest.approx(gone, rel=0.1)
