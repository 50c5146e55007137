"""A head that answers with log-probabilities: the same values and gradients, and no table."""

import pytest

pytest.importorskip("torch")

import tiny
import torch
from shapes import SHAPES
from torch import nn

from aloe.training import head
from aloe.training.attention import use_tree_attention
from aloe.training.packing import pack
from aloe.training.scores import token_log_probabilities

pytestmark = pytest.mark.train

PACKED = pack([answer for pair in SHAPES["three trees in a row"] for answer in pair])


def adapted(**changes):
    """A tiny model of which everything but the two ends is trained."""
    model = tiny.model(**changes)
    for end in (model.lm_head, model.get_input_embeddings()):
        end.requires_grad_(False)
    return model


def scored(model):
    """Return scores and gradient of a loss in which every token pulls differently."""
    found = token_log_probabilities(model, PACKED)
    pull = torch.linspace(-1, 1, len(found))
    (found * pull).sum().backward()
    return found.detach(), torch.cat(
        [p.grad.flatten() for p in model.parameters() if p.requires_grad]
    )


@pytest.mark.parametrize("entries", [1, 384 * 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_the_whole_table(monkeypatch, entries, dtype):
    monkeypatch.setattr(head, "ENTRIES", entries)
    plain, chunked = adapted().to(dtype), adapted().to(dtype)
    assert head.score_in_head(chunked)
    for model in (plain, chunked):
        use_tree_attention(model)
    (expected, slope), (found, other) = scored(plain), scored(chunked)
    assert found.dtype == torch.float32
    near = 1e-5 if dtype == torch.float32 else 0.02
    assert (found - expected).abs().max() < near
    assert torch.cosine_similarity(slope.float(), other.float(), dim=0) > 1 - near / 10
    assert (slope - other).abs().max() <= near * slope.abs().max()


def test_no_more_logits_than_a_chunk_exist(monkeypatch):
    monkeypatch.setattr(head, "ENTRIES", 384 * 5)
    seen: list[torch.Size] = []

    def linear(*given):
        seen.append((out := nn.functional.linear(*given)).shape)
        return out

    monkeypatch.setattr(head, "linear", linear)
    model = adapted()
    assert head.score_in_head(model)
    use_tree_attention(model)
    scored(model)
    assert len(seen) > 3
    assert max(shape.numel() for shape in seen) <= 384 * 5


def scaled(model):
    """The logits are changed after the head, as by Gemma 2's cap or Cohere's scale."""
    forward = model.forward

    def change(**given):
        output = forward(**given)
        output.logits.mul_(0.5)  # in place, which must not fool the test either
        return output

    model.forward = change
    return model


def trained(model):
    model.lm_head.requires_grad_(True)
    return model


def replaced(model):
    class Scaled(nn.Linear):
        def forward(self, hidden):
            return 0.5 * super().forward(hidden)

    model.lm_head = Scaled(32, 384, bias=False).requires_grad_(False)
    return model


@pytest.mark.parametrize("change", [scaled, trained, replaced])
def test_another_head_works_as_before(change):
    model = change(adapted())
    assert not head.score_in_head(model)
    use_tree_attention(model)
    found = token_log_probabilities(model, PACKED)
    assert found.requires_grad


def test_a_head_that_is_not_asked_answers_with_logits():
    model = adapted()
    before = model(input_ids=torch.tensor([[1, 2, 3]])).logits
    assert head.score_in_head(model)
    assert torch.equal(model(input_ids=torch.tensor([[1, 2, 3]])).logits, before)


def test_a_table_no_larger_than_a_chunk_is_left_to_the_head_as_it_was(monkeypatch):
    model = adapted()
    assert head.score_in_head(model)
    use_tree_attention(model)
    monkeypatch.setattr(head, "_Scores", None)  # it would fail if it were used
    assert len(token_log_probabilities(model, PACKED)) == len(PACKED["targets"])
