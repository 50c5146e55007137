"""Several workers that grow trees as one.

The pool lives in the main process. It hands each tree to the worker with the fewest, records the
calls that workers report in the run's own log, and so keeps progress, budget and journal in one
place. A worker that dies is replaced and its trees are handed out again with their answers so far,
so nothing that arrived here is asked twice.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.errors import AloeError, BudgetError, CallError, InputError, ModelError
from aloe.graphs.context import FinishedExchange, OnExchange, ignore_exchange
from aloe.graphs.plan import PlannedTree
from aloe.graphs.worker import Close, Failed, Finished, Job, Ready, Report, Request
from aloe.schema import Tree

MAX_DEATHS = 3
"""Workers in a row that may die before they are ready, or without an answer for one tree."""


class WorkerLostError(Exception):
    """A worker died; its text says how."""


class Connection(Protocol):
    """A worker, as the process that holds the run folder sees it."""

    def send(self, request: Request) -> None:
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

    open_connection: Callable[[], Connection]
    connection: Connection
    trees: dict[str, "asyncio.Future[Tree]"] = field(default_factory=dict)
    """What its worker grows now."""
    deaths: int = 0
    """Since a worker here was last ready."""


class WorkerPool:
    """Workers as one, started when there is a tree to grow; leaving it as a context ends them.

    Args:
        connect: what starts each worker, and starts it again.
        calls: the log of the run.
        on_exchange: called with each exchange that a worker reports.
    """

    def __init__(
        self,
        connect: Sequence[Callable[[], Connection]],
        calls: CallLog,
        on_exchange: OnExchange = ignore_exchange,
    ) -> None:
        self._on_exchange = on_exchange
        self._connect = connect
        self._calls = calls
        self._slots: list[Slot] = []
        self._listeners: list[asyncio.Task[None]] = []
        self._answered: dict[str, list[dict[str, Any]]] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        await asyncio.gather(*(slot.connection.close() for slot in self._slots))

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
        if not self._slots:
            self._start()
        try:
            return await self._grow(planned)
        finally:
            self._answered.pop(planned.tree, None)

    async def _grow(self, planned: PlannedTree) -> Tree:
        deaths = 0
        while deaths < MAX_DEATHS:
            slot = min(self._slots, key=lambda slot: len(slot.trees))
            slot.trees[planned.tree] = asyncio.get_running_loop().create_future()
            known = list(self._answered.get(planned.tree, ()))
            slot.connection.send(Job(planned=planned, events=known))
            try:
                return await slot.trees[planned.tree]
            except WorkerLostError as error:
                lost = error
                came = len(self._answered.get(planned.tree, ())) > len(known)
                deaths = 0 if came else deaths + 1  # others may have killed it
            except BudgetError:
                await self._drain()
                raise
        raise CallError(f"{MAX_DEATHS} workers died over it; the last one: {lost}")

    def _start(self) -> None:
        self._slots = [Slot(open_connection=each, connection=each()) for each in self._connect]
        loop = asyncio.get_running_loop()
        self._listeners = [loop.create_task(self._listen(slot)) for slot in self._slots]

    async def _drain(self) -> None:
        """Wait until no worker has anything in flight."""
        while waiting := [each for slot in self._slots for each in slot.trees.values()]:
            await asyncio.wait(waiting)

    async def _listen(self, slot: Slot) -> None:
        while True:
            try:
                try:
                    self._record(slot, await slot.connection.receive())
                except WorkerLostError as error:
                    await self._replace(slot, error)
            except Exception as error:  # such as a full disk; or nobody would wait for the rest
                return self._fail(error)

    async def _replace(self, slot: Slot, lost: WorkerLostError) -> None:
        """Start another worker in the place of one that is lost.

        Raises:
            ModelError: none can be started.
        """
        await slot.connection.close()
        slot.deaths += 1
        if slot.deaths >= MAX_DEATHS:
            raise ModelError(f"no worker can be started; the last one: {lost}")
        try:
            slot.connection = slot.open_connection()
        except OSError as error:
            raise ModelError(f"no worker can be started ({error}) after: {lost}") from None
        if self._closed:
            slot.connection.send(Close(reason=self._calls.budget.reached or "closed"))
        for future in _take_waiting(slot):
            future.set_exception(lost)

    def _record(self, slot: Slot, report: Report) -> None:
        if isinstance(report, Event):
            if report.reply and report.tree:
                self._answered.setdefault(report.tree, []).append(vars(report))
            self._calls.take(report)
            self._close_if_spent()
        elif isinstance(report, Ready):
            slot.deaths = 0
        elif isinstance(report, FinishedExchange):
            self._on_exchange(report)
        else:
            self._calls.totals.replayed += report.replayed
            _settle(slot, report)

    def _close_if_spent(self) -> None:
        if not self._closed and (reason := self._calls.budget.reached):
            self._closed = True
            for slot in self._slots:
                slot.connection.send(Close(reason=reason))

    def _fail(self, error: Exception) -> None:
        """End the run: no tree can be finished any more."""
        for slot in self._slots:
            for future in _take_waiting(slot):
                future.set_exception(error)


def _take_waiting(slot: Slot) -> "list[asyncio.Future[Tree]]":
    """Take away all trees of a slot, and return what waits for them."""
    waiting = [future for future in slot.trees.values() if not future.done()]
    slot.trees.clear()
    return waiting


def _settle(slot: Slot, report: Finished | Failed) -> None:
    tree = report.tree.id if isinstance(report, Finished) else report.tree
    future = slot.trees.pop(tree, None)
    if future is None or future.done():
        return
    if isinstance(report, Finished):
        future.set_result(report.tree)
    else:
        future.set_exception(_remade(report))


def _remade(report: Failed) -> Exception:
    """Return the error of another process."""
    if not issubclass(report.error, AloeError):
        return RuntimeError(report.reason)
    kind = AloeError if issubclass(report.error, InputError) else report.error  # made of a path
    error = kind(report.reason)
    error.trace = report.trace
    return error
