"""Tree packing: many answers in one sequence, every shared token once.

A set of token sequences is a trie. Sorted, the sequences list the trie's nodes in preorder, so one
pass over neighbours writes each node once, with its depth as position and with `end`, one past its
last descendant. Node k is an ancestor of node q exactly when k <= q < end[k]: this one vector is
the whole attention mask, whatever the shape: a caterpillar of pairs, several expanded siblings,
K candidates, or a forest of unrelated conversations. Each answer token is scored from the output at
its *parent*, not at the position before it, since a branch point has several children.

Nothing here knows about conversation trees: equal tokens are shared and different ones branch, so
the result is exact even if a chat template makes sharing impossible. Only the saving is lost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from typing_extensions import TypedDict

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class EncodedReply:
    """Token ids of a conversation that ends in an answer."""

    ids: tuple[int, ...]
    """Prompt and answer; what the template puts behind the answer is not part of it."""
    start: int
    """Where the answer begins; at least 1."""

    @property
    def length(self) -> int:
        """Number of answer tokens."""
        return len(self.ids) - self.start


class Packed(TypedDict):
    """Answers packed into one sequence of S nodes, N scored tokens in all."""

    ids: Tensor
    """S token ids in preorder."""
    depth: Tensor
    """S positions: how many tokens stand before the node in its own conversation."""
    end: Tensor
    """S indices, one past each node's last descendant."""
    parents: Tensor
    """N node indices whose output predicts the scored tokens."""
    targets: Tensor
    """N token ids that are scored."""
    owners: Tensor
    """N indices into the answers: whose token it is."""


def pack(answers: Sequence[EncodedReply]) -> Packed:
    """Pack `answers`, in any order, into one sequence."""
    ids: list[int] = []
    depth: list[int] = []
    end: list[int] = []
    paths: list[list[int]] = [[]] * len(answers)
    branch: list[int] = []
    before: tuple[int, ...] = ()
    for index in sorted(range(len(answers)), key=lambda i: answers[i].ids):
        answer = answers[index]
        shared = common_prefix(before, answer.ids)
        for node in branch[shared:]:
            end[node] = len(ids)
        del branch[shared:]
        for position in range(shared, len(answer.ids)):
            branch.append(len(ids))
            ids.append(answer.ids[position])
            depth.append(position)
            end.append(0)
        paths[index] = branch[answer.start - 1 :]
        before = answer.ids
    for node in branch:
        end[node] = len(ids)
    scored = [(i, a, b) for i, path in enumerate(paths) for a, b in pairwise(path)]
    owners, parents, nodes = zip(*scored, strict=True)
    return Packed(
        ids=torch.tensor(ids),
        depth=torch.tensor(depth),
        end=torch.tensor(end),
        parents=torch.tensor(parents),
        targets=torch.tensor([ids[node] for node in nodes]),
        owners=torch.tensor(owners),
    )


def unpack(packed: Packed) -> list[EncodedReply]:
    """Return the answers that `pack` was given."""
    nodes = torch.arange(len(packed["ids"]), device=packed["end"].device)
    answers = []
    for owner in range(count_answers(packed)):
        scored = packed["owners"] == owner
        last = packed["parents"][scored][-1]
        before = packed["ids"][(nodes <= last) & (last < packed["end"])].tolist()
        ids = (*before, int(packed["targets"][scored][-1]))
        answers.append(EncodedReply(ids=ids, start=len(ids) - int(scored.sum())))
    return answers


def count_answers(packed: Packed) -> int:
    """Return how many answers are packed."""
    return int(packed["owners"].max()) + 1


def count_nodes(answers: Iterable[EncodedReply]) -> int:
    """Return how many nodes the answers have when packed together."""
    total = 0
    before: tuple[int, ...] = ()
    for ids in sorted(answer.ids for answer in answers):
        total += len(ids) - common_prefix(before, ids)
        before = ids
    return total


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two sequences share at their beginning."""
    pairs = zip(first, second, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
