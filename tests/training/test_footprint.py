"""The estimate of memory, for configs that name their sizes differently."""

import pytest

pytest.importorskip("torch")

from architectures import architecture

from aloe.training.footprint import estimate_bytes

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
