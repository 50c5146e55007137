"""The geometry of a line chart: where its curves, bands, ticks, counts and labels go.

The macro `chart` of `templates/parts.html` draws it as inline SVG, with its numbers as a table
behind a fold. An axis can be given, so that the charts of two pages can be compared by eye.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

LEFT, RIGHT, TOP, BOTTOM = 36, 16, 26, 42
"""Margins, in the chart's own units."""
TICKS = 5
"""About as many lines across a chart."""
LABELS = 12
"""Most turns named below it."""
BAR = 4.0
"""Width of the band of a turn whose neighbours have none."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a chart."""

    name: str
    levels: Sequence[float | None]
    """By turn, from 1; None leaves a gap."""
    low: Sequence[float | None] = ()
    """Lower edge of its band, by turn; empty for no band."""
    high: Sequence[float | None] = ()
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves over the turns with their bands."""

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    axis: tuple[float, float] | None = None
    """What the y axis shows at least; None: what the levels need."""
    counts: Sequence[str] = ()
    """What the levels of a turn rest on, by turn (see `format_counts`); empty: not said."""
    counted: str = ""
    """What is counted, such as `comparisons`."""
    width: int = 360
    height: int = 232

    @property
    def foot(self) -> int:
        """Where the picture ends; counts take a line of their own."""
        return self.height + (14 if self.counts else 0)

    @property
    def left(self) -> int:
        """Where the curves begin."""
        return LEFT

    @property
    def right(self) -> int:
        """Where they end."""
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        """Where the lowest tick stands."""
        return self.height - BOTTOM

    @cached_property
    def levels(self) -> list[float]:
        """Every level of the curves and their bands; a chart without one draws nothing."""
        return [v for c in self.curves for v in (*c.levels, *c.low, *c.high) if v is not None]

    @cached_property
    def turns(self) -> int:
        """Turns of the longest curve."""
        return max((len(curve.levels) for curve in self.curves), default=0)

    @cached_property
    def ticks(self) -> list[float]:
        """Round levels from just below the least to just above the greatest."""
        shown = [*self.levels, *(self.axis or ())]
        least, greatest = min(shown), max(shown)
        span = (greatest - least) or abs(greatest) or 1.0
        power = 10.0 ** _floor_log10(span / TICKS)
        step = next(power * m for m in (1, 2, 5, 10) if power * m * TICKS >= span * 0.999)
        first = int(least // step)
        ticks = [first * step]
        while ticks[-1] < greatest - 1e-9 * span or len(ticks) < 2:
            ticks.append((first + len(ticks)) * step)
        return ticks

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the y of each tick with its label."""
        decimals = max(0, -_floor_log10(self.ticks[1] - self.ticks[0]))
        for tick in self.ticks:
            yield f"{self._y(tick):.1f}", f"{tick:.{decimals}f}"

    def columns(self) -> Iterator[tuple[str, int]]:
        """Yield the x of each turn that is named, with its number."""
        for turn in range(1, self.turns + 1, max(1, -(-self.turns // LABELS))):
            yield self._x(turn), turn

    def table(self) -> Iterator[list[str]]:
        """Yield a row of words for each turn: the turn, its count if given, a cell a curve."""
        for turn in range(1, self.turns + 1):
            count = [self.counts[turn - 1]] if self.counts else []
            yield [str(turn), *count, *(_cell(curve, turn - 1) for curve in self.curves)]

    def bands(self, curve: Curve) -> Iterator[str]:
        """Yield the corners of a curve's band for each stretch of turns that have one.

        That of a lone turn is a narrow bar.
        """
        stretch: list[tuple[float, float, float]] = []
        edges = zip(curve.low, curve.high, strict=True)
        for turn, (low, high) in enumerate([*edges, (None, None)], 1):
            if low is not None and high is not None:
                stretch.append((self._place(turn), low, high))
            elif stretch:
                yield self._corners(stretch)
                stretch = []

    def _corners(self, stretch: Sequence[tuple[float, float, float]]) -> str:
        if len(stretch) == 1:
            ((x, low, high),) = stretch
            stretch = [(x - BAR / 2, low, high), (x + BAR / 2, low, high)]
        upper = [f"{x:.1f},{self._y(high):.1f}" for x, _, high in stretch]
        lower = [f"{x:.1f},{self._y(low):.1f}" for x, low, _ in reversed(stretch)]
        return " ".join(upper + lower)

    def path(self, curve: Curve) -> str:
        """Return the commands that draw a curve, with a gap where a level is missing."""
        parts = []
        for turn, (before, level) in enumerate(pairwise([None, *curve.levels]), 1):
            if level is not None:
                place = f"{self._x(turn)} {self._y(level):.1f}"
                parts.append(f"M{place}h0" if before is None else f"L{place}")
        return "".join(parts)

    def _x(self, turn: int) -> str:
        return f"{self._place(turn):.1f}"

    def _place(self, turn: int) -> float:
        width = self.right - self.left
        return self.left + (turn - 1) / max(self.turns - 1, 1) * width

    def _y(self, level: float) -> float:
        least, greatest = self.ticks[0], self.ticks[-1]
        share = (level - least) / ((greatest - least) or 1.0)
        return self.bottom - share * (self.bottom - TOP)


def format_counts(counts: Collection[int]) -> str:
    """Return what the curves of a chart rest on at one turn, such as `16`, or `14-16`."""
    return "-".join(f"{each:,}" for each in sorted({min(counts), max(counts)}))


def _cell(curve: Curve, place: int) -> str:
    """Return a level with its band; a dash where there is none."""
    level = curve.levels[place] if place < len(curve.levels) else None
    if level is None:
        return "-"
    low, high = (edge[place] if edge else None for edge in (curve.low, curve.high))
    if low is None or high is None:
        return _round(level)
    return f"{_round(level)} ({_round(low)} to {_round(high)})"


def _round(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.{max(0, 2 - _floor_log10(value))}f}" if value else "0"


def _floor_log10(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])
