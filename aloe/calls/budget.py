"""What a run may cost, and how it stops when that is spent.

The budget belongs to the run folder: earlier parts of the run count, so repeating a command with
the same cap never spends more than the cap; calls logged without a price are priced by the
current settings. Calls are admitted one by one. When the next one could exceed the cap, it waits
for those in flight, whose answers are kept, and only then ends the run. Calls in flight are assumed
to cost the average so far, so the cap on calls is exact, and those on tokens and money are as close
as the cost of one call can be predicted.

Worker processes spend what the main process allows: it counts their events in its own budget and
closes theirs when that is spent.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aloe.calls.prices import cost_of_line, how_to_price
from aloe.config import BudgetConfig, Price
from aloe.errors import BudgetError, ConfigError

UNNAMED = "a model that they do not name: cap calls or tokens instead (max_calls, max_tokens)"
"""What earlier calls were made to, where their lines do not say."""


@dataclass(kw_only=True)
class Spent:
    """What calls cost."""

    calls: int = 0
    tokens: int = 0
    """Read and written."""
    cost: float = 0.0
    """US dollars, over the calls whose price is known."""
    unpriced: str | None = None
    """What is missing to know what earlier calls cost, as the end of an error; None: nothing."""

    @classmethod
    def before(cls, lines: Iterable[Mapping[str, Any]], prices: Mapping[str, Price]) -> "Spent":
        """Return what the calls of these earlier events cost."""
        spent = cls()
        for line in lines:
            spent.add_earlier(line, prices)
        return spent

    def add_earlier(self, line: Mapping[str, Any], prices: Mapping[str, Price]) -> None:
        """Count a call of an earlier part of the run, as its event and the current prices tell."""
        if line.get("carried"):
            return
        cost = cost_of_line(prices, line)
        if cost is None:
            self.unpriced = how_to_price(line["model"]) if line.get("model") else UNNAMED
        self.add(line["input_tokens"] + line["output_tokens"], cost)

    def add(self, tokens: int, cost: float | None) -> None:
        """Count one call."""
        self.calls += 1
        self.tokens += tokens
        self.cost += cost or 0.0


class Budget:
    """The budget of one run.

    Args:
        limits: its caps.
        spent: what earlier parts of the run cost; counted up from there.

    Raises:
        ConfigError: there is a cap in dollars, and what earlier calls cost is not known.
    """

    def __init__(self, limits: BudgetConfig | None = None, spent: Spent | None = None) -> None:
        self.limits = limits or BudgetConfig()
        self.spent = spent or Spent()
        if self.limits.max_cost is not None and self.spent.unpriced:
            raise ConfigError(
                "a cap in dollars counts earlier calls too, and needs the price of "
                f"{self.spent.unpriced}"
            )
        self._closed: str | None = None
        self._in_flight = 0
        self._waiting: list[asyncio.Future[None]] = []

    @classmethod
    def resumed(
        cls,
        limits: BudgetConfig,
        lines: Iterable[Mapping[str, Any]],
        prices: Mapping[str, Price],
    ) -> "Budget":
        """Return what these caps leave after the calls of earlier events.

        Raises:
            ConfigError: there is a cap in dollars, and what they cost is not known.
        """
        return cls(limits, Spent.before(lines, prices))

    @property
    def reached(self) -> str | None:
        """Say which cap is reached; None while there is something left."""
        return self._closed or self._over(0)

    def close(self, reason: str) -> None:
        """Let no more calls through."""
        self._closed = reason
        self._wake()

    async def admit(self) -> None:
        """Let one call through; whoever was let in calls `settle` at the end.

        Raises:
            BudgetError: the budget is spent, and every call that was in flight has ended.
        """
        while reason := self._closed or self._over(self._in_flight):
            if self._in_flight == 0:
                raise BudgetError(reason)
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            await change
        self._in_flight += 1

    def settle(self) -> None:
        """End a call that was let through, whatever became of it."""
        self._in_flight -= 1
        self._wake()

    def _wake(self) -> None:
        for change in self._waiting:
            if not change.done():
                change.set_result(None)
        self._waiting.clear()

    def _over(self, ahead: int) -> str | None:
        """Say which cap one more call would break, with `ahead` calls that are not counted yet."""
        limits, spent = self.limits, self.spent
        made = max(spent.calls, 1)
        then = made + ahead  # multiplied, not divided: a quotient is rounded, to less than the cap
        if limits.max_calls is not None and spent.calls + ahead >= limits.max_calls:
            return f"{spent.calls} of {limits.max_calls} calls are made"
        if limits.max_tokens is not None and spent.tokens * then >= limits.max_tokens * made:
            return f"{spent.tokens} of {limits.max_tokens} tokens are spent"
        if limits.max_cost is not None and spent.cost * then >= limits.max_cost * made:
            return f"${spent.cost:.4f} of ${limits.max_cost:.4f} are spent"
        return None
