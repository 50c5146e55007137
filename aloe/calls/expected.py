"""How far a run is by its calls, and when it will be done.

Trees end together and late, so their number says little while they grow. Calls come from the first
second on: how many there will be is forecast, and the forecast is corrected by the exchanges and
trees that are finished; how long one takes is guessed, and the guess by the calls that were made.
"""

from collections import Counter
from dataclasses import dataclass, field

GUESS = 5
"""Calls that the guess of how long one takes counts as much as."""


@dataclass(kw_only=True)
class ExpectedCalls:
    """The calls of a run that are still to be made when it starts."""

    forecast: float
    """How many, by the settings."""
    seconds: float
    """How long they take, by the settings or by earlier calls."""
    trees: int
    """Trees that they are for."""
    exchanges: float
    """Exchanges of one of them, by the settings."""
    made: int = 0
    _growing: Counter[str] = field(default_factory=Counter)
    """Calls of each tree that is not finished."""
    _exchanges: int = 0
    """Exchanges that are complete."""
    _settled: dict[str, int] = field(default_factory=dict)
    """Calls of each tree when the newest of its exchanges was complete."""
    _ended: int = 0
    _ended_calls: int = 0

    def add(self, tree: str | None) -> None:
        """Count a call."""
        self.made += 1
        if tree:
            self._growing[tree] += 1

    def end_exchange(self, tree: str) -> None:
        """Learn that an exchange is complete."""
        self._exchanges += 1
        self._settled[tree] = self._growing[tree]

    def end(self, tree: str) -> None:
        """Learn that a tree is finished, or set aside."""
        self._ended += 1
        self._ended_calls += self._growing.pop(tree, 0)

    @property
    def total(self) -> int:
        """Calls in all, as far as is known; never fewer than were made."""
        if not self.trees:
            return self.made
        each = (self._tree() + self._ended_calls) / (1 + self._ended)
        left = max(self.trees - self._ended, 0)
        growing = sum(self._growing.values())
        return max(self.made, round(self._ended_calls + max(left * each, growing)))

    def _tree(self) -> float:
        """Return the calls of a tree by its exchanges."""
        guess = self.forecast / self.trees / self.exchanges
        found = sum(self._settled.values())
        return self.exchanges * (guess + found) / (1 + self._exchanges)

    def to_go(self, seconds: float) -> float | None:
        """Return the seconds to the end; None once there is nothing left to do.

        Args:
            seconds: since the start.
        """
        left = self.total - self.made
        if left <= 0:
            return None
        guess = self.seconds / self.forecast if self.forecast else 0.0
        return left * (GUESS * guess + seconds) / (GUESS + self.made)
