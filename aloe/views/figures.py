"""What a run is spending, in a few lines shared by all live displays.

While a run is in progress, rates cover the last few seconds, which is what somebody tuning the
server wants to see; at the end they cover the whole run.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aloe.number_format import say_cost

if TYPE_CHECKING:
    from aloe.calls.budget import Budget
    from aloe.calls.log import CallLog
    from aloe.calls.totals import Totals

WINDOW = 20.0
"""Seconds over which a rate is taken while a run goes on."""


class Throughput:
    """Calls and written tokens a second."""

    def __init__(self, totals: "Totals") -> None:
        self._totals = totals
        self._started = time.monotonic()
        self._ended: float | None = None
        self._samples = deque([(self._started, totals.calls, totals.output_tokens)])

    def end(self) -> None:
        """Stop the clock: from now on rates are those of the whole run."""
        self._ended = self._ended or time.monotonic()

    @property
    def ended(self) -> bool:
        """Whether the clock was stopped."""
        return self._ended is not None

    @property
    def seconds(self) -> float:
        """Seconds since the start, or the length of the run once it has ended."""
        return (self._ended or time.monotonic()) - self._started

    def rates(self) -> tuple[float, float]:
        """Return calls and written tokens per second."""
        now, totals = time.monotonic(), self._totals
        if self._ended:
            span = max(self.seconds, 1e-9)
            return totals.calls / span, totals.output_tokens / span
        if now - self._samples[-1][0] > 0.5:
            self._samples.append((now, totals.calls, totals.output_tokens))
        while len(self._samples) > 2 and now - self._samples[1][0] > WINDOW:
            self._samples.popleft()
        then, calls, tokens = self._samples[0]
        span = max(now - then, 1e-9)
        return (totals.calls - calls) / span, (totals.output_tokens - tokens) / span

    def to_go(self, done: float, wanted: float) -> float | None:
        """Return the seconds to the end if the rest takes as long as what is done; None if unknown.

        Args:
            done: how many were done since the start; one under way may count in part.
            wanted: how many are wanted in all of them.
        """
        return self.seconds / done * (wanted - done) if 0 < done < wanted else None


def spending(
    calls: "CallLog", pace: Throughput, silent: Counter[tuple[str, str]] | None = None
) -> dict[str, str]:
    """Return calls, tokens, cost and what went wrong, each in one line, by name.

    `silent` is what may have gone wrong without a call, by role and kind; of what was counted twice
    the higher count holds.
    """
    from aloe.models.limits import in_force

    t = calls.totals
    per_second, tokens_per_second = pace.rates()
    cached = t.cached_tokens / t.input_tokens if t.input_tokens else 0.0
    lines = {
        "calls": f"{t.calls:,}, {per_second:.1f}/s"
        + (f", {t.replayed:,} replayed" if t.replayed else ""),
        "tokens": f"{t.input_tokens:,} read ({cached:.0%} from cache), "
        f"{t.output_tokens:,} written, {tokens_per_second:.0f}/s",
        "cost": say_cost(t.known_cost, "${:.4f}"),
        "time": f"{pace.seconds:.1f} s",
    }
    if caps := ", ".join(_caps(calls.budget)):
        lines["budget"] = caps
    if not pace.ended and (held := "; ".join(in_force(calls.limiters))):
        lines["limits"] = held
    if calls.batches and (awaited := "; ".join(calls.batches.lines())):
        lines["waiting"] = awaited
    if troubles := ", ".join(_troubles(t.outcomes | (silent or Counter()))):
        lines["trouble"] = troubles
    return lines


def awaited_batches(calls: "CallLog") -> str:
    """Return the batches that are waited for, to be read on from a line; empty without any."""
    lines = calls.batches.lines() if calls.batches else []
    return f"; waiting for {'; '.join(lines)}" if lines else ""


def _caps(budget: "Budget") -> Iterator[str]:
    """Yield what is spent of each cap, earlier parts of the run included."""
    limits, spent = budget.limits, budget.spent
    if limits.max_calls is not None:
        yield f"{spent.calls:,} of {limits.max_calls:,} calls"
    if limits.max_tokens is not None:
        yield f"{spent.tokens:,} of {limits.max_tokens:,} tokens"
    if limits.max_cost is not None:
        yield f"${spent.cost:.4f} of ${limits.max_cost:.2f}"


def _troubles(outcomes: Counter[tuple[str, str]]) -> Iterator[str]:
    """Yield what went wrong, by role and kind, the most frequent first."""
    for (role, kind), count in outcomes.most_common():
        if kind != "ok":
            yield f"{role} {kind} {count:,}"
