"""Attention among packed trees: each token sees its own ancestors and nothing else.

transformers lets a model take any attention function by name; ours is called `tree` and gets the
ancestry as one vector (see `training.packing`). On a CPU it works in blocks of queries and reads,
for each block, only the keys that some query of it may see: branches that ended before are skipped,
as is everything behind. On a GPU the same rule is the mask of a compiled flex attention, which
skips whole tiles the same way. `block=None` is the plain dense mask, kept as a check on both.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
import transformers

Tensor = Any

NAME = "tree"
BLOCK = 128
"""Queries that share one selection of keys."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some neighbouring queries, the keys they need, and which of them each may see."""

    queries: slice
    keys: Any
    """A slice where the keys are neighbours, else a tensor of indices."""
    bias: Tensor
    """0 where a query may look and -inf elsewhere, of shape (queries, keys)."""


@dataclass(frozen=True)
class Ancestry:
    """Who may see whom in one packed row: key k is seen by query q if k <= q < end[k]."""

    end: Tensor
    dtype: Any = torch.float32
    block: int | None = BLOCK

    @cached_property
    def blocks(self) -> list[Block]:
        """The row cut into blocks of queries."""
        size = len(self.end)
        step = self.block or size
        return [self._block(start, min(start + step, size)) for start in range(0, size, step)]

    def _block(self, start: int, stop: int) -> Block:
        queries = torch.arange(start, stop, device=self.end.device)[:, None]
        keys = (self.end[:stop] > start).nonzero().squeeze(1)
        allowed = (keys <= queries) & (queries < self.end[keys])
        bias = torch.zeros(allowed.shape, dtype=self.dtype, device=self.end.device)
        bias.masked_fill_(~allowed, float("-inf"))
        first, last = int(keys[0]), int(keys[-1])
        whole = last - first + 1 == len(keys)
        return Block(
            queries=slice(start, stop), keys=slice(first, last + 1) if whole else keys, bias=bias
        )

    @cached_property
    def tiles(self) -> Any:
        """The same rule for flex attention."""
        from torch.nn.attention.flex_attention import create_block_mask

        end = self.end

        def visible(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            return (key <= query) & (query < end[key])

        size = len(end)
        return create_block_mask(visible, None, None, size, size, device=end.device)


class _BlockAttention(torch.autograd.Function):
    """Attention block by block that keeps its inputs and nothing else for the backward pass.

    Left to autograd, every block would keep its own copy of the keys and values it reads, which is
    several times what the rest of a layer keeps. The kernel is the one that torch's sdpa has for a
    CPU; it is called by name because its normaliser is wanted, so that nothing is computed twice.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, blocks: list[Block], scale: float
    ) -> Tensor:
        """Return what each query (1, heads, queries, size) sees; keys may have fewer heads."""
        _, heads, size, width = query.shape
        groups = heads // key.shape[1]
        # Laid out as the output projection reads it, so that it is not copied for that.
        mixed = query.new_empty(1, size, heads, width).transpose(1, 2)
        asked, answered, normalisers = _apart(query, groups), _apart(mixed, groups), []
        for block in blocks:
            answered[:, :, block.queries], normaliser = _FLASH(
                asked[:, :, block.queries],
                _shared(key[:, :, block.keys], groups),
                _shared(value[:, :, block.keys], groups),
                attn_mask=block.bias,
                scale=scale,
            )
            normalisers.append(normaliser)
        ctx.save_for_backward(query, key, value, mixed, *normalisers)
        ctx.blocks, ctx.scale = blocks, scale
        return mixed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of queries, keys and values."""
        query, key, value, mixed, *normalisers = ctx.saved_tensors
        groups = query.shape[1] // key.shape[1]
        of_query, of_key, of_value = map(torch.zeros_like, (query, key, value))
        asked, answered, wanted, of_asked = (
            _apart(each, groups) for each in (query, mixed, gradient, of_query)
        )
        for block, normaliser in zip(ctx.blocks, normalisers, strict=True):
            found = _FLASH_BACKWARD(
                wanted[:, :, block.queries],
                asked[:, :, block.queries],
                _shared(key[:, :, block.keys], groups),
                _shared(value[:, :, block.keys], groups),
                answered[:, :, block.queries],
                normaliser,
                0.0,
                False,
                attn_mask=block.bias,
                scale=ctx.scale,
            )
            of_asked[:, :, block.queries] = found[0]
            for total, shares in ((of_key, found[1]), (of_value, found[2])):
                share = shares.sum(0, keepdim=True)
                if isinstance(block.keys, slice):
                    total[:, :, block.keys] += share
                else:
                    total.index_add_(2, block.keys, share)
        return of_query, of_key, of_value, None, None


_FLASH = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_FLASH_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _apart(heads: Tensor, groups: int) -> Tensor:
    """Return query heads (1, heads, ...) as (groups, key heads, ...), without copying."""
    return heads[0].unflatten(0, (-1, groups)).transpose(0, 1)


def _shared(heads: Tensor, groups: int) -> Tensor:
    """Return key or value heads (1, key heads, ...) as seen by each group, without copying."""
    return heads.expand(groups, -1, -1, -1)


def tree_attention(
    _module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _attention_mask: Tensor | None,
    *,
    ancestry: Ancestry,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_unused: Any,
) -> tuple[Tensor, None]:
    """Attend within one packed row; the signature is that of transformers' attention functions."""
    assert not dropout  # training.run has seen to it
    if query.device.type == "cuda":
        flex = _compiled_flex()
        mixed = flex(query, key, value, block_mask=ancestry.tiles, scale=scaling, enable_gqa=True)
    else:
        scale = scaling or query.shape[-1] ** -0.5
        mixed = _BlockAttention.apply(query, key, value, ancestry.blocks, scale)
    return mixed.transpose(1, 2).contiguous(), None


@cache
def _compiled_flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def use_tree_attention(model: Any) -> None:
    """Make `model`, bare or with an adapter, attend by ancestry."""
    transformers.AttentionInterface.register(NAME, tree_attention)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    base.set_attn_implementation(NAME)


def use_plain_attention(model: Any) -> None:
    """Put torch's own attention back, for generating and saving."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    base.set_attn_implementation("sdpa")
