"""How many tokens a call took, as far as its server can be believed.

Servers leave counts out, send nulls, strings or nonsense, and some leave hidden reasoning out of
what was written while they bill for it. A budget must stop a run all the same, so a missing count
is estimated from the text, and said to be.
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
    estimated: bool
    """Whether a count is made from the text, since the server gave none."""


def count_usage(
    metadata: Mapping[str, Any] | None, messages: Sequence[tuple[str, str]], text: str
) -> Usage:
    """Return what a call took.

    Args:
        metadata: LangChain's `usage_metadata`, of whatever content; None without one.
        messages: role and text of what was sent.
        text: what came back.
    """
    given = metadata or {}
    read, wrote = (count(given.get(name)) for name in ("input_tokens", "output_tokens"))
    details = given.get("input_token_details")
    cached = count(details.get("cache_read")) if isinstance(details, Mapping) else None
    missing = not read or (text != "" and not wrote)
    read = read or estimate(*(said for _, said in messages))
    hidden = (count(given.get("total_tokens")) or 0) - read
    wrote = max(wrote or 0, hidden) or (estimate(text) if text else 0)
    return Usage(
        input_tokens=read,
        cached_tokens=min(cached or 0, read),
        output_tokens=wrote,
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
    details = given.get("prompt_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return {
        "prompt_tokens": read or 0,
        "completion_tokens": max(wrote or 0, _reasoning(given, wrote)),
        "total_tokens": max(total or 0, (read or 0) + (wrote or 0)),
        "prompt_tokens_details": {"cached_tokens": cached or 0},
    }


def _reasoning(given: dict[str, Any], wrote: int | None) -> int:
    """Return what was written in all where reasoning alone is more than what is said to be it."""
    details = given.get("completion_tokens_details")
    thought = count(details.get("reasoning_tokens")) if isinstance(details, dict) else None
    return (wrote or 0) + thought if thought and thought > (wrote or 0) else 0


def count(value: Any) -> int | None:
    """Return `value` if it can be a number of tokens, else None."""
    return value if type(value) is int and 0 <= value <= MOST else None


def estimate(*texts: str) -> int:
    """Return about how many tokens these messages are."""
    return sum(ceil(len(text.encode("utf-8", "replace")) / BYTES) + FRAME for text in texts)
