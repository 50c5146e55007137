"""Several workers that grow trees as one.

The crew lives in the process that holds the run folder. It hands each tree to the worker with the
fewest, enters the calls that workers report into the run's own log, and so keeps progress, budget
and journal in one place. A worker that dies is replaced and its trees are handed out again with
all that was answered for them, so nothing that arrived here is asked twice.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.errors import AloeError, BudgetError, CallError, ModelError
from aloe.graphs.run import PlannedTree
from aloe.graphs.worker import Close, Failed, Grown, Job, Order, Ready, Report
from aloe.schema import Tree

LIVES = 3
"""Workers in a row that may die before they are ready, or without an answer for one tree."""


class WorkerLostError(Exception):
    """A worker died; its text says how."""


class Link(Protocol):
    """One worker, as the process that holds the run folder sees it."""

    def send(self, order: Order) -> None:
        """Tell the worker something; lost if it is dead."""

    async def receive(self) -> Report:
        """Wait for the worker's next report.

        Raises:
            WorkerLostError: it is dead, and all that it reported has been received.
        """

    async def close(self) -> None:
        """End the worker."""


@dataclass(kw_only=True)
class Slot:
    """A place for a worker."""

    open_link: Callable[[], Link]
    link: Link
    trees: dict[str, "asyncio.Future[Tree]"] = field(default_factory=dict)
    """What its worker grows now."""
    deaths: int = 0
    """Since a worker here was last ready."""


class WorkerPool:
    """Workers as one, started when there is a tree to grow; leaving it as a context ends them.

    Args:
        openers: what starts each worker, and starts it again.
        calls: the log of the run.
    """

    def __init__(self, openers: Sequence[Callable[[], Link]], calls: CallLog) -> None:
        self._openers = openers
        self._calls = calls
        self._posts: list[Slot] = []
        self._listeners: list[asyncio.Task[None]] = []
        self._answered: dict[str, list[dict[str, Any]]] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        await asyncio.gather(*(post.link.close() for post in self._posts))

    def remember(self, lines: Iterable[dict[str, Any]]) -> None:
        """Keep earlier events for whoever grows their trees."""
        for line in lines:
            self._answered.setdefault(line["tree"], []).append(line)

    async def grow(self, planned: PlannedTree) -> Tree:
        """Have one worker grow a tree.

        Raises:
            ModelError: a model is refused or gone, or workers keep dying.
            BudgetError: the budget is spent, and all that was in flight has ended.
            CallError: a call failed for good, or every worker that tried died.
        """
        if not self._posts:
            self._start()
        try:
            return await self._grown(planned)
        finally:
            self._answered.pop(planned.tree, None)

    async def _grown(self, planned: PlannedTree) -> Tree:
        in_vain = 0
        while in_vain < LIVES:
            post = min(self._posts, key=lambda post: len(post.trees))
            post.trees[planned.tree] = asyncio.get_running_loop().create_future()
            known = list(self._answered.get(planned.tree, ()))
            post.link.send(Job(planned=planned, events=known))
            try:
                return await post.trees[planned.tree]
            except WorkerLostError as error:
                lost = error
                came = len(self._answered.get(planned.tree, ())) > len(known)
                in_vain = 0 if came else in_vain + 1  # others may have killed it
            except BudgetError:
                await self._quiet()
                raise
        raise CallError(f"{LIVES} workers died over it; the last one: {lost}")

    def _start(self) -> None:
        self._posts = [Slot(open_link=each, link=each()) for each in self._openers]
        loop = asyncio.get_running_loop()
        self._listeners = [loop.create_task(self._listen(post)) for post in self._posts]

    async def _quiet(self) -> None:
        """Wait until no worker has anything in flight."""
        while waiting := [each for post in self._posts for each in post.trees.values()]:
            await asyncio.wait(waiting)

    async def _listen(self, post: Slot) -> None:
        while True:
            try:
                self._enter(post, await post.link.receive())
            except WorkerLostError as error:
                await post.link.close()
                post.deaths += 1
                if post.deaths >= LIVES:
                    problem = f"no worker can be started; the last one: {error}"
                    return self._fail(ModelError(problem))
                post.link = post.open_link()
                if self._closed:
                    post.link.send(Close(reason=self._calls.budget.reached or "closed"))
                for future in _taken(post):
                    future.set_exception(error)
            except Exception as error:  # such as a full disk; or nobody would wait for the rest
                return self._fail(error)

    def _enter(self, post: Slot, report: Report) -> None:
        if isinstance(report, Event):
            if report.reply and report.tree:
                self._answered.setdefault(report.tree, []).append(vars(report))
            self._calls.take(report)
            self._close_if_spent()
        elif isinstance(report, Ready):
            post.deaths = 0
        else:
            self._calls.totals.replayed += report.replayed
            _end(post, report)

    def _close_if_spent(self) -> None:
        if not self._closed and (reason := self._calls.budget.reached):
            self._closed = True
            for post in self._posts:
                post.link.send(Close(reason=reason))

    def _fail(self, error: Exception) -> None:
        """End the run: no tree can be finished any more."""
        for post in self._posts:
            for future in _taken(post):
                future.set_exception(error)


def _taken(post: Slot) -> "list[asyncio.Future[Tree]]":
    """Take away all trees of a post, and return what waits for them."""
    waiting = [future for future in post.trees.values() if not future.done()]
    post.trees.clear()
    return waiting


def _end(post: Slot, report: Grown | Failed) -> None:
    tree = report.tree.id if isinstance(report, Grown) else report.tree
    future = post.trees.pop(tree, None)
    if future is None or future.done():
        return
    if isinstance(report, Grown):
        future.set_result(report.tree)
    else:
        kind = report.error if issubclass(report.error, AloeError) else RuntimeError
        future.set_exception(kind(report.reason))
