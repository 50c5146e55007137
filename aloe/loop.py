"""The event loop of a long run.

uvloop spends about half as much on a socket as asyncio's own loop. Whatever is loaded when a run
starts stays to its end, so the garbage collector need not look at it again. Nearly everything a run
creates is freed by reference counting; looking for cycles as often as Python does by default costs
a sixth of the time and finds next to nothing.
"""

import asyncio
import gc
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import uvloop

from aloe.errors import AloeError
from aloe.tracebacks import cause_of

T = TypeVar("T")

COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of the garbage collector's three generations."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM came: a cluster wants its machine back, say."""


class Runner:
    """A runner of asyncio's that SIGTERM stops as Ctrl-C does: what is awaited may clean up.

    A handler of Python's own would raise wherever the loop is, and the loop may drop it.

    Args:
        runner: the runner.
    """

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.__exit__(*error)

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end.

        Raises:
            TerminatedError: SIGTERM came.
        """
        if threading.current_thread() is not threading.main_thread():
            return self._runner.run(coro)
        told: list[bool] = []
        before = signal.getsignal(signal.SIGTERM)
        try:
            return self._runner.run(_stoppable(coro, told))
        except asyncio.CancelledError:
            if told:
                raise TerminatedError from None
            raise
        finally:
            self._runner.get_loop().remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


async def _stoppable(work: Coroutine[Any, Any, T], told: list[bool]) -> T:
    """Await `work`, which SIGTERM cancels; `told` is no longer empty then."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        told.append(True)
        if task:
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
    return await work


def make_runner() -> Runner:
    """Return a runner for all that a command awaits: connections belong to the loop they opened in.

    The garbage collector is set for the rest of the process.
    """
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    return Runner(asyncio.Runner(loop_factory=uvloop.new_event_loop))


class LoopThread:
    """A loop in a thread of its own, for code that awaits something now and then.

    It works where another loop is running, as in notebooks, and leaves the garbage collector alone.
    Ctrl-C and SIGTERM reach the thread that waits.
    """

    def __init__(self) -> None:
        self._begun, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="aloe-loop", daemon=True)
        self._loop: asyncio.AbstractEventLoop

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_error: Any) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        future = asyncio.run_coroutine_threadsafe(coro, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # where waiting for it was given up

    def _serve(self) -> None:
        async def begin() -> None:
            self._loop = asyncio.get_running_loop()
            self._begun.set()
            await self._stop.wait()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(begin())


def run_anywhere(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in a thread of its own where a loop is running already.

    That is so in notebooks. The garbage collector is left as it is. Errors meant for a person come
    without the frames of the loop, which are not about them, and with what the user's code raised.
    """
    try:
        return _run_apart(work) if _is_running() else asyncio.run(work)
    except AloeError as error:
        vars(error).pop("__notes__", None)  # LangGraph's, about its tasks
        raise error.with_traceback(None) from cause_of(error)


def _is_running() -> bool:
    """Whether a loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_apart(work: Coroutine[Any, Any, T]) -> T:
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()
