"""The equality that the tiny model shows, once on a real one."""

import pytest

pytest.importorskip("torch")

import torch
from torch.nn.functional import cosine_similarity, logsigmoid

from aloe.config import TrainingConfig
from aloe.training.attention import use_tree_attention
from aloe.training.packing import pack
from aloe.training.scores import answer_log_probabilities, token_log_probabilities
from aloe.training.start import load_start
from tests.performance.training import conversation, encode_pairs

pytestmark = [pytest.mark.train, pytest.mark.slow]


def gradient(model) -> torch.Tensor:
    found = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])
    model.zero_grad()
    return found


def alone(model, answer) -> torch.Tensor:
    logits = model(torch.tensor([answer.ids])).logits[0, answer.start - 1 : -1]
    targets = torch.tensor(answer.ids[answer.start :])
    return logits[torch.arange(len(targets)), targets] - logits.logsumexp(-1)


def test_smollm2_scores_a_packed_tree_as_it_scores_each_pair():
    torch.manual_seed(0)
    start = load_start("smollm2-135m", TrainingConfig())
    for name, weight in start.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    pairs = encode_pairs(conversation(2, seed=1), start.tokenizer)
    answers = [answer for pair in pairs for answer in pair]

    plain = [alone(start.model, answer) for answer in answers]
    sums = torch.stack([each.sum() for each in plain])
    loss = -logsigmoid(0.1 * (sums[0::2] - sums[1::2])).mean()
    loss.backward()
    expected = gradient(start.model)

    use_tree_attention(start.model)
    packed = pack(answers)
    scores = token_log_probabilities(start.model, packed)
    totals = answer_log_probabilities(packed, scores)
    packed_loss = -logsigmoid(0.1 * (totals[0::2] - totals[1::2])).mean()
    packed_loss.backward()

    assert (scores - torch.cat(plain)).abs().max() < 1e-4
    assert abs(packed_loss.item() - loss.item()) < 1e-5
    assert cosine_similarity(gradient(start.model), expected, dim=0) > 0.9999
