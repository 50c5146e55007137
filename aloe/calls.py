"""The log of model calls: one line of events.jsonl for each, and a journal to resume from.

Agents open a call, ask, and say what became of the answer (which node, which outcome); the line is
written when the call closes, whatever happened. Because a line holds the reply under a key made of
everything that went into the call, the same file is the journal: a run that was killed reads it
again, and calls that were answered are not made twice. The sampling seed is part of the key and is
different for every call of a run, so one reply never stands in for two samples.

What was sent is kept as well, each message once a tree: a line names its messages and spells out
those that no earlier line of the tree did, so that a talk does not stand there again with each of
its turns. `aloe.exchange` puts the two together.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from aloe.config import Price
from aloe.models import Message, Model, Reply
from aloe.schema import digest

SPELLED = 8192
"""Messages remembered as written; when there are more, some will stand in the file twice."""


@dataclass(kw_only=True)
class Event:
    """One model call as it stands in events.jsonl."""

    role: str
    """Name of the agent that called."""
    model: str
    tree: str | None
    """Tree the call worked for; None outside of trees."""
    node: str | None
    """Node that the call wrote, judged or read; of a failed call, the node it answered."""
    outcome: str = "ok"
    """`ok`, a fault such as `empty` or `unreadable`, or `error`."""
    started: float = 0.0
    """Unix time in seconds."""
    latency: float = 0.0
    """Seconds from the question to the answer."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    """US dollars; None if the model's price is not known."""
    key: str = ""
    """Hash of model, messages and arguments."""
    prompt: list[str] = field(default_factory=list)
    """Ids of the messages that were sent, in order."""
    texts: dict[str, Message] = field(default_factory=dict)
    """Role and text by id, of the messages that no earlier line of the tree spells out."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """What was sent beside the messages and the sampling settings of the role."""
    reply: dict[str, Any] | None = None
    """The answer as it came; None if the call failed."""
    error: str | None = None


@dataclass(kw_only=True)
class Totals:
    """Sums over the calls of this process."""

    calls: int = 0
    replayed: int = 0
    """Calls answered from the journal of an earlier, interrupted run; not part of the rest."""
    errors: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """US dollars over the calls whose price is known."""
    unpriced: int = 0
    """Calls whose price is not known."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls by (role, outcome)."""

    def add(self, event: Event) -> None:
        """Count one call."""
        self.calls += 1
        self.errors += event.outcome == "error"
        self.input_tokens += event.input_tokens
        self.cached_tokens += event.cached_tokens
        self.output_tokens += event.output_tokens
        self.cost += event.cost or 0.0
        self.unpriced += event.cost is None
        self.outcomes[event.role, event.outcome] += 1


class CallLog:
    """Where all calls of a run pass; see the module's docstring.

    Args:
        file: open events file, written line by line; None keeps no record.
        prices: US dollars per million tokens by model name.
        on_event: called with each finished event, for a live display.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        prices: Mapping[str, Price] | None = None,
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self.totals = Totals()
        self._file = file
        self._prices = prices or {}
        self._on_event = on_event
        self._journal: dict[str, dict[str, Any]] = {}
        self._spelled: dict[tuple[str | None, str, str], str] = {}

    def remember(self, lines: Sequence[dict[str, Any]]) -> None:
        """Answer calls from these earlier events instead of making them again.

        Where the model said nothing there is nothing to stand in: such a call is made again, so
        that a tree which was set aside for it gets another chance.
        """
        replies = ((line["key"], line.get("reply")) for line in lines)
        self._journal |= {key: reply for key, reply in replies if reply and reply["text"].strip()}

    @asynccontextmanager
    async def call(
        self, role: str, model: Model, *, tree: str | None = None, node: str | None = None
    ) -> AsyncIterator["Call"]:
        """Open one call; its event is written on leaving, also when the call failed."""
        call = Call(self._journal, model, Event(role=role, model=model.name, tree=tree, node=node))
        try:
            yield call
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            call.event.outcome, call.event.error = "error", str(error)
            self._write(call)
            raise
        self._write(call)

    def _write(self, call: "Call") -> None:
        if call.replayed:
            self.totals.replayed += 1
            return
        event = call.event
        event.cost = self._cost(event)
        self._spell(event, call.messages)
        self.totals.add(event)
        if self._file:
            self._file.write(json.dumps(vars(event), ensure_ascii=False) + "\n")
            self._file.flush()
        self._on_event(event)

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

    def _cost(self, event: Event) -> float | None:
        provider, _, name = event.model.partition(":")
        if price := self._prices.get(name):
            return (event.input_tokens * price.input + event.output_tokens * price.output) / 1e6
        return None if provider in ("openai", "community") else 0.0


class Call:
    """One call in the making: ask it, then set `event.node` and `event.outcome`."""

    def __init__(self, journal: dict[str, dict[str, Any]], model: Model, event: Event) -> None:
        self.event = event
        self.replayed = False
        self.messages: Sequence[Message] = ()
        self._journal = journal
        self._model = model

    async def ask(self, messages: Sequence[Message], **wishes: Any) -> Reply:
        """Ask the model, or the journal; `wishes` are those of `Model.arguments`.

        Raises:
            ModelError: the run cannot go on.
            CallError: this call failed.
        """
        arguments = self._model.arguments(**wishes)
        event = self.event
        event.key = digest(self._model.fingerprint, list(messages), wishes)
        if event.key in self._journal:
            self.replayed = True
            return Reply(**self._journal[event.key])
        self.messages, event.arguments = messages, arguments
        event.started = time.time()
        clock = time.perf_counter()
        try:
            reply = await self._model.ask(messages, arguments)
        finally:
            event.latency = round(time.perf_counter() - clock, 4)
        event.input_tokens = reply.input_tokens
        event.cached_tokens = reply.cached_tokens
        event.output_tokens = reply.output_tokens
        event.reply = vars(reply)
        return reply


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the events in `path`; a torn last line, left by a kill, is passed over."""
    if not path.exists():
        return []
    events = []
    # Not splitlines(): it also breaks at characters that may stand inside a reply.
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events
