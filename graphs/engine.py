"""What grows trees: this process, several, or a Ray cluster, all with the same interface.

One process is enough until its core is busy: a call costs one to two milliseconds of CPU, so a
process manages several hundred calls a second, as many as 128 trees make to a server that answers
in 200 ms. More workers cost start-up time and memory, and are used only beyond that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from aloe.agents.registry import models_in_use
from aloe.calls.log import CallLog
from aloe.config import Config
from aloe.cores import count_cores
from aloe.errors import ConfigError
from aloe.graphs.checkpoints import Checkpoints
from aloe.graphs.checks import only_here
from aloe.graphs.context import OnExchange, ignore_exchange
from aloe.graphs.own_code import hash_code, hash_scripts
from aloe.graphs.plan import PlannedTree
from aloe.graphs.worker import Grow, Job, Report, Request, Worker, WorkerSetup, make_grower
from aloe.graphs.worker_pool import WorkerPool
from aloe.models.limits import limiter_of
from aloe.models.local import lent_servers
from aloe.models.model_string import ModelString
from aloe.models.open import Model
from aloe.models.weights import hash_models
from aloe.schema import Tree

TREES_EACH = 128
"""Trees in flight that one worker is taken for, where settings do not say."""


class Engine(Protocol):
    """What grows trees."""

    async def grow(self, planned: PlannedTree) -> Tree:
        """Grow one tree; any number may be asked for at once.

        Raises:
            ModelError: the run cannot go on.
            BudgetError: the run may not go on.
            CallError: a call failed for good; the tree is lost, others may pass.
        """

    def remember(self, lines: Iterable[dict[str, Any]]) -> None:
        """Answer calls from these earlier events instead of making them again."""


class InProcessEngine:
    """Grows trees in this process."""

    def __init__(self, grow: Grow, calls: CallLog) -> None:
        self._grow = grow
        self._calls = calls

    async def grow(self, planned: PlannedTree) -> Tree:
        """Grow one tree."""
        return await self._grow(planned)

    def remember(self, lines: Iterable[dict[str, Any]]) -> None:
        """Answer calls from these earlier events instead of making them again."""
        self._calls.remember(lines)


class InProcessConnection:
    """A worker in this very process, a `Connection` that writes to the run's own log.

    Args:
        worker: makes the worker, given where it reports to.
    """

    def __init__(self, worker: Callable[[Callable[[Report], None]], Worker]) -> None:
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self._worker = worker(self._reports.put_nowait)

    def send(self, request: Request) -> None:
        """Tell the worker something; of a spent budget it knows."""
        if isinstance(request, Job):
            self._worker.take(request)

    async def receive(self) -> Report:
        """Wait for the worker's next report."""
        return await self._reports.get()

    async def close(self) -> None:
        """Drop what is not finished."""
        await self._worker.stop()


@asynccontextmanager
async def open_engine(
    config: Config,
    models: dict[str, Model],
    calls: CallLog,
    *,
    trees: int,
    on_exchange: OnExchange = ignore_exchange,
) -> AsyncIterator[Engine]:
    """Start the engine that `config` names for so many trees, and stop it on leaving.

    `on_exchange` is called with each exchange of them.

    Raises:
        ConfigError: the settings do not go together, or Ray or Postgres is not installed or not
            there.
        ModelError: a file of a model cannot be read.
    """
    weights: dict[str, str] = {}
    if config.simulation.checkpoints and not calls.replayed:
        asked = models_in_use(config).values()
        weights = {**hash_models(asked), **hash_code(config), **hash_scripts(asked)}
    checkpoints = Checkpoints.of(config, weights)
    async with AsyncExitStack() as stack:
        if checkpoints:
            await checkpoints.prepare()
            stack.push_async_callback(checkpoints.close)
        size = count_workers(config, trees, calls)
        setup = WorkerSetup(config=config, share=1 / size, servers=lent_servers(), weights=weights)
        opened = _open(setup, models, calls, checkpoints, size, on_exchange)
        yield await stack.enter_async_context(opened)


@asynccontextmanager
async def _open(
    setup: WorkerSetup,
    models: dict[str, Model],
    calls: CallLog,
    checkpoints: Checkpoints | None,
    size: int,
    on_exchange: OnExchange,
) -> AsyncIterator[Engine]:
    config = setup.config
    if config.simulation.engine == "ray":
        from aloe.graphs.cluster import RayCluster

        _check_reachable_from_elsewhere(models)
        with RayCluster(setup, size) as cluster:
            connect = [cluster.open_connection] * size
            async with WorkerPool(connect, calls, on_exchange) as pool:
                yield pool
    elif size > 1:
        from aloe.graphs.processes import ProcessConnection

        shared = _share_limits(models, setup.share)
        grow = make_grower(config, shared, calls, checkpoints, on_exchange)
        here = partial(InProcessConnection, partial(Worker, grow, calls))
        others = [partial(ProcessConnection, setup)] * (size - 1)
        async with WorkerPool([here, *others], calls, on_exchange) as pool:
            yield pool
    else:
        yield InProcessEngine(make_grower(config, models, calls, checkpoints, on_exchange), calls)


def _share_limits(models: dict[str, Model], share: float) -> dict[str, Model]:
    """Return the models with part of the limits of their servers."""
    return {
        name: replace(model, limiter=limiter_of(model.limiter.server, model.limiter.config, share))
        for name, model in models.items()
    }


def count_workers(config: Config, trees: int, calls: CallLog) -> int:
    """Return how many workers grow `trees` trees: what settings say, or what pays."""
    settings = config.simulation
    if config.limits.batch:  # calls that wait for each other wait in one process
        return 1
    in_flight = min(trees, settings.concurrency)
    if settings.workers:
        return max(1, min(settings.workers, in_flight))
    wanted = -(-in_flight // TREES_EACH)
    if settings.engine == "ray":
        return max(1, wanted)
    capped = any(cap is not None for cap in vars(calls.budget.limits).values())
    served = all(
        ModelString.parse(each.model).provider == "openai"
        for each in models_in_use(config).values()
    )
    if capped or not served or only_here(config):
        return 1
    return max(1, min(wanted, count_cores()))


def _check_reachable_from_elsewhere(models: dict[str, Model]) -> None:
    """Make sure that no model lives in this process, where a cluster's machines cannot reach it."""
    for name, model in models.items():
        if ModelString.parse(model.config.model).provider in ("local", "hf", "instance"):
            raise ConfigError(
                f"{name}: {model.config.model} lives in one process; --engine ray needs models at "
                f"a server that every machine can reach, such as openai:NAME@http://HOST:8000/v1"
            )
