"""How many tokens a call took, as far as its server can be trusted.

Servers omit counts, send nulls, strings or nonsense, and some bill for hidden reasoning without
counting it. A budget must stop a run all the same, so a missing count is estimated from the text
and marked as an estimate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

BYTES = 4
"""Of UTF-8 in a token, as a rule of thumb."""

FRAME = 4
"""Tokens that a chat template puts around a message."""

MOST = 10**8
"""Tokens of one call above which a count cannot be one."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one call."""

    input_tokens: int
    cached_tokens: int
    """Part of `input_tokens` that the server took from its prefix cache."""
    output_tokens: int
    """Hidden reasoning included."""
    reasoning_tokens: int
    """Part of `output_tokens` that were thoughts, as far as the server says."""
    estimated: bool
    """Whether a count is made from the text, since the server gave none."""


def count_usage(
    metadata: Mapping[str, Any] | None, messages: Sequence[tuple[str, str]], text: str
) -> Usage:
    """Return what a call took.

    Args:
        metadata: LangChain's `usage_metadata`, of whatever content; None without one.
        messages: role and text of what was sent.
        text: what came back, thoughts included.
    """
    given = metadata or {}
    read, wrote = (count(given.get(name)) for name in ("input_tokens", "output_tokens"))
    cached = _detail(given, "input_token_details", "cache_read")
    thought = _detail(given, "output_token_details", "reasoning")
    missing = not read or (text != "" and not wrote)
    read = read or estimate(*(said for _, said in messages))
    hidden = (count(given.get("total_tokens")) or 0) - read
    wrote = max(wrote or 0, hidden) or (estimate(text) if text else 0)
    return Usage(
        input_tokens=read,
        cached_tokens=min(cached, read),
        output_tokens=wrote,
        reasoning_tokens=min(thought, wrote),
        estimated=missing,
    )


def openai_usage(given: Any) -> dict[str, Any] | None:
    """Return `usage` of an OpenAI-compatible answer with what can be counts; None without any."""
    if not isinstance(given, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    read, wrote, total = (count(given.get(name)) for name in names)
    if read is None and wrote is None:
        return None
    cached = _detail(given, "prompt_tokens_details", "cached_tokens")
    thought = _detail(given, "completion_tokens_details", "reasoning_tokens")
    read, wrote = read or 0, wrote or 0
    return {
        "prompt_tokens": read,
        # Where reasoning alone is more than all that is said to be written, it was left out.
        "completion_tokens": wrote + thought if thought > wrote else wrote,
        "total_tokens": max(total or 0, read + wrote),
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def usage_metadata(usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what `openai_usage` returned as LangChain's `usage_metadata`; None without any."""
    if usage is None:
        return None
    return {
        "input_tokens": usage["prompt_tokens"],
        "output_tokens": usage["completion_tokens"],
        "total_tokens": usage["total_tokens"],
        "input_token_details": {"cache_read": usage["prompt_tokens_details"]["cached_tokens"]},
        "output_token_details": {
            "reasoning": usage["completion_tokens_details"]["reasoning_tokens"]
        },
    }


def _detail(given: Mapping[str, Any], group: str, name: str) -> int:
    details = given.get(group)
    return (count(details.get(name)) if isinstance(details, Mapping) else None) or 0


def count(value: Any) -> int | None:
    """Return `value` if it can be a number of tokens, else None."""
    return value if type(value) is int and 0 <= value <= MOST else None


def estimate(*texts: str) -> int:
    """Return about how many tokens these messages are."""
    return sum(ceil(len(text.encode("utf-8", "replace")) / BYTES) + FRAME for text in texts)
