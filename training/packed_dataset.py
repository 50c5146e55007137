"""The rows of a training, packed: a tree becomes a row, its rows examples, these one batch.

A tree's rows share prefixes, so they go into one batch if they fit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from aloe.training.dataset import TrainingData
from aloe.training.encoding import encode_row, find_max_length, make_chat_tokens
from aloe.training.packing import EncodedReply, Packed, count_nodes, pack
from aloe.training.plan import Plan

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class Example:
    """Answers that belong together: one to imitate, or a better one and a worse one."""

    answers: tuple[EncodedReply, ...]
    tree: str
    """Examples of one tree share prefixes and go into one batch where they fit."""
    weight: float = 1.0


class Batch(Packed, total=False):
    """Examples packed into one sequence, as the trainer takes it."""

    weights: Tensor
    """One for each example."""
    labels: Tensor
    """One entry for each item of the loss, which the trainer counts: a reply token, or a pair."""
    reference: Tensor
    """ln p of each answer before the first step; DPO's only."""


@dataclass(frozen=True, kw_only=True)
class PackedDataset:
    """What a tree trainer is given."""

    batches: list[Batch]
    held_out: list[Batch]
    """To be evaluated on; may be empty."""
    flat_tokens: int
    """Tokens of `batches`, were each answer a sequence of its own."""

    @property
    def tokens(self) -> int:
        """Tokens of `batches`."""
        return sum(len(batch["ids"]) for batch in self.batches)


def pack_dataset(
    plan: Plan, data: TrainingData, tokenizer: Any, config: Any, row_tokens: int
) -> PackedDataset:
    """Encode rows and pack them.

    Args:
        plan: what is trained.
        data: its rows.
        tokenizer: of the model.
        config: of the model; limits the length.
        row_tokens: tokens of a batch.

    Raises:
        InputError: a conversation is longer than the limit, or the template refuses it.
        ConfigError: the template cannot be trained on.
    """
    chat, most = make_chat_tokens(plan, tokenizer), find_max_length(plan, config)
    learnt, rest = (
        [
            Example(
                answers=encode_row(row, plan.method, chat, most),
                tree=row["tree"],
                weight=row["weight"],
            )
            for row in part
        ]
        for part in (data.rows, data.held_out)
    )
    return PackedDataset(
        batches=make_batches(learnt, row_tokens),
        held_out=make_batches(rest, row_tokens),
        flat_tokens=sum(len(answer.ids) for example in learnt for answer in example.answers),
    )


def make_batches(examples: Sequence[Example], budget: int) -> list[Batch]:
    """Pack examples into batches of at most `budget` nodes; a single larger one is a batch too."""
    return [make_batch(part) for part in distribute(examples, budget)]


def make_batch(examples: Sequence[Example]) -> Batch:
    """Pack examples into one batch; without pairs, every reply token is an item of the loss."""
    packed = pack([answer for example in examples for answer in example.answers])
    pairs = len(examples[0].answers) > 1
    labels = torch.zeros(len(examples), dtype=torch.long) if pairs else packed["targets"]
    weights = torch.tensor([example.weight for example in examples])
    return cast("Batch", {**packed, "weights": weights, "labels": labels})


def distribute(examples: Sequence[Example], budget: int) -> list[list[Example]]:
    """Distribute examples over parts of at most `budget` nodes, trees kept together.

    A tree larger than the budget is split along its branches; an example never is, so that a
    single one larger than the budget is a part of its own.
    """
    trees: dict[str, list[Example]] = {}
    for example in examples:
        trees.setdefault(example.tree, []).append(example)
    parts: list[list[Example]] = []
    filled = budget  # so that the first opens a part
    for tree in trees.values():
        for piece in _split(tree, budget):
            size = _size(piece)
            if filled + size > budget:
                parts.append([])
                filled = 0
            parts[-1].extend(piece)
            filled += size
    return parts


def _split(tree: list[Example], budget: int) -> Iterator[list[Example]]:
    if _size(tree) <= budget:
        yield tree
        return
    part: list[Example] = []
    for example in sorted(tree, key=lambda each: each.answers[0].ids):
        if part and _size([*part, example]) > budget:
            yield part
            part = []
        part.append(example)
    yield part


def _size(examples: Sequence[Example]) -> int:
    return count_nodes(answer for example in examples for answer in example.answers)
