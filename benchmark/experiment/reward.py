"""The rule as a reward for GRPO: how many of the user's wishes a reply keeps."""

from collections.abc import Sequence
from typing import Any

from aloe.agents.rewriter import stated
from aloe.memory.verifiable.scoring import measure_satisfaction


def wishes_kept(
    completions: Sequence[Any], personality: Sequence[str], **_columns: Any
) -> list[float]:
    """Return the share of the wishes that each completion keeps, in [0, 1]: what the judge says.

    Args:
        completions: one list of messages each, as TRL gives conversational rows.
        personality: the personas' wishes as text, the column of `aloe export --format grpo`.
    """
    replies = (completion[-1]["content"] for completion in completions)
    return [
        measure_satisfaction(stated([text]), reply)
        for text, reply in zip(personality, replies, strict=True)
    ]
