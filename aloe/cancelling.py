"""Whether the run that a task works for was cancelled: what Ctrl-C does, by asyncio's own runner.

A task learns of it by an exception in whatever it awaits, and code of others may lose that:
`asyncio.wait_for` on Python 3.11 does where the answer comes at the same moment, and LangGraph
waits with it. The run's own task remembers, so it is asked as well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_run: "ContextVar[asyncio.Task[Any] | None]" = ContextVar("run", default=None)
"""The task of the run; tasks that are made for it inherit it."""


@contextmanager
def cancelled_together() -> Iterator[None]:
    """Let all that is begun in the block know when the task that is running now is cancelled."""
    before = _run.set(asyncio.current_task())
    try:
        yield
    finally:
        _run.reset(before)


def is_cancelled() -> bool:
    """Whether the run of this task was cancelled."""
    run = _run.get()
    return run is not None and run.cancelling() > 0


def ends_run(error: BaseException) -> bool:
    """Whether what somebody else's code raised is for us to obey: Ctrl-C, an exit or a cancel.

    A cancel of something that this code waited for is not, but a failure like any other.
    """
    if isinstance(error, asyncio.CancelledError):
        return is_cancelled() or _is_being_cancelled()
    return isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


def _is_being_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop is running
        return False
    return task is not None and task.cancelling() > 0


def raise_if_cancelled() -> None:
    """Go no further if the run of this task was cancelled.

    Raises:
        asyncio.CancelledError: it was.
    """
    if is_cancelled():
        raise asyncio.CancelledError


async def answer_within(
    seconds: float, ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return what `ask` answers in time, and do not ask if the run of this task was cancelled.

    Raises:
        asyncio.CancelledError: it was.
        TimeoutError: there was no answer within so many seconds.
    """
    raise_if_cancelled()
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await ask(*args, **kwargs)
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None
