"""Ctrl-C cancels the task that all workers belong to; it must never be lost on the way."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count, takewhile

import pytest
from builders import scripted_model

from aloe.errors import TransientCallError
from aloe.graphs.concurrency import work_through

ROUNDS = 40
WIDTH = 3


async def swallow(item: int) -> None:
    """Work of somebody else's that takes a cancel for an answer of its server."""
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return


async def ask(item: int) -> None:
    """A call, as every tree makes them."""
    await MODEL.ask([("user", str(item))], {})


async def ask_for_ever(item: int) -> None:
    """A tree that goes on whatever happens to one of its calls, as LangGraph may."""
    while True:
        await asyncio.wait_for(ask(item), 9)


MODEL = scripted_model(lambda messages, arguments: "yes")


async def ends_when_cancelled(work: Callable[[int], Awaitable[None]], steps: int) -> bool:
    """Whether work on an endless list ends when it is cancelled after so many steps of the loop."""
    lost = asyncio.Event()
    items = takewhile(lambda _: not lost.is_set(), count())
    running = asyncio.create_task(work_through(items, WIDTH, work))
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    for _ in range(300):
        await asyncio.sleep(0)
        if running.done():
            return running.cancelled()
    lost.set()
    await asyncio.gather(running, return_exceptions=True)
    return False


@pytest.mark.parametrize("work", [ask, swallow, ask_for_ever])
def test_a_cancel_ends_the_work_whenever_it_comes(work: Callable[[int], Awaitable[None]]) -> None:
    chance = random.Random(7)

    async def try_all() -> list[int]:
        moments = [chance.randrange(1, 90) for _ in range(ROUNDS)]
        return [each for each in moments if not await ends_when_cancelled(work, each)]

    assert asyncio.run(try_all()) == []


def test_a_late_answer_is_a_timeout() -> None:
    async def wait(messages: object, arguments: object) -> str:
        await asyncio.sleep(5)
        return "late"

    model = scripted_model(wait, timeout=0.05)
    with pytest.raises(TransientCallError, match=r"no answer within 0\.05 s"):
        asyncio.run(model.ask([("user", "x")], {}))
