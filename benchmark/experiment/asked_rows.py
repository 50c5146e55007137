"""Rows of the experiment on asking: which conversations its models learn from."""

import json
import random
from collections.abc import Sequence

from aloe.benchmark.experiment.rows import Row
from aloe.schema import derive_seed


def of_drawn_conversations(rows: Sequence[Row], count: int | None, seed: int) -> list[Row]:
    """Return the rows of `count` conversations that the seed draws; all if there are no more."""
    every = sorted({_conversation(row) for row in rows})
    if count is None or count >= len(every):
        return list(rows)
    drawn = set(random.Random(derive_seed("conversations", seed)).sample(every, count))
    return [row for row in rows if _conversation(row) in drawn]


def of_same_conversations(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Return the rows whose conversation is one of those of `others`."""
    wanted = {_conversation(row) for row in others}
    return [row for row in rows if _conversation(row) in wanted]


def _conversation(row: Row) -> str:
    return json.dumps([row["tree"], row["prompt"]])
