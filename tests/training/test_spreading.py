"""KTO's rows: replies to one message stand in different batches."""

import random
from typing import Any

import pytest

from aloe.training.spreading import spread_prompts


def rows_of(*counts: int) -> list[dict[str, Any]]:
    """Return so many rows of each prompt."""
    return [
        {"prompt": [f"p{number}"], "completion": [f"r{reply}"], "label": reply == 0}
        for number, count in enumerate(counts)
        for reply in range(count)
    ]


@pytest.mark.parametrize("size", [2, 3, 4, 8, 16])
@pytest.mark.parametrize("counts", [(2,) * 40, (3,) * 23, (1, 4) * 15, (5,) * 41])
def test_no_batch_has_two_replies_to_one_message(size: int, counts: tuple[int, ...]) -> None:
    rows = rows_of(*counts)
    found = spread_prompts(rows, size)
    for start in range(0, len(found), size):
        batch = [str(row["prompt"]) for row in found[start : start + size]]
        assert len({*batch}) == len(batch)
    assert sorted(found, key=str) == sorted(rows, key=str)
    random.Random(0).shuffle(rows)
    assert spread_prompts(rows, size) == found, "the order they came in does not matter"


@pytest.mark.parametrize("counts", [(2, 2), (2, 2, 2), (3, 3), (4, 2, 2), (5, 4, 3)])
def test_few_prompts_are_no_neighbours(counts: tuple[int, ...]) -> None:
    found = spread_prompts(rows_of(*counts), sum(counts))
    assert all(row["prompt"] != found[place - 1]["prompt"] for place, row in enumerate(found))


def test_batches_have_good_and_bad_replies() -> None:
    found = spread_prompts(rows_of(*(2,) * 64), 8)
    good = [sum(row["label"] for row in found[n : n + 8]) for n in range(0, len(found), 8)]
    assert 0 < min(good) <= max(good) < 8


def test_what_there_is_too_little_of_is_left_as_it_is() -> None:
    assert spread_prompts([]) == []
    assert spread_prompts(rows_of(1)) == rows_of(1)
    assert len(spread_prompts(rows_of(3))) == 3
