"""The way `trie`: TRL's own prefix tries, laid out and attended as its AsyncGRPO trainer does.

Rows come from `TreeRow.pack` of the pinned TRL and attention is its `tree_attention`, which gathers
the keys and values of each segment's whole path and hands them to a kernel for sequences of many
lengths. Loss, head, adapters and what an MLP keeps are those of our trainer, so that the layout and
the attention are all that differs from `tree`.

TRL takes FlashAttention 3 from the model hub, which this benchmark does without: it downloads
nothing. On a GPU torch's `varlen_attn` stands in: FlashAttention 2, as torch brings it, with the
same alignment, the last query at the last key. So a figure of this way says what TRL's gather costs
with this kernel, and not what it would with FlashAttention 3. On a CPU, for tests only, it is a
loop over segments.

Our trainer's first check of scores uses our attention on rows of its own. What checks this way is
the cosine of its gradient, and on a CPU the tests. On a GPU it is untried.
"""

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import torch
from torch.nn.functional import scaled_dot_product_attention

from aloe.training.dpo import TreeDpoTrainer
from aloe.training.packed_dataset import Batch
from aloe.training.packing import EncodedReply, Packed
from aloe.training.scores import score
from aloe.training.sft import TreeSftTrainer
from aloe.training.trainer import TreeTrainer

Tensor = Any

_TENSORS = ("tree_kv_index", "tree_cu_seqlens_q", "tree_cu_seqlens_k")


class Trie(Packed):
    """A row of TRL's: a trie that forks one token earlier than ours, and what its gather needs."""

    tree_kv_index: Tensor
    """Nodes of the path of each segment, one path behind the other."""
    tree_cu_seqlens_q: Tensor
    """Where segments begin among the nodes, and where the last ends."""
    tree_cu_seqlens_k: Tensor
    """Where paths begin in `tree_kv_index`, and where the last ends."""
    tree_max_seqlens: Tensor
    """Tokens of the longest segment and of the longest path."""


@cache
def _trl() -> Any:
    """Return TRL's module, whose package warns that it is experimental."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are importing from 'trl.experimental'")
        from trl.experimental.async_grpo import packing
    return packing


def pack_trie(answers: Sequence[EncodedReply]) -> Trie:
    """Return answers in one row, laid out by TRL."""
    row = _trl().TreeRow()
    for answer in answers:
        row.add(
            {
                "input_ids": torch.tensor(answer.ids),
                "completion_mask": torch.arange(len(answer.ids)) >= answer.start,
                "old_log_probs": torch.zeros(len(answer.ids)),
                "advantage": 0.0,
                "group_id": None,
            }
        )
    packed = row.pack()
    return Trie(
        ids=packed["input_ids"],
        depth=packed["position_ids"],
        end=torch.tensor(_ends(packed["position_ids"].tolist())),
        parents=packed["token_index"],
        targets=torch.tensor([token for each in answers for token in each.ids[each.start :]]),
        owners=packed["segment_id"],
        tree_kv_index=packed["tree_kv_index"],
        tree_cu_seqlens_q=packed["tree_cu_seqlens_q"],
        tree_cu_seqlens_k=packed["tree_cu_seqlens_k"],
        tree_max_seqlens=packed["tree_max_seqlens"],
    )


def _ends(depth: Sequence[int]) -> list[int]:
    """Return one past the last descendant of each node, from depths in preorder."""
    ends = [len(depth)] * len(depth)
    branch: list[int] = []
    for node, at in enumerate(depth):
        for left in branch[at:]:
            ends[left] = node
        branch[at:] = [node]
    return ends


class TorchKernel:
    """Stands where TRL looks for the kernel of the hub."""

    @staticmethod
    def flash_attn_varlen_func(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        starts: Tensor,
        key_starts: Tensor,
        longest: int,
        longest_keys: int,
        *,
        softmax_scale: float | None,
        causal: bool,
        window_size: tuple[int, int],
    ) -> Tensor:
        """Return what the queries (tokens, heads, size) of each segment see among its own keys."""
        window = (window_size[0], 0 if causal else window_size[1])
        if query.device.type == "cpu":
            return _loop(query, key, value, starts, key_starts, softmax_scale, window)
        from torch.nn.attention.varlen import varlen_attn

        return varlen_attn(
            query,
            key,
            value,
            starts,
            key_starts,
            longest,
            longest_keys,
            scale=softmax_scale,
            window_size=window,
            enable_gqa=True,
        )


def _loop(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    starts: Tensor,
    key_starts: Tensor,
    scale: float | None,
    window: tuple[int, int],
) -> Tensor:
    """Return the same, segment by segment, the last query at the last key."""
    parts = []
    of_keys = key_starts.diff().tolist()
    for q, k, v in zip(
        query.split(starts.diff().tolist()), key.split(of_keys), value.split(of_keys), strict=True
    ):
        ahead = torch.arange(len(k)) - torch.arange(len(k) - len(q), len(k))[:, None]
        before, behind = (len(k) if size < 0 else size for size in window)
        mixed = scaled_dot_product_attention(
            q.transpose(0, 1)[None],
            k.transpose(0, 1)[None],
            v.transpose(0, 1)[None],
            attn_mask=(-before <= ahead) & (ahead <= behind),
            scale=scale,
            enable_gqa=True,
        )
        parts.append(mixed[0].transpose(0, 1))
    return torch.cat(parts)


def use_gather(model: Any) -> None:
    """Make `model`, with an adapter, attend as TRL does on rows of tries."""
    trl = _trl()
    trl._flash_attn = TorchKernel
    trl.register_tree_attention()
    model.get_base_model().set_attn_implementation(trl.TREE_ATTENTION)


def ask_for(row: Packed) -> dict[str, Any]:
    """Return what TRL's attention needs of a row beside its tokens; nothing of other ways.

    That something is asked for keeps a trie from being padded, as our rows are on a GPU.
    """
    has = cast("dict[str, Tensor]", row)
    given: dict[str, Any] = {name: has[name] for name in _TENSORS if name in has}
    if given:
        given["tree_max_seqlen_q"], given["tree_max_seqlen_k"] = has["tree_max_seqlens"].tolist()
    return given


def score_row(model: Any, row: Packed) -> Tensor:
    """Return ln p of each scored token of a row of any way."""
    return score(model, row, **ask_for(row))[0]


class _TrieTrainer(TreeTrainer):
    """Takes rows of tries."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        use_gather(self.model)
        torch._dynamo.utils.counters.clear()  # compiled for the check of scores, used by no step

    def score_row(self, model: Any, batch: Batch, **asked: Any) -> tuple[Tensor, Any]:
        """Return ln p of each scored token of a trie, and the model's output."""
        return super().score_row(model, batch, **ask_for(batch), **asked)


class TrieDpoTrainer(_TrieTrainer, TreeDpoTrainer):
    """Our DPO on TRL's rows."""


class TrieSftTrainer(_TrieTrainer, TreeSftTrainer):
    """Our SFT on TRL's rows."""
