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
from torch.nn import functional

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


def tree_attention(
    module: Any,
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
    if query.device.type == "cuda":
        flex = _compiled_flex()
        mixed = flex(query, key, value, block_mask=ancestry.tiles, scale=scaling, enable_gqa=True)
        return mixed.transpose(1, 2).contiguous(), None
    groups = getattr(module, "num_key_value_groups", 1)
    if groups > 1:
        key, value = (each.repeat_interleave(groups, dim=1) for each in (key, value))
    mixed = torch.cat(
        [
            functional.scaled_dot_product_attention(
                query[:, :, block.queries],
                key[:, :, block.keys],
                value[:, :, block.keys],
                attn_mask=block.bias,
                dropout_p=dropout,
                scale=scaling,
            )
            for block in ancestry.blocks
        ],
        dim=2,
    )
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
