"""The check before the first step: what it refuses, and that it leaves nothing behind."""

from contextlib import nullcontext
from typing import Any

import pytest

pytest.importorskip("torch")

import tiny
import torch
from architectures import architecture
from peft import LoraConfig, get_peft_model
from shapes import SHAPES, caterpillar

import aloe.training.attention
from aloe.errors import ConfigError
from aloe.training.activations import keep_less
from aloe.training.adapters import AdaptedLinear, add_in_place
from aloe.training.attention import use_tree_attention
from aloe.training.packing import EncodedReply, Packed, pack
from aloe.training.parity import require_same_scores

pytestmark = pytest.mark.train


def packed(*answers: EncodedReply) -> Packed:
    return pack(answers or [a for pair in SHAPES["three trees in a row"] for a in pair])


def with_adapter(model: Any) -> Any:
    """Return the model as training begins: its adapter adds nothing yet."""
    settings = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, settings)


def prepare(model: Any, *rows: Packed, computing: Any = nullcontext) -> None:
    with require_same_scores(model, rows or [packed()], computing):
        use_tree_attention(model)
        add_in_place(model)
        keep_less(model)


def replaced(model: Any) -> int:
    return sum("forward" in vars(module) for module in model.modules())


def test_a_model_that_is_packed_right_is_left_as_it_was() -> None:
    model = with_adapter(tiny.model())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    prepare(model)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training
    assert replaced(model) == 2 * (7 + 1)


def swallow(**given: Any) -> Any:
    """Return our attention with what is given put over what the model asks for."""
    true = aloe.training.attention.tree_attention

    def attention(*args: Any, **asked: Any) -> Any:
        asked = {key: value for key, value in asked.items() if key != "softcap"}
        return true(*args, **{**asked, **given})

    return attention


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Gemma 2", {}),
        ("Mistral, window", {"sliding_window": None}),
        ("Granite", {"scaling": None}),
        ("Llama", {"sliding_window": 30}),
    ],
)
def test_attention_that_computes_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, Any]
) -> None:
    monkeypatch.setattr(aloe.training.attention, "tree_attention", swallow(**given))
    scores = {"attn_logit_softcapping": 0.2} if name == "Gemma 2" else {}
    with pytest.raises(ConfigError, match=r"-\d+\.\d{4} nats packed and -\d+\.\d{4} alone; round"):
        prepare(architecture(name, vocab_size=400, **scores))


def test_a_branch_that_sees_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_see_all(self: Any, window: int | None = None) -> Any:
        open_end = torch.full_like(self.end, len(self.end))
        return true(aloe.training.attention.Ancestry(open_end, self.depth), window)

    true = aloe.training.attention.Ancestry.blocks
    monkeypatch.setattr(aloe.training.attention.Ancestry, "blocks", all_see_all)
    with pytest.raises(ConfigError, match="would train this model wrongly"):
        prepare(tiny.model())


def test_an_adapter_that_is_added_wrongly_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    true = AdaptedLinear.forward
    monkeypatch.setattr(AdaptedLinear, "forward", lambda ctx, *g: true(ctx, *g[:-1], 3 * g[-1]))
    model = with_adapter(tiny.model())
    prepare(model)
    assert replaced(model) == 2  # the MLPs


class Scaled(torch.nn.Module):
    """Looks like the linear layer in it, and says more."""

    def __init__(self, inner: Any, **more: float) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = (
            inner.gate_proj,
            inner.up_proj,
            inner.down_proj,
        )
        self.act_fn, self.more = inner.act_fn, more

    def forward(self, x: Any) -> Any:
        limit, drop = self.more.get("limit", torch.inf), self.more.get("drop", 0.0)
        gate = self.act_fn(self.gate_proj(x) * self.more.get("factor", 1.0))
        product = gate * self.up_proj(x).clamp(-limit, limit)
        return self.down_proj(torch.nn.functional.dropout(product, drop, self.training))


@pytest.mark.parametrize("more", [{"factor": 0.5}, {"limit": 50.0}, {"drop": 0.1}, {}])
def test_an_mlp_that_does_more_than_it_looks_keeps_what_it_does(more: dict[str, float]) -> None:
    model = tiny.model()
    for layer in model.model.layers:
        layer.mlp = Scaled(layer.mlp, **more)
    prepare(model)
    assert replaced(model) == (0 if more else 2)


@pytest.mark.parametrize("name", ["FalconH1", "BitNet"])
def test_mlps_of_real_models_with_factors_and_norms_are_left_alone(name: str) -> None:
    model = architecture(name)
    norms = [p for key, p in model.named_parameters() if "ffn_sub_norm" in key]
    for norm in norms:
        torch.nn.init.uniform_(norm)
    ids = torch.arange(3, 40)[None]
    before = model(ids).logits
    keep_less(model)
    assert replaced(model) == 0
    assert torch.equal(model(ids).logits, before)


def test_positions_that_depend_on_length_matter_where_the_data_reach_them() -> None:
    def rows(length: int) -> Packed:
        ids = tuple(range(3, 3 + length))
        return packed(*(EncodedReply(ids=(*ids[:cut], 7), start=cut - 4) for cut in (length, 12)))

    prepare(architecture("Llama, RoPE dynamic"), rows(28))
    with pytest.raises(ConfigError, match="would train this model wrongly"):
        prepare(architecture("Llama, RoPE dynamic"), rows(60))


def test_the_longest_conversation_and_a_fork_are_found_in_any_row() -> None:
    long = packed(EncodedReply(ids=tuple(range(3, 60)), start=40))
    forked = [a for pair in caterpillar(1) for a in pair]
    state = pytest.raises(ConfigError, match="would train this model wrongly")
    prepare(architecture("LFM2"), long)  # nothing branches
    with state:
        prepare(architecture("LFM2", vocab_size=400), long, packed(*forked))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_rounding_is_told_from_mistakes(dtype: Any) -> None:
    prepare(tiny.model().to(dtype))
    with pytest.raises(ConfigError, match="would train this model wrongly"):
        prepare(architecture("Mamba", vocab_size=400).to(dtype))


def test_autocast_is_part_of_the_check() -> None:
    with pytest.raises(ConfigError, match=r"(?s)^tree packing does not work[^\n]*$"):
        prepare(tiny.model(), computing=lambda: torch.autocast("cpu", torch.bfloat16))


def test_a_model_that_cannot_read_the_data_says_so_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"(?s)^the model cannot score the data \([^\n]+\)$"):
        prepare(tiny.model(vocab_size=20))


def test_trees_that_share_not_even_their_first_token_are_tried_together() -> None:
    one, other = (1, *range(10, 40)), (2, *range(50, 70))
    row = packed(
        EncodedReply(ids=one[:15], start=10),
        EncodedReply(ids=one, start=20),
        EncodedReply(ids=other, start=10),
    )
    with pytest.raises(ConfigError, match="tree packing"):
        prepare(with_adapter(architecture("Jamba")), row)
