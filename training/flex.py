"""The mask of packed rows for flex attention, the kernel on a GPU, made so that it compiles once.

torch's `create_block_mask` asks the rule about every pair of a query and a key. Here the tiles
follow from the largest and smallest `end` and depth in each block of 128 tokens, which is a table
of blocks by blocks. Flex attention is compiled for any length and rows are padded to a few
multiples of the block (`pad_row`), because every other length would be compiled anew, for seconds.

Nothing of this has been timed on a GPU yet; the tests compare the tiles with the rule itself.
"""

from functools import cache
from typing import Any

import torch
from torch.nn.functional import pad

from aloe.training.packing import Packed

Tensor = Any

BLOCK = 128
"""Tokens a side of a tile."""
_STEPS = 4
"""Lengths to pad to between a length and its double: at most a quarter of a long row is padding."""


def padded_length(size: int) -> int:
    """Return the length to which a row of `size` tokens is padded: a multiple of `BLOCK`.

    It is at least two blocks: what has a length of one is compiled apart.
    """
    least = 2 * BLOCK
    below = 1 << ((max(size, least) - 1).bit_length() - 1)  # a power of two
    step = max(BLOCK, below // _STEPS)
    return max(least, -(-size // step) * step)


def pad_row(packed: Packed) -> Packed:
    """Return a row with tokens behind it that see themselves alone and are not scored."""
    size = len(packed["ids"])
    more = padded_length(size) - size
    last = torch.arange(size + 1, size + more + 1, device=packed["end"].device)
    return Packed(
        ids=pad(packed["ids"], (0, more)),
        depth=pad(packed["depth"], (0, more)),
        end=torch.cat([packed["end"], last]),
        parents=packed["parents"],
        targets=packed["targets"],
        owners=packed["owners"],
    )


def make_tiles(end: Tensor, depth: Tensor, reach: int | None) -> Any:
    """Return flex attention's block mask of a row.

    Args:
        end: of each of S tokens, one past its last descendant.
        depth: of each, in its own conversation.
        reach: tokens that a layer looks back; None for all.
    """
    from torch._dynamo import maybe_mark_dynamic
    from torch.nn.attention.flex_attention import BlockMask

    partial, full = (_ordered(table) for table in choose_tiles(end, depth, reach))
    size = len(end)
    mask = BlockMask.from_kv_blocks(
        *partial,
        *full,
        BLOCK_SIZE=BLOCK,
        mask_mod=make_rule(end, depth, reach),
        seq_lengths=(size, size),
    )
    for name in ("kv", "full_kv", "q", "full_q"):  # compiling for any length passes over some
        maybe_mark_dynamic(getattr(mask, f"{name}_num_blocks"), 2)
        maybe_mark_dynamic(getattr(mask, f"{name}_indices"), (2, 3))
    return mask


def make_rule(end: Tensor, depth: Tensor, reach: int | None) -> Any:
    """Return who may see whom, as flex attention asks; for the arguments see `make_tiles`."""

    def visible(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (query < end[key])

    if reach is None:
        return visible
    limit = torch.tensor(reach, device=end.device)  # a number would be compiled in, row by row

    def near(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return visible(batch, head, query, key) & (depth[query] - depth[key] < limit)

    return near


def choose_tiles(end: Tensor, depth: Tensor, reach: int | None) -> tuple[Tensor, Tensor]:
    """Return which tiles (queries, keys) are seen in part, and which whole.

    A tile that a window leaves nothing of may count as seen in part: the rule decides in it.
    """
    size = len(end)
    starts = torch.arange(0, size, BLOCK, device=end.device)
    stops = (starts + BLOCK).clamp(max=size)
    before = starts[None, :] < starts[:, None]
    ends = _blocks(end, fill=0)
    some = (before & (ends.amax(1)[None, :] > starts[:, None])) | (starts[None] == starts[:, None])
    whole = before & (ends.amin(1)[None, :] >= stops[:, None])
    if reach is not None:
        least, most = _blocks(depth, fill=size).amin(1), _blocks(depth, fill=-1).amax(1)
        some &= least[:, None] - most[None, :] < reach
        whole &= most[:, None] - least[None, :] < reach
    return some & ~whole, whole


def _blocks(values: Tensor, *, fill: int) -> Tensor:
    return pad(values, (0, -len(values) % BLOCK), value=fill).view(-1, BLOCK)


def _ordered(table: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many tiles each block of queries sees, and which, those first."""
    chosen = table.to(torch.int32)
    counts = chosen.sum(-1, dtype=torch.int32)
    return counts[None, None], chosen.argsort(dim=-1, descending=True, stable=True).int()[
        None, None
    ]


@cache
def compiled_flex() -> Any:
    """Return flex attention, compiled at first use for rows of any length."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True)
