"""What a GPU is given: tiles, lengths and compiled graphs, as far as they show without one."""

import pytest

pytest.importorskip("torch")

import tiny
import torch
from shapes import SHAPES, caterpillar, grown

from aloe.training import scores
from aloe.training.attention import Ancestry, tree_attention, use_tree_attention
from aloe.training.flex import BLOCK, choose_tiles, make_rule, pad_row, padded_length
from aloe.training.packing import Packed, pack

pytestmark = pytest.mark.train


def row(pairs) -> Packed:
    return pack([answer for pair in pairs for answer in pair])


LONG = {
    "deep": row(grown(16, candidates=2, continued=1)),
    "wide": row(grown(3, candidates=6, continued=3)),
    "many trees": row([pair for seed in range(12) for pair in caterpillar(3, seed)]),
    "less than a block": row(SHAPES["one pair"]),
}  # fmt: skip


def dense(end, depth, reach):
    """Who may see whom, from every pair of tokens."""
    queries, keys = torch.arange(len(end))[:, None], torch.arange(len(end))[None]
    seen = (keys <= queries) & (queries < end[None])
    return seen & (depth[:, None] - depth[None] < reach) if reach else seen


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("reach", [None, 20, 200])
@pytest.mark.parametrize("name", LONG)
def test_tiles_are_those_of_the_rule_itself(name, reach, padded):
    packed = pad_row(LONG[name]) if padded else LONG[name]
    end, depth = packed["end"], packed["depth"]
    seen = dense(end, depth, reach)
    partial, whole = choose_tiles(end, depth, reach)
    for i in range(len(partial)):
        for j in range(len(partial)):
            tile = seen[i * BLOCK : (i + 1) * BLOCK, j * BLOCK : (j + 1) * BLOCK]
            assert not (partial[i, j] and whole[i, j])
            assert not whole[i, j] or bool(tile.all())
            assert partial[i, j] or whole[i, j] or not tile.any()
            if reach is None:  # nothing is read in vain
                assert bool(partial[i, j] or whole[i, j]) == bool(tile.any())
                assert bool(whole[i, j]) == bool(tile.all())


@pytest.mark.parametrize("reach", [None, 4])
def test_the_rule_within_a_tile_is_that_of_the_row(reach):
    end, depth = LONG["many trees"]["end"], LONG["many trees"]["depth"]
    queries, keys = torch.arange(len(end))[:, None], torch.arange(len(end))[None]
    seen = make_rule(end, depth, reach)(None, None, queries, keys)
    assert torch.equal(seen, dense(end, depth, reach))


def test_no_table_of_tokens_by_tokens_is_made():
    end, depth = torch.arange(1, 2**17 + 1), torch.zeros(2**17, dtype=torch.long)
    partial, _ = choose_tiles(end, depth, None)  # the table would take 16 GiB
    assert int(partial.sum()) == 2**17 // BLOCK


def test_rows_are_padded_to_few_lengths():
    lengths = {padded_length(size) for size in range(1, 4097)}
    assert len(lengths) <= 20
    assert all(length % BLOCK == 0 for length in lengths)
    assert min(lengths) == 2 * BLOCK
    for size in range(2 * BLOCK, 20_000, 37):
        assert size <= padded_length(size) <= max(1.25 * size, size + BLOCK)


@pytest.mark.parametrize("name", LONG)
def test_padding_changes_no_score(name):
    model = tiny.model()
    use_tree_attention(model)
    with torch.no_grad():
        plain = scores.token_log_probabilities(model, LONG[name])
        padded = scores.token_log_probabilities(model, pad_row(LONG[name]))
    assert (plain - padded).abs().max() < 1e-5


def test_attention_is_compiled_once_for_all_lengths():
    from torch.nn.attention.flex_attention import flex_attention

    graphs = []

    def backend(graph, _example):
        graphs.append(graph)
        return graph.forward

    attend = torch.compile(flex_attention, dynamic=True, backend=backend)
    for name in ("less than a block", "deep", "many trees"):
        packed = pad_row(LONG[name])
        ancestry = Ancestry(packed["end"], packed["depth"])
        query, key, value = (torch.randn(1, h, len(packed["end"]), 16) for h in (4, 2, 2))
        tiles = ancestry.tiles()
        with torch.no_grad():
            found = attend(query, key, value, block_mask=tiles, scale=0.25, enable_gqa=True)
            expected, _ = tree_attention(None, query, key, value, None, ancestry=ancestry)
        assert torch.allclose(found.transpose(1, 2), expected, atol=1e-5)
    assert len(graphs) == 1
