"""What `aloe bench run` shows: the forecast, then its progress."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from aloe.console import Display
from aloe.number_format import counted, say_cost, to_go
from aloe.views.figures import Throughput, awaited_batches, spending
from aloe.views.folding import Table, grid

if TYPE_CHECKING:
    from aloe.benchmark.forecast import BenchForecast
    from aloe.benchmark.run import BenchProgress
    from aloe.calls.log import CallLog


def forecast_view(ahead: "BenchForecast", warnings: Sequence[str]) -> RenderableType:
    """Return what a run will need and could show, and what makes it doubtful."""
    cost = say_cost(ahead.cost, "about ${:.2f}")
    calls = ", ".join(f"{count:,} {role}" for role, count in ahead.calls.items())
    lines = {
        "ahead": f"{counted(ahead.dialogues, 'dialogue')}; calls: {calls}",
        "tokens": f"about {ahead.input_tokens:,} read, {ahead.output_tokens:,} written; "
        f"cost {cost}",
    }
    if ahead.batch != "none":
        how = "in batches" if ahead.batch == "used" else "with --batch"
        half = "" if ahead.batched is None else f"about ${ahead.batched:.2f}, "
        lines[how] = f"{half}{ahead.rounds} rounds of at most 24 h each, usually minutes to an hour"
    for suite, clusters in ahead.clusters.items():
        lines[suite] = (
            f"a gain of {ahead.detectable[suite]:.2f} can be detected ({clusters} clusters, 80% "
            f"power, {ahead.prior})"
            if suite in ahead.detectable
            else f"too few users for a significant gain: {clusters}, and it takes six with nothing "
            "in common"
        )
    return Group(grid(lines), *(Text(f"warning: {text}", "yellow") for text in warnings))


class BenchDisplay(Display):
    """How far one condition is.

    Args:
        name: of the condition.
        progress: what is held and judged.
        calls: the log that every call passes.
        quiet: whether nothing is shown while it runs.
        ahead: calls that it takes from here, by the plan.
    """

    def __init__(
        self,
        name: str,
        progress: "BenchProgress",
        calls: "CallLog",
        *,
        quiet: bool,
        ahead: int,
    ) -> None:
        super().__init__(quiet=quiet)
        self._ahead = ahead
        self._name = name
        self._progress = progress
        self._calls = calls
        self._pace = Throughput(calls.totals)
        if calls.batches:
            calls.batches.on_change = self.update

    def line(self) -> str:
        """Return the state in one line."""
        p = self._progress
        return (
            f"bench {self._name}: {self._held}/{p.dialogues.wanted} dialogues held, "
            f"{p.judged} judged, {self._calls_so_far()}, {p.missing} ratings missing"
            + (f", {text}" if (text := self._to_go()) else "")
            + awaited_batches(self._calls)
        )

    def panel(self) -> RenderableType:
        """Return two bars and what is being spent."""
        wanted = self._progress.dialogues.wanted
        bars = Table.grid(padding=(0, 1))
        for label, done in (
            (f"{self._name}: held", self._held),
            ("judged", self._progress.judged),
        ):
            bar = ProgressBar(total=wanted, completed=done, width=30)
            bars.add_row(label, bar, f"{done}/{wanted}")
        left = {"to go": text} if (text := self._to_go()) else {}
        spent = spending(self._calls, self._pace)
        spent["calls"] = f"{self._calls_so_far()}, {self._pace.rates()[0]:.1f}/s"
        return Group(bars, grid(left | spent))

    def _calls_so_far(self) -> str:
        """Return the calls that were made, and of how many; what is asked twice comes on top."""
        made = self._calls.totals.calls
        return f"{made:,} of about {max(made, self._ahead):,} calls"

    @property
    def _held(self) -> int:
        dialogues = self._progress.dialogues
        return dialogues.finished_before + dialogues.finished

    def _to_go(self) -> str:
        """Say how long the rest takes at the pace of the calls so far; empty if not known."""
        if self._calls.batches:  # come when they come
            return ""
        left = self._pace.to_go(self._calls.totals.calls, self._ahead)
        return to_go(left)
