"""Calls that do not depend on each other: in turn, or at once where they wait for a batch.

In turn, each finds what it has in common with the one before in the server's cache. In a batch,
each would cost another round, which may take hours.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def ask_each(asks: Iterable[Callable[[], Awaitable[T]]], *, at_once: bool) -> list[T]:
    """Return what each of `asks` brings, in their order.

    Raises:
        AloeError: the first one that any of them raises; the others are cancelled.
    """
    if not at_once:
        return [await ask() for ask in asks]
    tasks = [asyncio.ensure_future(ask()) for ask in asks]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
