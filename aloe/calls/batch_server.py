"""A server's batch API, asked until it answers: a batch takes hours, and servers hiccup meanwhile.

What fails in passing is asked again for as long as `limits.patience` allows. Whatever cannot pass
is a ModelError that says what to do. A batch that may have been made, although nobody said so, is
looked for before it is made again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aloe.errors import ModelError, TransientCallError
from aloe.models.batch_api import BatchApi, BatchResult, RemoteBatch
from aloe.models.http_answer import server_error
from aloe.models.open import Model, server_of

T = TypeVar("T")

LONGEST_BACKOFF = 30.0
"""Seconds between two tries."""

MISSING = frozenset({404, 405, 501})
"""Statuses of servers that know nothing of what was asked for."""


class BatchServer:
    """The batch API behind a model.

    Every method raises ModelError where the server does not, or no longer, do what it is asked.

    Args:
        model: one of its models.
        poll: seconds between two looks at a batch.
    """

    def __init__(self, model: Model, poll: float) -> None:
        url, key = next(server_of(model))
        self.api = BatchApi(url, key)
        self._model = model
        self._poll = poll

    async def upload(self, lines: Sequence[bytes]) -> str:
        """Send a file of requests, and return its id."""
        size = sum(map(len, lines)) / 1e6
        about = f"a file of {len(lines):,} calls and {size:.1f} MB"
        return await self._insist(lambda: self.api.upload(lines), about)

    async def create(self, file: str) -> RemoteBatch:
        """Start a batch of an uploaded file, once."""
        asked = False

        async def make() -> RemoteBatch:
            nonlocal asked
            if asked and (found := await self.api.find(file)):
                return found
            asked = True
            return await self.api.create(file)

        return await self._insist(make, "a batch")

    async def find(self, file: str) -> RemoteBatch | None:
        """Return the batch that was made of a file; None if none was."""
        return await self._insist(lambda: self.api.find(file), "the list of batches")

    async def get(self, batch: str) -> RemoteBatch:
        """Return what has become of a batch."""
        return await self._insist(lambda: self.api.get(batch), batch)

    async def cancel(self, batch: str) -> RemoteBatch:
        """End a batch; what it has answered is kept."""
        return await self._insist(lambda: self.api.cancel(batch), batch)

    async def wait(self, batch: str, look: Callable[[RemoteBatch], None]) -> RemoteBatch:
        """Return a batch once it has ended; `look` is shown what it was in between."""
        while True:
            found = await self.get(batch)
            look(found)
            if found.ended:
                return found
            await asyncio.sleep(self._poll)

    async def results(self, batch: RemoteBatch) -> dict[str, BatchResult]:
        """Return what an ended batch says of its requests, by custom id."""
        return await self._insist(lambda: self.api.results(batch), f"the answers of {batch.id}")

    async def _insist(self, ask: Callable[[], Awaitable[T]], about: str) -> T:
        limits, since = self._model.limiter.config, time.monotonic()
        pause = limits.backoff
        while True:
            try:
                return await ask()
            except Exception as error:
                problem = self._sort(error, about)
                if not isinstance(problem, TransientCallError):
                    raise problem from None
                waited = time.monotonic() - since
                pause = problem.retry_after or pause
                if waited + pause > limits.patience:
                    raise ModelError(
                        f"{problem}; there was no better answer for {waited:.0f} s: finished work "
                        "is kept, check the server, then run the same command again"
                    ) from None
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_BACKOFF)

    def _sort(self, error: Exception, about: str) -> ModelError | TransientCallError:
        """Say what kept the server from dealing with `about`."""
        said = server_error(error)
        failure = self._model.failure(error)
        status = said.status_code if said else None
        if status in MISSING and about.startswith(("a ", "the list")):
            return ModelError(
                f"{self._model.name}: {self.api.url} has no batch API ({said}); "
                "leave out --batch (limits.batch)"
            )
        if status in MISSING:
            return ModelError(
                f"{self._model.name}: {self.api.url} no longer knows {about} ({said}); to send its "
                "calls again, delete its lines in batches.jsonl"
            )
        if status == 413:
            return ModelError(
                f"{self._model.name}: {self.api.url} takes no file so large ({about}; {said}); "
                "lower limits.batch_bytes or limits.batch_requests"
            )
        if isinstance(failure, TransientCallError | ModelError):
            return failure
        return ModelError(f"{about} was refused: {failure}")
