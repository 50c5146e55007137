"""Work through a list, a fixed number of items at once.

Workers take items from one iterator, so the number in flight is the number of workers, and memory
does not depend on the length of the list. Nothing waits for a slower neighbour.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from aloe.cancelling import cancelled_together, raise_if_cancelled
from aloe.config import Config
from aloe.errors import AloeError
from aloe.tracebacks import cause_of

T = TypeVar("T")


def width_of(config: Config) -> int:
    """Return how many trees, or dialogues, are in flight at once."""
    return config.limits.batch_trees if config.limits.batch else config.simulation.concurrency


async def work_through(
    items: Iterable[T], width: int, work: Callable[[T], Awaitable[None]]
) -> None:
    """Do `work` on every item, at most `width` at once.

    Raises:
        AloeError: the first one that `work` raises; what is in flight is cancelled.
    """
    queue = iter(items)

    async def worker() -> None:
        for item in queue:
            await work(item)
            raise_if_cancelled()

    try:
        with cancelled_together():
            async with asyncio.TaskGroup() as group:
                for _ in range(width):
                    group.create_task(worker())
    except* AloeError as errors:
        first = errors.exceptions[0]
        raise first from cause_of(first)
