"""The order of KTO's rows: replies to one message stand in different batches.

KTO measures how far the model has moved on replies that answer another message. TRL takes them from
the same batch of consecutive rows, each from its neighbour, and does not shuffle. Trees give rows
with siblings side by side, and a sibling is no reply to another message.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aloe.schema import digest

R = TypeVar("R", bound=Mapping[str, Any])

BATCH = 8
"""Rows in a batch where nobody says how many: as many as TRL takes."""


def spread_prompts(rows: Sequence[R], size: int = BATCH) -> list[R]:
    """Return KTO's rows so that each batch has as many prompts as possible.

    Rows are dealt out to the batches one by one, those of a prompt after each other and prompts in
    the order of their hashes. So the order depends on nothing but the rows.

    Args:
        rows: with `prompt`, `completion` and `label`.
        size: rows in a batch; the last one has what is left.
    """
    keys = [
        (digest(row["prompt"]), digest(row["prompt"], row["completion"]), row["label"])
        for row in rows
    ]
    batches: list[list[int]] = [[] for _ in range(-(-len(rows) // size))]
    room = [min(size, len(rows) - size * n) for n in range(len(batches))]
    places = [n for turn in range(size) for n, most in enumerate(room) if turn < most]
    for place, row in zip(places, sorted(range(len(rows)), key=keys.__getitem__), strict=True):
        batches[place].append(row)
    prompts = [key[0] for key in keys]
    return [rows[row] for batch in batches for row in _apart(batch, prompts)]


def _apart(batch: Sequence[int], prompts: Sequence[str]) -> list[int]:
    """Return a batch so that no two neighbours, last and first included, share their prompt.

    The most frequent prompts come first, on every other place; more than half cannot be kept apart.
    """
    often = Counter(prompts[row] for row in batch)
    ranked = sorted(batch, key=lambda row: (-often[prompts[row]], prompts[row]))
    places = [*range(0, len(batch), 2), *range(1, len(batch), 2)]
    return [row for _, row in sorted(zip(places, ranked, strict=True))]
