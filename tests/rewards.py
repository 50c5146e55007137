"""Rewards that a program can check, for GRPO."""

from typing import Any


def little_e(completions: list[list[dict[str, str]]], **columns: Any) -> list[float]:
    """Reward the share of the letter e, for prompts whose persona is known."""
    assert all(columns["profile"])
    texts = [completion[0]["content"] for completion in completions]
    return [text.count("e") / max(1, len(text)) for text in texts]


def always_one(completions: list[list[dict[str, str]]], **columns: Any) -> list[float]:
    """Reward every completion alike."""
    return [1.0] * len(completions)


_calls: list[int] = []


def breaks_later(completions: list[list[dict[str, str]]], **_columns: Any) -> list[float]:
    """Fail from the second call on."""
    _calls.append(len(completions))
    if len(_calls) > 1:
        raise KeyError("solution")
    return [float(place) for place in range(len(completions))]
