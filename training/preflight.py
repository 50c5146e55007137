"""What a trainer with a length limit would do to rows, counted before it does it.

TRL's trainers cut at 1,024 tokens by default, and not all alike: those of SFT, DPO and KTO silently
drop rows whose prompt alone reaches the limit (the late turns, in which the model has learnt
something about the user), that of reward models drops every row with a reply that goes beyond it,
and that of GRPO has no limit for prompts. So rows are counted with the target's own tokenizer and
chat template.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe.errors import ConfigError
from aloe.extras import needs
from aloe.models.control_tokens import ChatEncoder
from aloe.training.dataset import find_replies
from aloe.training.export import Row

Count = Callable[[Sequence[Mapping[str, str]]], int]
"""Returns the number of tokens of a list of messages."""

LIMITLESS = "grpo"
"""The format whose trainer takes prompts of any length."""
WHOLE = "rm"
"""The format whose trainer drops what it would have to cut, and nothing else."""


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What would happen to rows under a limit."""

    rows: int
    longest: int
    """Tokens of the longest prompt with its answer."""
    cut: int
    """Rows longer than the limit, which lose tokens."""
    dropped: int
    """Rows that are not trained on; not among `cut`."""


def preflight(rows: Iterable[Row], count: Count, max_length: int, row_format: str) -> Preflight:
    """Count what a trainer with `max_length` tokens would cut or drop.

    Args:
        rows: of one format.
        count: counts the tokens of messages.
        max_length: tokens that the trainer takes.
        row_format: of the rows; those that TRL's trainers do not read are treated like DPO's.
    """
    total = longest = cut = dropped = 0
    for row in rows:
        prompt = row["prompt"]
        lengths = [count(prompt + reply) for reply in find_replies(row)]
        alone = count(prompt)
        length = max(lengths, default=alone)
        total += 1
        longest = max(longest, length)
        if row_format == LIMITLESS:
            continue
        long = length > max_length
        if long if row_format == WHOLE else alone >= max_length:
            dropped += 1
        elif long:
            cut += 1
    return Preflight(rows=total, longest=longest, cut=cut, dropped=dropped)


def make_token_counter(tokenizer: Path) -> Count:
    """Return a counter with the tokenizer and chat template in a folder.

    Raises:
        ConfigError: transformers is missing, or the folder is none or has no chat template.
        ModelError: it holds no tokenizer.
    """
    try:
        from transformers import AutoTokenizer

        from aloe.models.checkpoint import reading
    except ModuleNotFoundError:
        raise ConfigError(needs("--tokenizer", "transformers")) from None
    if not tokenizer.is_dir():
        raise ConfigError(f"{tokenizer} is not a folder; give one with a tokenizer's files")
    with reading(str(tokenizer), "folder with a tokenizer that transformers can load"):
        loaded: Any = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
    if not loaded.chat_template:
        raise ConfigError(f"the tokenizer in {tokenizer} has no chat template")
    encoder = ChatEncoder(loaded)

    def count(messages: Sequence[Mapping[str, str]]) -> int:
        waits = bool(messages) and messages[-1]["role"] == "user"  # for a reply, as prompts do
        return len(encoder.encode(messages, open_turn=waits))

    return count
