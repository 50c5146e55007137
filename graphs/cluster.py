"""Workers on the machines of a Ray cluster.

Each worker is a Ray actor that grows many trees at once, placed wherever the cluster has a core for
it. Ray starts it, notices when it or its machine dies, and places the next one; this module knows
which trees it had, so they are handed out again along with their answers so far. Reports are
fetched in batches, one Ray request for all that have accumulated.

Without an address, Ray is started on this machine just for the run: on the loopback interface,
without dashboard or usage statistics.
"""

import asyncio
import os
from collections import deque
from typing import Any, Self

from aloe.errors import AloeError, ConfigError
from aloe.extras import needs
from aloe.graphs.worker import Failed, Job, Report, Request, Worker, WorkerSetup
from aloe.graphs.worker_pool import WorkerLostError
from aloe.secrets import one_line

WAIT = 0.1
"""Longest that a report stays at its worker, in seconds."""

OBJECT_STORE = 100_000_000
"""Bytes of shared memory that a Ray started here keeps for messages, which are small."""


class Actor:
    """A worker as Ray runs it: requests come in by `put`, reports are fetched by `take`."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._reports: list[Report] = []
        self._news = asyncio.Event()
        self._worker: Worker | AloeError
        try:
            self._worker = Worker.of(setup, self._report)
        except AloeError as error:
            self._worker = error

    def _report(self, report: Report) -> None:
        self._reports.append(report)
        self._news.set()

    async def put(self, request: Request) -> None:
        """Take a request."""
        if isinstance(self._worker, Worker):
            self._worker.take(request)
        elif isinstance(request, Job):
            error = self._worker
            self._report(Failed(tree=request.planned.tree, error=type(error), reason=str(error)))

    async def take(self) -> list[Report]:
        """Wait for reports and return all there are."""
        await self._news.wait()
        await asyncio.sleep(WAIT)
        self._news.clear()
        reports, self._reports = self._reports, []
        return reports


class ActorConnection:
    """A worker on the cluster; a `aloe.graphs.worker_pool.Connection`.

    Args:
        actor: handle of its actor.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._received: deque[Report] = deque()

    def send(self, request: Request) -> None:
        """Tell the worker something; lost if it is dead."""
        self._actor.put.remote(request)

    async def receive(self) -> Report:
        """Wait for the worker's next report."""
        from ray.exceptions import RayError

        while not self._received:
            try:
                self._received.extend(await self._actor.take.remote())
            except RayError as error:
                raise WorkerLostError(one_line(error)) from None
        return self._received.popleft()

    async def close(self) -> None:
        """End the worker."""
        import ray

        ray.kill(self._actor)


class RayCluster:
    """A connection to Ray; leaving it as a context ends it, and a Ray that it started.

    Args:
        setup: what workers are made from.
        size: number of workers.

    Raises:
        ConfigError: Ray is not installed, or there is none at the address.
    """

    def __init__(self, setup: WorkerSetup, size: int) -> None:
        self._setup = setup
        self._size = size

    def __enter__(self) -> Self:
        address = self._setup.config.simulation.ray_address
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        if not address:
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # by any name: loopback only
        try:
            import ray
        except ModuleNotFoundError:
            raise ConfigError(needs("--engine ray", "ray")) from None
        own = {
            "num_cpus": self._size,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
        }
        try:
            ray.init(
                address=address or "local",
                logging_level="ERROR",
                log_to_driver=False,
                **({} if address else own),
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = f"at {address}" if address else "on this machine"
            raise ConfigError(f"there is no Ray {where}: {one_line(error)}") from None
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()

    def open_connection(self) -> ActorConnection:
        """Start one worker."""
        import ray

        # put and take of one worker go side by side
        kind = ray.remote(num_cpus=1, max_concurrency=1000)(Actor)
        return ActorConnection(kind.remote(self._setup))
