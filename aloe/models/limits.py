"""How many calls a server gets, and when: one `Limiter` for each server and process.

A server gets more calls until it shows strain, and then a little less (additive increase,
multiplicative decrease, as in TCP): a 429, a timeout, or an answer slower than `limits.slow` cuts
the number of calls in flight, and answers let it grow again. Latency alone is no sign of strain: a
batching server queues calls without harm until they near their timeout. Caps per minute come from
the settings or, if lower, from the provider's headers, as long as they are plausible: one under
which a single call would outlast our patience is ignored.

A server that is down is not called by everybody in turn: after `TRIP` different failures in a row
all calls wait while single ones probe it. If it stays down for longer than `limits.patience`, the
run stops and can be resumed later. Calls queue first come, first served.

Each worker process has its own limiter: `share` scales the given caps, and each finds the rest by
trying, as connections from different machines share a line.
"""

import asyncio
import math
import random
import re
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic, time
from weakref import WeakValueDictionary

from aloe.config import LimitsConfig
from aloe.errors import ModelError, TransientCallError

CUT = 0.7
"""What is left of the calls in flight after a sign of strain."""

TRIP = 3
"""Different failures without an answer between them after which a server counts as gone."""

LONGEST_PAUSE = 30.0
"""Seconds, between two tries of a call or two probes of a server."""

EPOCH = 1e9
"""Seconds since 1970 that are past: a larger number is a time, no duration."""

_DURATION = re.compile(
    r"(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d*)?|\.\d+)s)?(?:(\d{1,9}(?:\.\d*)?)ms)?"
)
_UNITS = (3600.0, 60.0, 1.0, 0.001)


@dataclass(slots=True)
class Visit:
    """One call's stay at a server."""

    started: float
    """On the monotonic clock, in seconds."""
    probe: bool
    """Whether it goes to see if the server is back."""
    expected: float
    """Tokens that it was taken to cost."""


class Pace:
    """So much a minute, evenly; what was spent beyond is waited off.

    Args:
        per_minute: cap of the settings; None for none.
        patience: seconds that one call may be worth by the cap of a header.
    """

    def __init__(self, per_minute: float | None, patience: float = math.inf) -> None:
        self.per_minute = per_minute
        self._settings, self._patience = per_minute, patience
        self._due = 0.0

    def lower(self, per_minute: float) -> None:
        """Take `per_minute` for the cap if it is lower than the one in force."""
        if 60 / per_minute <= self._patience:
            self.per_minute = min(per_minute, self.per_minute or per_minute)

    def spend(self, amount: float, now: float) -> None:
        """Enter what a call costs, or give back what it did not cost."""
        if not self.per_minute:
            return
        seconds = amount * 60 / self.per_minute
        if seconds > self._patience and self.per_minute != self._settings:
            self.per_minute, self._due = self._settings, now
        else:
            self._due = max(self._due, now) + seconds

    def opens(self) -> float:
        """Return when the next call may start."""
        return self._due


class Limiter:
    """Lets calls to one server in; see the module's docstring.

    Args:
        server: what errors call it, such as its base URL.
        config: limits of the settings.
        share: part of the caps a minute and of the concurrency that this process may use.
    """

    def __init__(
        self, server: str = "the model", config: LimitsConfig | None = None, *, share: float = 1.0
    ) -> None:
        self.server = server
        self.config = config or LimitsConfig()
        self.in_flight = 0
        self._share = share
        self._most = max(1.0, (self.config.concurrency or math.inf) * share)
        self._width = self._most
        self._safe = 0.0
        self._cut_at, self._answered_at = -math.inf, 0.0
        patience = self.config.patience
        self._requests = Pace(_scaled(self.config.requests_per_minute, share), patience)
        self._tokens = Pace(_scaled(self.config.tokens_per_minute, share), patience)
        self._mean_tokens = 0.0
        self._not_before = -math.inf
        self._line: deque[asyncio.Future[Visit]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._failing: set[Hashable] = set()
        self._trouble_since: float | None = None
        self._down = False
        self._probing = False
        self._pause = self.config.backoff
        self._refusal: str | None = None

    async def enter(self) -> Visit:
        """Wait until the server may be called; every visit ends in exactly one of the others.

        Raises:
            ModelError: the server is gone, or wants us to wait, for longer than our patience.
        """
        if self._refusal:
            raise ModelError(self._refusal)
        if not self._line and self._room() and self._opens() <= monotonic():
            return self._start()
        turn: asyncio.Future[Visit] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self._wake()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.left(turn.result())
            raise

    def answered(self, visit: Visit, tokens: int | None, timeout: float) -> None:
        """End a visit that brought an answer.

        Args:
            visit: from `enter`.
            tokens: read and written; None if the answer was an error about this call alone.
            timeout: seconds that the call had.
        """
        now = monotonic()
        self._failing.clear()
        self._trouble_since, self._down, self._pause = None, False, self.config.backoff
        if tokens is not None:
            self._mean_tokens += 0.1 * (tokens - self._mean_tokens)
        self._tokens.spend((tokens or 0) - visit.expected, now)
        if now - visit.started > (self.config.slow or timeout / 2):
            self._strain(visit, now)
        elif self.in_flight + 1 > self._width:
            grown = self._width + (1 if self._width < self._safe else 1 / self._width)
            self._width = min(grown, self._most)
        self._answered_at = now
        self.left(visit)

    def failed(self, visit: Visit, error: TransientCallError, call: Hashable) -> None:
        """End a visit that may be tried again; `call` tells different calls apart."""
        now = monotonic()
        self._tokens.spend(-visit.expected, now)
        if error.cause not in ("fault", "garbled"):
            self._strain(visit, now)
        if error.cause == "busy":
            self._trouble_since = self._trouble_since or now
        elif error.cause != "garbled":
            # Being turned away says something about the server, a broken answer about its call.
            self._failing.add(object() if error.cause == "down" else call)
        if len(self._failing) >= TRIP:
            self._stay_away(visit, now)
        if error.retry_after:
            self.pause(error.retry_after)
        if self._trouble_since and now - self._trouble_since > self.config.patience:
            self._refuse(f"has answered no call for {now - self._trouble_since:.0f} s ({error})")
        self.left(visit)

    def left(self, visit: Visit) -> None:
        """End a visit that says nothing about the server, such as a cancelled one."""
        self.in_flight -= 1
        self._probing = self._probing and not visit.probe
        self._wake()

    def pause(self, seconds: float) -> None:
        """Let nobody in for so long, as the server asked."""
        if seconds > self.config.patience:
            self._refuse(f"asks to wait {seconds:.0f} s")
        self._not_before = max(self._not_before, monotonic() + seconds)

    @property
    def gave_up(self) -> bool:
        """Whether the server was gone for longer than our patience."""
        return self._refusal is not None

    def heard(self, headers: Mapping[str, str]) -> None:
        """Take caps and what is left of them from the headers of an answer."""
        for kind, pace in (("requests", self._requests), ("tokens", self._tokens)):
            if limit := _number(headers.get(f"x-ratelimit-limit-{kind}")):
                pace.lower(limit * self._share)
            if _number(headers.get(f"x-ratelimit-remaining-{kind}")) == 0:
                self.pause(_until(headers.get(f"x-ratelimit-reset-{kind}", "")))

    def in_force(self) -> str | None:
        """Return what holds calls back at this moment; None if nothing does."""
        parts = []
        if self._width < math.inf:
            parts.append(f"{int(self._width)} at once")
        for pace, unit in ((self._requests, "requests"), (self._tokens, "tokens")):
            if pace.per_minute:
                parts.append(f"{pace.per_minute:.0f} {unit}/min")
        if self._down:
            parts.append("gone, probing")
        elif (wait := self._not_before - monotonic()) > 0:
            parts.append(f"pausing {math.ceil(wait)} s")
        return ", ".join(parts) or None

    def backoff(self, failures: int) -> float:
        """Return the seconds to wait after so many failures of one call, with jitter."""
        return min(self.config.backoff * 2.0 ** (failures - 1), LONGEST_PAUSE) * _jitter()

    def _room(self) -> bool:
        return not self._probing if self._down else self.in_flight + 1 <= self._width

    def _opens(self) -> float:
        return max(self._not_before, self._requests.opens(), self._tokens.opens())

    def _start(self) -> Visit:
        now = monotonic()
        self.in_flight += 1
        self._requests.spend(1, now)
        self._tokens.spend(self._mean_tokens, now)
        self._probing = self._probing or self._down
        return Visit(now, self._down, self._mean_tokens)

    def _strain(self, visit: Visit, now: float) -> None:
        """Cut the calls in flight, once for all that were under way together."""
        if visit.started <= self._cut_at:
            return
        self._width = max(1.0, min(self._width, self.in_flight) * CUT)
        if self._answered_at > self._cut_at:
            self._safe = self._width  # up to here it may grow fast again
        self._cut_at = now

    def _stay_away(self, visit: Visit, now: float) -> None:
        """Stop calling, but for a probe now and then."""
        self._trouble_since = self._trouble_since or now
        if self._down and not visit.probe:
            return  # was under way before
        self._down = True
        self._not_before = max(self._not_before, now + self._pause * _jitter())
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _refuse(self, problem: str) -> None:
        self._refusal = (
            f"{self.server} {problem}; finished work is kept: check the server, then run the "
            "same command again"
        )

    def _wake(self) -> None:
        """Let in whom room and time allow, and come back when time allows the next."""
        while self._line and (self._refusal or self._room()):
            wait = self._opens() - monotonic()
            if wait > 0 and not self._refusal:
                if self._alarm:
                    self._alarm.cancel()
                self._alarm = asyncio.get_running_loop().call_later(wait, self._wake)
                return
            turn = self._line.popleft()
            if turn.done():
                continue  # cancelled
            if self._refusal:
                turn.set_exception(ModelError(self._refusal))
            else:
                turn.set_result(self._start())


_limiters: WeakValueDictionary[tuple[str, LimitsConfig, float], Limiter] = WeakValueDictionary()


def server_at(url: str) -> str:
    """Return what a server is known by: its base URL, which people end with a slash or without."""
    return re.sub(r"/+(?=\?|$)", "", url)


def limiter_of(server: str, config: LimitsConfig, share: float = 1.0) -> Limiter:
    """Return the limiter that all models at `server` share, for as long as one of them lives.

    One that has given its server up is of the past: who asks anew wants to try anew.
    """
    key = server, config, share
    found = _limiters.get(key)
    if found is None or found.gave_up:
        found = _limiters[key] = Limiter(server, config, share=share)
    return found


def in_force(limiters: Iterable[Limiter]) -> list[str]:
    """Return a line for each server that is held back, such as `http://...: 24 at once`."""
    states = {limiter.server: limiter.in_force() for limiter in limiters}
    return [f"{server}: {state}" for server, state in states.items() if state]


def duration(text: str) -> float | None:
    """Return the seconds that `6m0s`, `17ms` or `12` stand for; None if it is none of the kind."""
    if (plain := _number(text)) is not None:
        return plain
    match = _DURATION.fullmatch(text)
    if not text or not match:
        return None
    return sum(
        float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part
    )


def _until(text: str) -> float:
    """Return the seconds to a reset, which some servers give as a time; 0 if nobody can tell."""
    seconds = duration(text) or 0.0
    for unit in (1000.0, 1.0):  # since 1970, and in no unit of a duration
        if seconds > EPOCH * unit:
            return max(0.0, seconds / unit - time())
    return seconds


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def _scaled(cap: float | None, share: float) -> float | None:
    return cap * share if cap else None


def _jitter() -> float:
    return random.uniform(0.5, 1.0)
