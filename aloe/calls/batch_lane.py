"""What waits for a batch, and what is on its way."""

import asyncio
from dataclasses import dataclass, field

from aloe.calls.batch_ledger import SentBatch
from aloe.calls.batch_server import BatchServer
from aloe.models.batch_api import BatchResult, RemoteBatch
from aloe.models.open import Model


@dataclass(kw_only=True, eq=False)
class WaitingCall:
    """A call that waits for its answer."""

    key: str
    data: bytes
    """The body of the request."""
    answer: "asyncio.Future[BatchResult | Exception]"


@dataclass(kw_only=True, eq=False)
class Flight:
    """A batch on its way."""

    sent: SentBatch
    calls: dict[str, WaitingCall] = field(default_factory=dict)
    """Those that wait for it, by custom id."""
    adopted: bool = False
    """Whether an earlier process sent it."""
    remote: RemoteBatch | None = None
    """As it was at the last look."""
    results: dict[str, BatchResult] | None = None
    """Answers that nobody has asked for yet; None before it has ended."""


@dataclass(kw_only=True, eq=False)
class Lane:
    """What goes to one model at one server: a file holds nothing else."""

    model: Model
    server: BatchServer
    waiting: list[WaitingCall] = field(default_factory=list)
    size: int = 0
    """Bytes of what waits."""
    most: int | None = None
    """Calls that the server's queue has room for, where it was found to have less."""
    flights: set[str] = field(default_factory=set)
    """Files of batches that are under way."""
    landed: asyncio.Event = field(default_factory=asyncio.Event)
