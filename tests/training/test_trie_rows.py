"""TRL's rows and gather under our loss, on the CPU: the scores of one answer at a time."""

import pytest

pytest.importorskip("torch")

import torch
from torch.nn.attention import varlen

from aloe.training.packing import EncodedReply, unpack
from aloe.training.scores import answer_log_probabilities
from tests.performance import training_gpu
from tests.performance.gpu_ways import conversation, make_model
from tests.performance.training import encode_pairs
from tests.performance.trie_rows import TorchKernel, pack_trie, score_row, use_gather
from tests.tiny import tokenizer

pytestmark = pytest.mark.train


def forest():
    """Return two conversations, an answer twice, its beginning, and one that shares nothing."""
    steps = [conversation(3, 6, seed) for seed in (0, 1)]
    answers = [each for step in steps for pair in encode_pairs(step, tokenizer()) for each in pair]
    twice = answers[3]
    shorter = EncodedReply(ids=twice.ids[:-2], start=twice.start)
    return [*answers, twice, shorter, EncodedReply(ids=(9, 8, 7), start=1)]


def made():
    model = make_model("toy", "cpu").eval()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05, generator=torch.Generator().manual_seed(0))
    return model


def slope(model):
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])


def test_a_trie_is_scored_like_one_answer_at_a_time():
    answers = forest()
    weights = torch.linspace(-1, 1, len(answers))
    plain, gathered = made(), made()
    expected = torch.stack([training_gpu._score_alone(plain, answer) for answer in answers])
    (expected * weights).sum().backward()

    use_gather(gathered)
    row = pack_trie(answers)
    found = answer_log_probabilities(row, score_row(gathered, row))
    (found * weights).sum().backward()

    assert len(row["ids"]) < sum(len(answer.ids) for answer in answers) / 2
    assert torch.allclose(found, expected, atol=1e-4)
    assert slope(plain).abs().max() > 0.01
    assert torch.allclose(slope(gathered), slope(plain), atol=1e-5, rtol=1e-4)


def test_a_trie_is_a_row_as_ours_are():
    answers = forest()
    assert unpack(pack_trie(answers)) == answers


def test_the_kernel_of_a_gpu_is_asked_for_causal_attention(monkeypatch):
    """Runs on shapes alone, through torch's own declaration of the kernel."""
    asked = []
    kernel = varlen.varlen_attn
    monkeypatch.setattr(
        varlen, "varlen_attn", lambda *a, **k: asked.append(k["window_size"]) or kernel(*a, **k)
    )
    half = {"device": "meta", "dtype": torch.bfloat16, "requires_grad": True}
    query, key = torch.empty(6, 4, 64, **half), torch.empty(9, 2, 64, **half)
    starts = torch.empty(3, device="meta", dtype=torch.int32)
    seen = TorchKernel.flash_attn_varlen_func(
        *(query, key, key, starts, starts, 4, 6),
        softmax_scale=0.1,
        causal=True,
        window_size=(-1, -1),
    )
    seen.sum().backward()
    assert asked == [(-1, 0)]  # torch's way of asking for it
    assert seen.shape == query.shape
    assert key.grad.shape == key.shape
