"""Tokens of a call, whatever its server says of them."""

from typing import Any

import pytest

from aloe.models.usage import MOST, Usage, count_usage, estimate, openai_usage, usage_metadata

SENT = [("system", "Be kind."), ("user", "Hello")]
SAID = "Hi, how are you?"


def counted(given: Any) -> Usage:
    """Count what an OpenAI-compatible server says, on the way that `HttpChat` takes."""
    return count_usage(usage_metadata(openai_usage(given)), SENT, SAID)


def said(read: Any, wrote: Any, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": read, "completion_tokens": wrote, **more}


def test_what_can_be_is_believed() -> None:
    parts = {
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    given = said(10, 5, total_tokens=15, **parts)
    assert counted(given) == Usage(
        input_tokens=10, cached_tokens=4, output_tokens=5, reasoning_tokens=3, estimated=False
    )


@pytest.mark.parametrize(
    ("given", "wrote"),
    [
        (said(10, 5, total_tokens=300), 290),
        (said(10, 5, total_tokens=0), 5),
        (said(10, 5, completion_tokens_details={"reasoning_tokens": 80}), 85),
        (said(10, 85, completion_tokens_details={"reasoning_tokens": 80}), 85),
        (said(10, 5, total_tokens=95, completion_tokens_details={"reasoning_tokens": 80}), 85),
    ],
    ids=["total", "no total", "reasoning apart", "reasoning inside", "both"],
)
def test_hidden_reasoning_is_counted(given: dict[str, Any], wrote: int) -> None:
    usage = counted(given)
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (10, wrote, False)


@pytest.mark.parametrize(
    "given",
    [
        None, {}, [], "none", 7, said(None, None), said("10", "5"), said(-1, -1), said(0, 0),
        said(1.5, True), said(int("9" * 4000), int("9" * 4000)), said([], {}),
        said(MOST + 1, MOST + 1),
        {"prompt_tokens_details": 3, "total_tokens": "x"},
    ],
    ids=lambda given: str(given)[:40],
)  # fmt: skip
def test_what_cannot_be_is_estimated_and_said_to_be(given: Any) -> None:
    usage = counted(given)
    assert usage.input_tokens == estimate("Be kind.", "Hello") == 2 + 4 + 2 + 4
    assert usage.output_tokens == estimate(SAID) == 4 + 4
    assert usage.estimated


def test_half_a_count_is_completed() -> None:
    usage = counted(said(10, None))
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (10, 8, True)


def test_what_the_cache_gave_is_part_of_what_was_read() -> None:
    given = said(10, 5, prompt_tokens_details={"cached_tokens": 99})
    assert counted(given).cached_tokens == 10
