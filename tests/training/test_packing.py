import random

import pytest

pytest.importorskip("torch")

import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import SHAPES, caterpillar, grown
from torch.nn import functional

from aloe.training.attention import Ancestry, use_tree_attention
from aloe.training.packed_dataset import Example, distribute
from aloe.training.packing import EncodedReply, count_answers, count_nodes, pack, unpack
from aloe.training.scores import (
    LogProbabilities,
    answer_log_probabilities,
    token_log_probabilities,
)

pytestmark = pytest.mark.train


def flat(pairs: list[tuple[EncodedReply, EncodedReply]]) -> list[EncodedReply]:
    return [answer for pair in pairs for answer in pair]


def alone(model, answer: EncodedReply):
    """Score one answer the plain way: its own sequence, one position before each token."""
    logits = model(torch.tensor([answer.ids])).logits[0, answer.start - 1 : -1]
    targets = torch.tensor(answer.ids[answer.start :])
    return logits[torch.arange(len(targets)), targets] - logits.logsumexp(-1)


def dpo(scores) -> torch.Tensor:
    chosen, rejected = scores[0::2], scores[1::2]
    return -functional.logsigmoid(0.5 * (chosen - rejected) + 0.1).mean()


def gradient(model, loss) -> torch.Tensor:
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_a_token_that_is_shared_is_stored_once():
    pairs = caterpillar(5)
    packed = pack(flat(pairs))
    every_prefix = {a.ids[:n] for a in flat(pairs) for n in range(1, len(a.ids) + 1)}
    assert len(packed["ids"]) == len(every_prefix) == count_nodes(flat(pairs))
    assert len(packed["ids"]) < sum(len(a.ids) for a in flat(pairs)) / 3


@given(
    st.lists(
        st.lists(st.integers(0, 2), min_size=2, max_size=7).map(tuple), min_size=1, max_size=8
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_ancestors_are_exactly_the_earlier_tokens_of_ones_own_sequence(sequences, rng):
    answers = [EncodedReply(ids=ids, start=rng.randint(1, len(ids) - 1)) for ids in sequences]
    packed = pack(answers)
    nodes = torch.arange(len(packed["ids"]))
    seen = (nodes[None, :] <= nodes[:, None]) & (nodes[:, None] < packed["end"][None, :])
    place = 0
    for owner, answer in enumerate(answers):
        mine = packed["owners"] == owner
        assert packed["targets"][mine].tolist() == list(answer.ids[answer.start :])
        for offset, parent in enumerate(packed["parents"][mine].tolist()):
            ancestors = seen[parent].nonzero().squeeze(1)
            assert packed["ids"][ancestors].tolist() == list(answer.ids[: answer.start + offset])
            assert packed["depth"][ancestors].tolist() == list(range(answer.start + offset))
        place += 1
    assert place == count_answers(packed)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block", [None, 16, 128], ids=["dense", "blocks of 16", "one block"])
def test_scores_loss_and_gradient_equal_one_pair_at_a_time(shape, block):
    answers = flat(SHAPES[shape])
    plain, tree = tiny.model(), tiny.model()
    use_tree_attention(tree)
    expected = [alone(plain, answer) for answer in answers]
    packed = pack(answers)
    per_token = token_log_probabilities(tree, packed, block=block)
    assert (per_token - torch.cat(expected)).abs().max() < 1e-4

    loss, other = (
        dpo(answer_log_probabilities(packed, per_token)),
        dpo(torch.stack([each.sum() for each in expected])),
    )
    assert abs(loss.item() - other.item()) < 1e-5
    ours, theirs = gradient(tree, loss), gradient(plain, other)
    assert functional.cosine_similarity(ours, theirs, dim=0) > 0.9999
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_a_wrong_mask_would_be_noticed():
    answers = flat(SHAPES["caterpillar"])
    model = tiny.model()
    expected = torch.cat([alone(model, answer) for answer in answers])
    packed = pack(answers)
    use_tree_attention(model)
    packed["end"] = torch.full_like(packed["end"], len(packed["end"]))  # all see all
    assert (token_log_probabilities(model, packed) - expected).abs().max() > 0.1


def test_blocks_read_only_the_keys_they_need():
    packed = pack(flat(grown(5, candidates=4, continued=1)))
    blocks = Ancestry(packed["end"], packed["depth"], block=16).blocks()
    assert sum(block.bias.numel() for block in blocks) < len(packed["end"]) ** 2 / 2
    allowed = sum(int((block.bias == 0).sum()) for block in blocks)
    assert allowed == int(visible(packed).sum())


def visible(packed, window: int | None = None) -> torch.Tensor:
    """Return who may see whom, read off the tree token by token."""
    size = len(packed["ids"])
    mask = torch.zeros(size, size, dtype=torch.bool)
    for query in range(size):
        ancestors = [key for key in range(query + 1) if query < packed["end"][key]]
        mask[query, ancestors[-window:] if window else ancestors] = True
    return mask


@pytest.mark.parametrize("window", [1, 4, 11, 500])
def test_a_window_is_counted_along_the_conversation(window):
    packed = pack(flat(SHAPES["both expanded"]))
    found = torch.zeros(len(packed["ids"]), len(packed["ids"]), dtype=torch.bool)
    for block in Ancestry(packed["end"], packed["depth"], block=16).blocks(window):
        keys = torch.arange(len(packed["ids"]))[block.keys]
        found[block.queries, keys] = block.bias == 0
    assert torch.equal(found, visible(packed, window))


def test_what_was_packed_can_be_unpacked():
    answers = flat(SHAPES["three trees in a row"])
    assert unpack(pack(answers)) == answers


def test_the_handwritten_gradient_is_the_true_one():
    rng = torch.Generator().manual_seed(0)
    table = torch.randn(5, 11, generator=rng, requires_grad=True)
    rows, targets = torch.tensor([0, 0, 3, 4, 3]), torch.tensor([2, 7, 1, 1, 1])
    pull = torch.randn(5, generator=rng)
    (table.log_softmax(-1)[rows, targets] * pull).sum().backward()
    expected, table.grad = table.grad, None
    (LogProbabilities.apply(table * 1.0, rows, targets) * pull).sum().backward()
    assert torch.allclose(table.grad, expected, atol=1e-6)


def test_rows_hold_whole_trees_up_to_the_budget():
    trees = {
        str(seed): [
            Example(answers=pair, tree=str(seed))
            for pair in grown(3, candidates=2, continued=1, seed=seed)
        ]
        for seed in range(6)
    }
    examples = [example for tree in trees.values() for example in tree]
    random.Random(0).shuffle(examples)
    sizes = {t: count_nodes(a for e in tree for a in e.answers) for t, tree in trees.items()}
    budget = max(sizes.values()) * 2
    rows = distribute(examples, budget)
    assert sorted(map(id, examples)) == sorted(id(e) for row in rows for e in row)
    for row in rows:
        assert {e.tree for e in row}.isdisjoint(e.tree for r in rows if r is not row for e in r)
        assert count_nodes(a for e in row for a in e.answers) <= budget
    assert len(rows) < len(trees)


def test_a_tree_beyond_the_budget_is_split_between_examples():
    examples = [Example(answers=pair, tree="t") for pair in caterpillar(8)]
    rows = distribute(examples, 60)
    assert len(rows) > 1
    assert sorted(map(id, examples)) == sorted(id(e) for row in rows for e in row)
    for row in rows:
        assert len(row) == 1 or count_nodes(a for e in row for a in e.answers) <= 60
