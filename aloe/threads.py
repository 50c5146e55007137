"""Functions of the user's that would hold up the event loop: they are called in threads.

A coroutine function stays in the loop, since it says itself where it waits, and so does what comes
with this program, since it is fast: a thread costs as much as a short function many times over.

The threads are daemons, which neither the end of a loop nor that of the process waits for, so that
Ctrl-C ends a run although a function that is under way cannot be stopped. They are kept for later
calls, which cost half as much as in threads of their own.
"""

import asyncio
import inspect
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial, wraps
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, NamedTuple

from aloe.signatures import is_async, unwrapped

Play = Callable[..., Any]


class Ended(NamedTuple):
    """What a function returned or raised; a future takes no StopIteration."""

    returned: Any = None
    raised: BaseException | None = None


@dataclass
class Pool:
    """Threads of this process that wait for something to do."""

    jobs: "SimpleQueue[Callable[[], None]]" = field(default_factory=SimpleQueue)
    idle: Semaphore = field(default_factory=lambda: Semaphore(0))

    def begin(self, job: Callable[[], None]) -> None:
        """Do something in a thread that is idle, or in a new one."""
        self.jobs.put(job)
        if not self.idle.acquire(blocking=False):
            Thread(target=self._work, daemon=True, name="function").start()

    def _work(self) -> None:
        while True:
            self.jobs.get()()
            self.idle.release()


_pool = Pool()


def _forget_threads() -> None:
    """Begin anew in a forked process, which has none of the threads."""
    global _pool
    _pool = Pool()


os.register_at_fork(after_in_child=_forget_threads)


class Door:
    """Lets so many calls into threads at once; the others wait in line.

    Args:
        most: calls at once; None for no limit.
    """

    def __init__(self, most: int | None = None) -> None:
        self._room = most
        self._line: deque[Callable[[], None]] = deque()
        self._lock = Lock()

    async def call(self, function: Play, *given: Any) -> Any:
        """Return what a function returns in a thread, within the context of this task.

        Raises:
            BaseException: what it raises.
        """
        future: Future[Ended] = Future()
        self._enter(partial(_play, future, partial(copy_context().run, function, *given)))
        ended = await asyncio.wrap_future(future)
        try:
            if ended.raised is not None:
                raise ended.raised
            return ended.returned
        finally:
            del ended  # the traceback of what it holds leads here

    def _enter(self, job: Callable[[], None]) -> None:
        with self._lock:
            if self._room == 0:
                self._line.append(job)
                return
            if self._room is not None:
                self._room -= 1
        _pool.begin(partial(self._work, job))

    def _work(self, job: Callable[[], None] | None) -> None:
        while job:
            job()
            job = self._next()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._line:
                return self._line.popleft()
            if self._room is not None:
                self._room += 1
            return None


def _play(future: "Future[Ended]", play: Callable[[], Any]) -> None:
    """Call a function unless nobody waits for it any more."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        ended = Ended(returned=play())
    except BaseException as error:
        ended = Ended(raised=error)
    future.set_result(ended)


def blocks(function: Play) -> bool:
    """Whether a function is called in a thread, as it may hold up the loop."""
    inner = unwrapped(function)
    module = getattr(inner, "__globals__", {}).get("__name__") or type(inner).__module__
    return not (is_async(function) or module.partition(".")[0] == "aloe")


async def call_apart(function: Play, *given: Any, door: Door | None = None) -> Any:
    """Return what a function returns, in a thread if it blocks, or what that comes to if it waits.

    Raises:
        BaseException: what it raises.
    """
    if blocks(function):
        returned = await (door or Door()).call(function, *given)
    else:
        returned = function(*given)
    return await returned if inspect.isawaitable(returned) else returned


def apart(function: Play, most: int) -> Play:
    """Return a coroutine function that calls another, in `most` threads at once if it blocks."""
    door = Door(most)

    @wraps(function, updated=())
    async def call(*given: Any) -> Any:
        return await call_apart(function, *given, door=door)

    return call
