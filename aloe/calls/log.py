"""The log of model calls: one line of events.jsonl for each, and a journal to resume from.

Agents open a call, ask, and say what became of the answer (which node, which outcome); the line is
written when the call closes, whatever happened. Because a line holds the reply under a key made of
everything that went into the call, the same file is the journal: a run that was killed reads it
again, and calls that were answered are not made twice. The sampling seed is part of the key and is
different for every call of a run, and a line answers one call only, so one reply never counts as
two samples.

A call that fails temporarily is retried here and nowhere else, and every attempt has its line. The
limiter and the budget decide for how long (`aloe.models.limits`, `aloe.calls.budget`).

What was sent is kept as well, each message once per tree: a line lists its messages and spells out
only those that no earlier line of the tree did, so that a conversation is not repeated with every
turn. `aloe.calls.recorded_call` puts the two together.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Self, TextIO

from aloe.calls.batch_request import takes_batches
from aloe.calls.batches import Batches
from aloe.calls.budget import Budget
from aloe.calls.event import Event, read_events, write_event
from aloe.calls.journal import Journal
from aloe.calls.prices import cost_of
from aloe.calls.refusals import Refusals
from aloe.calls.sample import vary_wishes
from aloe.calls.totals import Totals
from aloe.config import Config, Price
from aloe.errors import CallError, ContextError, TransientCallError
from aloe.models.http_stream import Hear
from aloe.models.limits import Limiter
from aloe.models.open import Message, Model, Reply
from aloe.models.parameters import Send
from aloe.schema import digest

SPELLED = 8192
"""Messages remembered as written; beyond that, some are written to the file twice."""


class CallLog:
    """Where all calls of a run pass; see the module's docstring.

    Args:
        file: open events file, written line by line; None keeps no record.
        prices: US dollars per million tokens, as the settings have them.
        on_event: called with each finished event, for a live display.
        budget: what may be spent; None for no limit.
        patient: whether to go on where no answer of a role can be read, as one does who wants
            to know how many can.
        batches: where calls wait for each other, to be sent together; None to make each at once.
        replayed: whether a recording holds every answer, so that nobody can be asked.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        prices: Mapping[str, Price] | None = None,
        on_event: Callable[[Event], None] = lambda _: None,
        budget: Budget | None = None,
        patient: bool = False,
        batches: Batches | None = None,
        replayed: bool = False,
    ) -> None:
        self.totals = Totals()
        self.budget = budget or Budget()
        self._file = file
        self._prices = prices or {}
        self._listeners = [on_event]
        self.limiters: set[Limiter] = set()
        """Those of the servers that were called."""
        self.refusals = Refusals()
        self.batches = batches
        self.replayed = replayed
        self._patient = patient
        self._journal = Journal(replayed=replayed)
        self._spelled: dict[tuple[str | None, str, str], str] = {}

    @classmethod
    def resumed(
        cls,
        file: TextIO,
        config: Config,
        *,
        patient: bool = False,
        batches: Batches | None = None,
    ) -> Self:
        """Return the log of an events file, with what its calls leave of the budget.

        Raises:
            InputError: a line of the file is no event.
            ConfigError: a cap in dollars is to be kept, and what earlier calls cost is not known.
        """
        budget = Budget.resumed(config.budget, read_events(Path(file.name)), config.prices)
        return cls(file, prices=config.prices, budget=budget, patient=patient, batches=batches)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with each finished event from now on as well."""
        self._listeners.append(listener)

    def remember(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Answer calls from these earlier events instead of making them again, each line once."""
        self._journal.remember(lines)

    def recall(self, call: Event) -> Reply | None:
        """Return what is known to answer a call, and count it; None if it has to be made.

        Raises:
            CallError: it failed, or was cancelled, in the run that it was carried over from.
        """
        known = self._journal.recall(call)
        self.totals.replayed += known is not None
        return known

    def knows(
        self, role: str, model: Model, messages: Sequence[Message], wishes: Mapping[str, Any]
    ) -> bool:
        """Whether `recall` has something for a call; the arguments are those of `Call.ask`."""
        if self._journal.empty:
            return False
        return self._journal.holds(_key_of(role, model, messages, vary_wishes(wishes)))

    @asynccontextmanager
    async def call(
        self, role: str, model: Model, *, tree: str | None = None, node: str | None = None
    ) -> AsyncIterator["Call"]:
        """Open one call; its event is written on leaving, also when the call failed."""
        event = Event(role=role, model=model.name, tree=tree, node=node, about=node)
        call = Call(self, model, event)
        try:
            yield call
        except asyncio.CancelledError:
            call.drop()
            raise
        except BaseException as error:
            call.close(error)
            raise
        call.close()
        if not self._patient:
            self.refusals.read(call.event)

    def take(self, event: Event, messages: Sequence[Message] = ()) -> None:
        """Enter one finished call: count it, price it, write its line.

        Args:
            event: the call; one that another process made has its price and its messages already.
            messages: what was sent.

        Raises:
            StoreError: the line cannot be written (a full disk, say).
        """
        if event.cost is None:
            event.cost = cost_of(
                self._prices,
                event.model,
                read=event.input_tokens,
                wrote=event.output_tokens,
                cached=event.cached_tokens,
                batched=bool(event.batch),
            )
        if messages:
            self._spell(event, messages)
        self.totals.add(event)
        self.budget.spent.add(event.input_tokens + event.output_tokens, event.cost)
        if self._file:
            write_event(self._file, event)
        for listener in self._listeners:
            listener(event)

    def batches_for(self, model: Model) -> Batches | None:
        """Return where the calls of a model wait for each other; None if they are made at once."""
        return self.batches if self.batches and takes_batches(model) else None

    def meanwhile(self) -> AbstractContextManager[None]:
        """Return what stands around a call that no batch carries."""
        return self.batches.meanwhile() if self.batches else nullcontext()

    def _spell(self, event: Event, messages: Sequence[Message]) -> None:
        """Name the messages in `event`, and spell out those that are new to the tree."""
        if len(self._spelled) > SPELLED:
            self._spelled.clear()
        for role, text in messages:
            place = (event.tree, role, text)
            name = self._spelled.get(place)
            if name is None:
                name = self._spelled[place] = digest(role, text)
                event.texts[name] = (role, text)
            event.prompt.append(name)


def _key_of(role: str, model: Model, messages: Sequence[Message], wishes: Mapping[str, Any]) -> str:
    return digest(role, model.fingerprint, list(messages), wishes)


class Call:
    """One call in the making: ask it, then set `event.node` and `event.outcome`."""

    def __init__(self, log: CallLog, model: Model, event: Event) -> None:
        self.event = event
        self._log = log
        self._model = model
        self._messages: Sequence[Message] = ()
        self._made = False

    async def ask(
        self, messages: Sequence[Message], hear: Hear | None = None, /, **wishes: Any
    ) -> Reply:
        """Ask the model, or the journal; `wishes` are those of `Model.arguments`.

        `hear` is told what the message says so far, as by `Model.ask`; a journal is not heard.

        What fails in passing is tried again: `limits.tries` times where the call may be to blame,
        and for `limits.patience` seconds where its server is. Where thoughts left no room for the
        message and no `max_tokens` was wished for, the model is asked once more with enough.

        Raises:
            ModelError: the run cannot go on.
            BudgetError: the run may not go on.
            CallError: this call failed.
        """
        wishes = vary_wishes(wishes)
        reply = await self._asked(messages, wishes, hear)
        room = self._model.thinking_room
        if not reply.crowded_out or room is None or "max_tokens" in wishes:
            return reply
        self.event.outcome = "only_reasoning" if reply.only_reasoned else "truncated"
        self._next()
        try:
            return await self._asked(messages, {**wishes, "max_tokens": room}, hear)
        except TransientCallError:
            raise
        except CallError as error:  # so much room is more than the model has
            self._next(error)
            return reply

    async def _asked(
        self, messages: Sequence[Message], wishes: dict[str, Any], hear: Hear | None
    ) -> Reply:
        """Ask the model, or the journal, as often as it fails in passing."""
        event, limiter = self.event, self._model.limiter
        event.key = _key_of(event.role, self._model, messages, wishes)
        if (known := self._log.recall(event)) is not None:
            self._log.refusals.answered(event)
            return known
        batches = self._log.batches_for(self._model)
        if not batches:
            self._log.limiters.add(limiter)
        self._messages, event.arguments = messages, self._model.arguments(**wishes)
        failures, own_failures = 0, 0
        troubled: float | None = None  # when its server first was busy or down
        while True:
            try:
                return await (self._attempt_in(batches) if batches else self._attempt(hear))
            except TransientCallError as error:
                failures += 1
                own = bool(batches) or error.cause in ("slow", "fault", "garbled")
                own_failures += own
                if not own and troubled is None:
                    troubled = time.monotonic()
                waited = time.monotonic() - troubled if troubled else 0.0
                if own_failures >= limiter.config.tries or waited > limiter.config.patience:
                    raise await self._log.refusals.refused(event, error) from None
                self._next(error)
                if not batches and error.cause != "down" and not error.retry_after:  # else we queue
                    await asyncio.sleep(limiter.backoff(failures))
            except CallError as error:
                raise await self._log.refusals.refused(event, error) from None

    async def _attempt(self, hear: Hear | None) -> Reply:
        """Ask the model once, when its server and the budget allow it."""
        model, limiter = self._model, self._model.limiter
        visit = await limiter.enter()
        try:
            await self._admit()  # what is in flight, and waited for, may wait in a batch
            with self._log.meanwhile():
                reply = await self._make(hear)
        except TransientCallError as error:
            limiter.failed(visit, error, self.event.key)
            raise
        except CallError:
            limiter.answered(visit, None, model.config.timeout)
            raise
        except BaseException:
            limiter.left(visit)
            raise
        limiter.answered(visit, reply.input_tokens + reply.output_tokens, model.config.timeout)
        return reply

    async def _attempt_in(self, batches: Batches) -> Reply:
        """Ask the model once, together with others."""
        await self._admit()
        return await self._make(None, partial(batches.send, self._model, self.event))

    async def _admit(self) -> None:
        """Wait until the budget allows the call."""
        await self._log.budget.admit()
        self._made = True

    async def _make(self, hear: Hear | None, send: Send | None = None) -> Reply:
        """Make the call, and enter what came."""
        event = self.event
        event.started, clock = time.time(), time.perf_counter()
        try:
            with self._log.refusals.asking(event):
                reply = await self._model.ask(self._messages, event.arguments, hear, send)
                self._log.refusals.answered(event)
        except CallError as error:
            event.enter(error.usage)
            event.estimated = bool(error.usage and error.usage.estimated)
            raise
        finally:
            event.latency = round(time.perf_counter() - clock, 4)
        event.enter(reply)
        event.reply = vars(reply)
        return reply

    def _next(self, error: TransientCallError | CallError | None = None) -> None:
        """Write down an attempt that another one follows."""
        kept = ("role", "model", "tree", "node", "about", "key", "arguments")  # nothing came of it
        fresh = Event(**{name: getattr(self.event, name) for name in kept})
        self.close(error)
        self.event = fresh

    def close(self, error: BaseException | None = None) -> None:
        """Write the call down, if it was made."""
        if not self._made:
            return
        if error is not None:
            self.event.outcome, self.event.error = "error", str(error)
            self.event.too_long = isinstance(error, ContextError)
        try:
            self._log.take(self.event, self._messages)
        finally:
            self.drop()

    def drop(self) -> None:
        """End the call without a line, as when it was cancelled."""
        if self._made:
            self._made = False
            self._log.budget.settle()
