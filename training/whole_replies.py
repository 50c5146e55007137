"""Replies that GRPO cut off at its token limit earn no reward: nobody knows how they would end.

TRL stops a reply at `max_completion_length` and hands the beginning to rewards like a whole one.
Here it gets no reward, so it counts neither for its group's mean nor as something to be learnt.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any

Reward = Callable[..., Any]
"""TRL's reward function, plain or async."""


class WholeReplies:
    """Tells replies that ended by themselves; `ends` must be set before the first call."""

    ends: Collection[int] = ()
    """Token ids that end a reply."""

    def __call__(self, ids: Sequence[int]) -> bool:
        """Return whether the reply of these token ids is whole."""
        return not ids or ids[-1] in self.ends


def take_rows(places: Sequence[int], columns: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Return some rows of columns; what is no column of `rows` stays as it is."""
    return {
        name: [values[place] for place in places]
        if isinstance(values, list | tuple) and len(values) == rows
        else values
        for name, values in columns.items()
    }


def reward_whole(reward: Reward, is_whole: Callable[[Sequence[int]], bool]) -> Reward:
    """Return a reward that asks `reward` about whole replies only and gives None for the others."""
    name = getattr(reward, "__name__", type(reward).__name__)

    def find_whole(given: Mapping[str, Any]) -> list[int]:
        replies = range(len(given["completions"]))
        ids = given.get("completion_ids")
        return [place for place in replies if ids is None or is_whole(ids[place])]

    def put_back(found: Sequence[Any], places: Sequence[int], rows: int) -> list[Any]:
        by_place = dict(zip(places, found, strict=True))
        return [by_place.get(place) for place in range(rows)]

    def rate(**given: Any) -> list[Any]:
        places, rows = find_whole(given), len(given["completions"])
        found = reward(**take_rows(places, given, rows)) if places else []
        return put_back(found, places, rows)

    async def rate_async(**given: Any) -> list[Any]:
        places, rows = find_whole(given), len(given["completions"])
        found = await reward(**take_rows(places, given, rows)) if places else []
        return put_back(found, places, rows)

    rate.__name__ = rate_async.__name__ = name
    is_async = iscoroutinefunction(reward) or iscoroutinefunction(type(reward).__call__)
    return rate_async if is_async else rate
