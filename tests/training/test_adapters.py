"""LoRA layers that add in place: the same numbers, less written, and only where it fits."""

from typing import Any

import pytest

pytest.importorskip("torch")

import tiny
import torch
from peft import LoraConfig, get_peft_model
from torch.profiler import ProfilerActivity, profile

from aloe.training.adapters import add_in_place

pytestmark = pytest.mark.train

IDS = torch.arange(96)[None] % 300


def adapted(*, in_place: bool, **settings: Any) -> Any:
    torch.manual_seed(1)
    wanted = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False, **settings)
    model = get_peft_model(tiny.model(attention_bias=True, mlp_bias=True), wanted)
    if in_place:
        add_in_place(model)
    return model


def learnt(model: Any) -> tuple[Any, list[Any], int]:
    """Return logits, gradients, and how many bytes were asked for."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        out = model(input_ids=IDS, labels=IDS, use_cache=False)
        out.loss.backward()
    asked = sum(max(0, event.self_cpu_memory_usage) for event in seen.events())
    return out.logits, [p.grad for p in model.parameters() if p.requires_grad], asked


def test_numbers_and_gradients_are_the_same_and_less_is_written() -> None:
    logits, expected, before = learnt(adapted(in_place=False, lora_alpha=6))
    found_logits, found, after = learnt(adapted(in_place=True, lora_alpha=6))
    torch.testing.assert_close(found_logits, logits, atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)
    assert after < 0.8 * before


def test_what_is_off_or_merged_answers_as_before() -> None:
    plain, ours = adapted(in_place=False), adapted(in_place=True)
    with torch.no_grad():
        adapted_logits = ours(IDS).logits
        with plain.disable_adapter(), ours.disable_adapter():
            assert torch.equal(ours(IDS).logits, plain(IDS).logits)
            assert not torch.allclose(ours(IDS).logits, adapted_logits)
        plain.merge_adapter()
        ours.merge_adapter()
        torch.testing.assert_close(ours(IDS).logits, plain(IDS).logits)


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"lora_bias": True}])
def test_other_kinds_of_adapter_answer_as_before(settings: dict[str, Any]) -> None:
    with torch.no_grad():
        expected = adapted(in_place=False, **settings)(IDS).logits
        assert torch.equal(adapted(in_place=True, **settings)(IDS).logits, expected)
