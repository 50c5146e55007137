"""Code that awaits something now and then, whatever else runs."""

import asyncio
import os
import signal

import pytest

from aloe.loop import LoopThread


def test_a_loop_in_a_thread_works_beside_one_that_runs() -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def ask() -> list[int]:
        with LoopThread() as loop:
            return [loop.run(double(each)) for each in (1, 2)]

    assert asyncio.run(ask()) == [2, 4]


def test_an_error_comes_back_and_the_loop_goes_on() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with LoopThread() as loop:
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                loop.run(fail())


def test_ctrl_c_ends_what_is_awaited() -> None:
    ended: list[str] = []

    async def wait() -> None:
        os.kill(os.getpid(), signal.SIGINT)  # as a terminal does: it wakes the thread that waits
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt), LoopThread() as loop:
        loop.run(wait())
    assert ended == ["cancelled"]
