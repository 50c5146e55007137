"""A worker: grows trees for a run folder that another process owns.

Only the main process writes to the folder, so a worker has no files. It takes jobs and returns
their results; from another process every finished call is reported at once, so that answers are on
disk a moment later and count towards the budget of the whole run. A worker does not care how
messages travel: through pipes (`aloe.graphs.processes`), through Ray (`aloe.graphs.cluster`), or
not at all (`aloe.graphs.engine.InProcessConnection`).
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import Config
from aloe.errors import AloeError
from aloe.graphs.checkpoints import Checkpoints
from aloe.graphs.context import (
    FinishedExchange,
    OnExchange,
    ignore_exchange,
    make_context,
    open_models,
)
from aloe.graphs.plan import PlannedTree
from aloe.graphs.rollouts import roll_out
from aloe.graphs.tree import grow_tree
from aloe.models.local import Lent, borrow_servers
from aloe.models.open import Model
from aloe.schema import Tree
from aloe.tracebacks import traceback_of

Grow = Callable[[PlannedTree], Awaitable[Tree]]


def make_grower(
    config: Config,
    models: dict[str, Model],
    calls: CallLog,
    checkpoints: Checkpoints | None = None,
    on_exchange: OnExchange = ignore_exchange,
) -> Grow:
    """Return what grows one tree in this process."""
    context = replace(make_context(config, models, calls), on_exchange=on_exchange)
    names = {name: model.name for name, model in models.items()}

    async def grow(each: PlannedTree) -> Tree:
        tree = await grow_tree(each.persona, each.seed, names, context, each.start, checkpoints)
        return await roll_out(tree, context) if each.start else tree

    return grow


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What a worker is made from."""

    config: Config
    share: float
    """Part of the limits of a server that it may use."""
    servers: Lent = field(default_factory=dict, repr=False)
    """Embedded servers of the process that started it."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Hash of the files of every model, by model string, as `aloe.graphs.checkpoints` wants it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A tree to grow, with the events of calls that were answered for it before."""

    planned: PlannedTree
    events: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class Close:
    """Make no further calls: the budget is spent."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The worker is made and takes jobs."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished tree."""

    tree: Tree
    replayed: int
    """Calls that the worker answered from earlier events since it last said so."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A tree that could not be finished."""

    tree: str
    error: type[Exception]
    reason: str
    replayed: int = 0
    """As in `Finished`."""
    trace: str = ""
    """Traceback of the user's code; empty if that is not what failed."""


Request = Job | Close
"""What a worker is told."""

Report = Ready | Event | FinishedExchange | Finished | Failed
"""What a worker tells."""


class Worker:
    """Grows trees, as many at once as it is told to.

    Args:
        grow: grows one tree.
        calls: the log that its calls pass.
        report: called with what became of each tree, and first when the worker is ready.
    """

    def __init__(self, grow: Grow, calls: CallLog, report: Callable[[Report], None]) -> None:
        self._grow = grow
        self._calls = calls
        self._report = report
        self._tasks: set[asyncio.Task[None]] = set()
        report(Ready())

    @classmethod
    def of(cls, setup: WorkerSetup, report: Callable[[Report], None]) -> Self:
        """Make a worker for a process of its own, which reports its calls as well.

        Raises:
            ConfigError, ModelError: a model cannot be built in this process.
        """
        borrow_servers(setup.servers)
        calls = CallLog(prices=setup.config.prices, on_event=report)
        models = open_models(setup.config, share=setup.share, checked=True)
        checkpoints = Checkpoints.of(setup.config, setup.weights)
        grow = make_grower(setup.config, models, calls, checkpoints, on_exchange=report)
        return cls(grow, calls, report)

    def take(self, request: Request) -> None:
        """Begin what is asked for."""
        if isinstance(request, Close):
            self._calls.budget.close(request.reason)
            return
        self._calls.remember(request.events)
        task = asyncio.get_running_loop().create_task(self._finish(request.planned))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Drop what is not finished."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _finish(self, planned: PlannedTree) -> None:
        try:
            tree = await self._grow(planned)
            self._report(Finished(tree=tree, replayed=self._take_replayed()))
        except AloeError as error:
            self._fail(planned, type(error), str(error), traceback_of(error))
        except Exception:
            self._fail(planned, Exception, traceback.format_exc())

    def _fail(
        self, planned: PlannedTree, error: type[Exception], reason: str, trace: str = ""
    ) -> None:
        replayed = self._take_replayed()
        self._report(
            Failed(tree=planned.tree, error=error, reason=reason, replayed=replayed, trace=trace)
        )

    def _take_replayed(self) -> int:
        """Return what `Finished.replayed` wants to know, and count from 0 again."""
        count, self._calls.totals.replayed = self._calls.totals.replayed, 0
        return count
