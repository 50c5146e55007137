"""Sends the calls of a run in batches, at half the price: `limits.batch`.

Calls gather here until nothing else goes on: every tree waits for one of them, so none would join
them before a batch comes back. "Nothing goes on" is measured, not counted, since a tree may have
several calls under way: for `limits.batch_lull` seconds no call came, none was answered, no model
was called directly, and the event loop kept its appointments. A file that is full goes out at once.
Sending too early or too late costs a round, never an answer.

Where trees stand is nobody's business here: a call waits for its answer as for any other model.
What the server has been asked is written down before it is waited for (`aloe.calls.batch_ledger`),
so the next run takes over the batches of one that was killed, and asks for nothing twice.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from aloe.calls.batch_lane import Flight, Lane, WaitingCall
from aloe.calls.batch_ledger import NAME, BatchLedger, SentBatch, custom_ids, key_of
from aloe.calls.batch_request import AROUND, request_body, request_line
from aloe.calls.batch_server import BatchServer
from aloe.calls.event import Event, read_events
from aloe.cancelling import raise_if_cancelled
from aloe.config import LimitsConfig
from aloe.errors import ConfigError, ModelError
from aloe.files.appending import cut_torn_line
from aloe.models.api_key import key_variable
from aloe.models.batch_api import BatchResult, RemoteBatch
from aloe.models.open import Model, server_of
from aloe.models.parameters import Sent
from aloe.models.providers import parse_model

TICKS = 8
"""Looks in a lull; one that comes late means that something happened."""

TOO_MUCH = "token_limit_exceeded"
"""Code of a batch for which the account's queue has no room."""


class Batches:
    """Where calls wait for a batch, and for its answers; see the module's docstring.

    Args:
        ledger: of the run folder.
        limits: how much goes into a file, when it is sent, and how often a batch is looked at.
    """

    def __init__(self, ledger: BatchLedger, limits: LimitsConfig) -> None:
        self.on_change: Callable[[], None] = lambda: None
        """Called when a batch is sent, looked at or read."""
        self._ledger = ledger
        self._limits = limits
        self._lull = limits.batch_lull
        self._lanes: dict[tuple[str, str, str], Lane] = {}
        self._flights: dict[str, Flight] = {}
        self._claims: defaultdict[str, deque[tuple[SentBatch, str]]] = defaultdict(deque)
        for sent in ledger.batches.values():
            for name in sent.open:
                self._claims[key_of(name)].append((sent, name))
        self._busy = 0
        self._active = 0.0
        self._due: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Hold back what waits while the block runs: it may lead to further calls."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._stir()

    async def send(self, model: Model, event: Event, sent: Sent) -> AIMessage:
        """Put a request into the next batch, and wait for its answer.

        Args:
            model: who is asked.
            event: the call; learns which batch answered it.
            sent: the request.

        Raises:
            ModelError: the run cannot go on.
            StoreError: the batch cannot be written down.
            TransientCallError, ServerError, UnreadableError: as `BatchResult.message`.
        """
        raise_if_cancelled()
        event.batch = None
        lane, loop = self._lane(model), asyncio.get_running_loop()
        data = json.dumps(request_body(model, sent)).encode()
        call = WaitingCall(key=event.key, data=data, answer=loop.create_future())
        self._place(lane, call)
        self._stir()
        result = await call.answer
        self._stir()
        if isinstance(result, Exception):
            raise result
        event.batch = result.batch
        return result.message()

    def lines(self) -> list[str]:
        """Return a line for each batch that is waited for."""
        found = []
        for flight in self._waited_for():
            remote, sent = flight.remote, flight.sent
            done = remote.done if remote else 0
            since = time.strftime("%H:%M", time.localtime(sent.started))
            found.append(f"{sent.id}: {done:,} of {len(sent.calls):,} done, since {since}")
        return found

    def _waited_for(self) -> list[Flight]:
        flights = self._flights.values()
        return [each for each in flights if each.results is None and each.sent.id]

    def _lane(self, model: Model) -> Lane:
        url, key = next(server_of(model))
        name = url, key.get_secret_value(), model.name
        if name not in self._lanes:
            server = BatchServer(model, self._limits.batch_poll)
            self._lanes[name] = Lane(model=model, server=server)
        return self._lanes[name]

    def _place(self, lane: Lane, call: WaitingCall) -> None:
        """Let a call wait where it has been sent already, else for the next batch."""
        if claims := self._claims.get(call.key):
            self._join(lane, *claims.popleft(), call)
        else:
            self._enqueue(lane, call)

    def _enqueue(self, lane: Lane, call: WaitingCall) -> None:
        size = len(call.data) + AROUND
        if lane.size + size > self._limits.batch_bytes:
            self._flush(lane)
        lane.waiting.append(call)
        lane.size += size
        if len(lane.waiting) >= self._limits.batch_requests:
            self._flush(lane)

    def _stir(self) -> None:
        """Take notice that something happened, and look later whether anything still does."""
        self._active = time.monotonic()
        if self._due is None:
            self._look_later()

    def _look_later(self) -> None:
        pause = self._lull / TICKS
        self._due = time.monotonic() + pause
        asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        now, due, self._due = time.monotonic(), self._due or 0.0, None
        waiting = [lane for lane in self._lanes.values() if lane.waiting]
        if not waiting:
            return
        if self._busy or now - due > self._lull / TICKS:
            self._active = now
        if now - self._active < self._lull:
            self._look_later()
            return
        for lane in waiting:
            self._flush(lane)

    def _flush(self, lane: Lane) -> None:
        """Send what waits for one model."""
        calls = [call for call in lane.waiting if not call.answer.done()]  # others are cancelled
        lane.waiting, lane.size = [], 0
        if calls:
            self._start(self._carry(lane, calls))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, lane: Lane, calls: Sequence[WaitingCall]) -> None:
        """Send calls, in as many batches as the server's queue needs, and answer them."""
        try:
            for part in _parts(calls, lane.most or len(calls)):
                await self._carry_together(lane, part)
        except Exception as error:
            _answer_all(calls, error)

    async def _carry_together(self, lane: Lane, calls: Sequence[WaitingCall]) -> None:
        """Send calls as one batch, or in halves if that is too much for the server's queue."""
        while True:
            flight = await self._submit(lane, calls)
            remote = await self._follow(lane, flight)
            if remote.status != "failed":
                self._settle_all(lane, flight)
                return
            if TOO_MUCH not in remote.codes or (len(calls) == 1 and not lane.flights):
                raise ModelError(
                    f"{lane.model.name}: {remote.id} failed ({remote.problem or 'no reason given'})"
                    "; nothing was charged for it: see to that, then run the same command again"
                )
            if not lane.flights:
                break
            lane.landed.clear()
            await lane.landed.wait()
        lane.most = len(calls) // 2
        for part in _parts(calls, lane.most):
            await self._carry_together(lane, part)

    async def _submit(self, lane: Lane, calls: Sequence[WaitingCall]) -> Flight:
        """Have a batch made of calls; each step is written down before the next."""
        names = custom_ids(call.key for call in calls)
        lines = [request_line(name, call.data) for name, call in zip(names, calls, strict=True)]
        file = await lane.server.upload(lines)
        config = lane.model.config
        variable = key_variable(config, at_openai=not parse_model(config).base_url)
        sent = self._ledger.add(file, lane.server.api.url, variable, lane.model.name, names)
        flight = Flight(sent=sent, calls=dict(zip(names, calls, strict=True)))
        remote = await lane.server.create(file)
        self._ledger.name(sent, remote.id)
        self._flights[file] = flight
        return flight

    async def _follow(self, lane: Lane, flight: Flight) -> RemoteBatch:
        """Wait for the end of a batch, and fetch its answers."""
        assert flight.sent.id
        lane.flights.add(flight.sent.file)
        try:
            remote = await lane.server.wait(flight.sent.id, lambda now: self._look_at(flight, now))
            flight.results = await lane.server.results(remote)
        finally:
            lane.flights.discard(flight.sent.file)
            lane.landed.set()
        self.on_change()
        return remote

    def _look_at(self, flight: Flight, now: RemoteBatch) -> None:
        flight.remote = now
        self.on_change()

    def _join(self, lane: Lane, sent: SentBatch, name: str, call: WaitingCall) -> None:
        """Let a call wait for a batch of an earlier process, in which it is."""
        flight = self._flights.get(sent.file)
        if flight is None:
            flight = self._flights[sent.file] = Flight(sent=sent, adopted=True)
            self._start(self._adopt(lane, flight))
        if flight.results is None:
            flight.calls[name] = call
        else:
            self._settle(lane, flight, name, call)

    async def _adopt(self, lane: Lane, flight: Flight) -> None:
        """Answer calls from a batch of an earlier process; send them again if there was none."""
        try:
            if flight.sent.id is None and (found := await lane.server.find(flight.sent.file)):
                self._ledger.name(flight.sent, found.id)
            if flight.sent.id is not None:
                await self._follow(lane, flight)
            else:
                flight.results = {}
            self._settle_all(lane, flight)
        except Exception as error:
            _answer_all(list(flight.calls.values()), error)

    def _settle_all(self, lane: Lane, flight: Flight) -> None:
        for name, call in flight.calls.items():
            self._settle(lane, flight, name, call)
        flight.calls = {}
        self._stir()

    def _settle(self, lane: Lane, flight: Flight, name: str, call: WaitingCall) -> None:
        """Answer a call of an ended batch, or send it again."""
        assert flight.results is not None
        remote, result = flight.remote, flight.results.pop(name, None)
        if result is None and remote and remote.status in ("completed", "expired"):
            result = BatchResult(batch=remote.id)
        if result is not None:
            _answer_all([call], result)
        elif flight.adopted:
            self._place(lane, call)
        else:
            what = f"{flight.sent.id} was cancelled at the server"
            _answer_all(
                [call],
                ModelError(
                    f"{lane.model.name}: {what}; the answers that it had are kept: run the same "
                    "command again to send the other calls"
                ),
            )


def _parts(calls: Sequence[WaitingCall], most: int) -> Iterator[Sequence[WaitingCall]]:
    for start in range(0, len(calls), most):
        yield calls[start : start + most]


def _answer_all(calls: Sequence[WaitingCall], answer: BatchResult | Exception) -> None:
    for call in calls:
        if not call.answer.done():
            call.answer.set_result(answer)


def open_batches(limits: LimitsConfig, events: Path) -> Batches | None:
    """Return where the calls of a run wait for each other; None if settings want no batches.

    Args:
        limits: of the settings.
        events: the run's events.jsonl; its batches are written down beside it.

    Raises:
        ConfigError: they want none, and an earlier part of the run waits for some.
        InputError: what that wrote down is broken.
    """
    path = events.parent / NAME
    if not limits.batch and not path.exists():
        return None
    cut_torn_line(path)
    ledger = BatchLedger(events.parent, read_events(events))
    if limits.batch:
        return Batches(ledger, limits)
    if left := [sent.id or sent.file for sent in ledger.awaited()]:
        raise ConfigError(
            f"the answers of {', '.join(left)} have not come: add --batch to pick them up; to give "
            f"them up and make the calls again, delete {path}"
        )
    return None
