"""Attention among packed trees: each token sees its own ancestors and nothing else.

transformers lets a model take any attention function by name; ours is called `tree` and gets the
ancestry as one vector (see `aloe.training.packing`). On a CPU it works in blocks of queries and
reads, for each block, only the keys that some of its queries may see: branches that ended earlier
are skipped, and so is everything after the block. On a GPU the same rule is the mask of a compiled
flex attention, which skips whole tiles the same way (`aloe.training.flex`). `block=None` is the
plain dense mask, kept as a check on both.

A layer may look back a limited number of tokens, counted along the conversation. Anything else a
layer asks of its attention (a cap on the scores, sinks) is refused by its keyword.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import transformers
from torch.nn.functional import pad

from aloe.errors import ConfigError
from aloe.training.flex import compiled_flex, make_tiles

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
    """0 where a query may look and -inf elsewhere, of shape (queries, keys), in fp32."""


@dataclass(frozen=True, eq=False)
class Ancestry:
    """Who may see whom in one packed row: key k is seen by query q if k <= q < end[k].

    A layer with a window also wants depth[q] - depth[k] < window.
    """

    end: Tensor
    depth: Tensor
    block: int | None = BLOCK
    _made: dict[tuple[str, int], Any] = field(default_factory=dict, init=False)

    def blocks(self, window: int | None = None) -> list[Block]:
        """Return the row cut into blocks of queries, for layers that look back `window` tokens."""
        size = len(self.end)
        step = self.block or size
        reach = self._reach(window)
        if ("blocks", reach) not in self._made:
            self._made["blocks", reach] = [
                self._block(start, min(start + step, size), reach) for start in range(0, size, step)
            ]
        made: list[Block] = self._made["blocks", reach]
        return made

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest conversation."""
        return int(self.depth.max()) + 1

    def _reach(self, window: int | None) -> int:
        """Return a window that is one number for all windows that leave nothing out."""
        return min(window or self.longest, self.longest)

    def _block(self, start: int, stop: int, reach: int) -> Block:
        end, depth = self.end, self.depth
        queries = torch.arange(start, stop, device=end.device)[:, None]
        near = depth[:stop] > depth[start:stop].min() - reach
        keys = ((end[:stop] > start) & near).nonzero().squeeze(1)
        allowed = (keys <= queries) & (queries < end[keys])
        allowed &= depth[queries] - depth[keys] < reach
        bias = torch.zeros(allowed.shape, device=end.device)
        bias.masked_fill_(~allowed, float("-inf"))
        first, last = int(keys[0]), int(keys[-1])
        whole = last - first + 1 == len(keys)
        return Block(
            queries=slice(start, stop), keys=slice(first, last + 1) if whole else keys, bias=bias
        )

    def tiles(self, window: int | None = None) -> Any:
        """Return the same rule for flex attention."""
        reach = self._reach(window)
        if ("tiles", reach) not in self._made:
            limit = reach if reach < self.longest else None
            self._made["tiles", reach] = make_tiles(self.end, self.depth, limit)
        return self._made["tiles", reach]


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
        """Return the gradients of queries, keys and values.

        All in fp32, in which the kernel is twice as fast as in bf16.
        """
        query, key, value, mixed, *normalisers = ctx.saved_tensors
        kind, groups = query.dtype, query.shape[1] // key.shape[1]
        query, key, value, mixed, gradient = (
            each.float() for each in (query, key, value, mixed, gradient)
        )
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
        return of_query.to(kind), of_key.to(kind), of_value.to(kind), None, None


_FLASH = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_FLASH_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _apart(heads: Tensor, groups: int) -> Tensor:
    """Return query heads (1, heads, ...) as (groups, key heads, ...), without copying."""
    return heads[0].unflatten(0, (-1, groups)).transpose(0, 1)


def _shared(heads: Tensor, groups: int) -> Tensor:
    """Return key or value heads (1, key heads, ...) as seen by each group, without copying."""
    return heads.expand(groups, -1, -1, -1)


_HARMLESS = frozenset(
    ("position_ids", "use_cache", "output_attentions", "output_router_logits", "cache_position")
)
"""What models hand down to every layer and attention does not read."""


def tree_attention(
    _module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    ancestry: Ancestry | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attend within one packed row; the signature is that of transformers' attention functions.

    Raises:
        ConfigError: the layer asks for what is not computed here.
    """
    del attention_mask  # it knows no branches
    asked = {name: value for name, value in others.items() if name not in _HARMLESS}
    asked |= {"dropout": dropout or None}
    if unknown := [name for name, value in asked.items() if value is not None]:
        raise ConfigError(
            f"tree packing has no attention with {' and '.join(unknown)}, which this model uses; "
            "train with --no-tree-packing"
        )
    if ancestry is None:
        raise ConfigError(
            "tree packing cannot reach this model's attention, to which its layers hand nothing "
            "on; train with --no-tree-packing"
        )
    if query.device.type == "cuda":
        flex, tiles = compiled_flex(), ancestry.tiles(sliding_window)
        mixed = flex(query, key, value, block_mask=tiles, scale=scaling, enable_gqa=True)
    else:
        scale, width = scaling or query.shape[-1] ** -0.5, value.shape[-1]
        if missing := max(0, query.shape[-1] - width):  # MLA; the kernel wants heads of one size
            value = pad(value, (0, missing))
        blocks = ancestry.blocks(sliding_window)
        mixed = _BlockAttention.apply(query, key, value, blocks, scale)[..., :width]
    return mixed.transpose(1, 2).contiguous(), None


def use_tree_attention(model: Any) -> None:
    """Make `model`, bare or with an adapter, attend by ancestry."""
    transformers.AttentionInterface.register(NAME, tree_attention)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    logging = transformers.utils.logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # a model that cannot is told by its scores (training.parity)
    base.set_attn_implementation(NAME)
    logging.set_verbosity(verbosity)
