"""The live display of a simulation, or of another run over trees."""

import time
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aloe.console import Display, say, stderr
from aloe.errors import EXIT_CODE
from aloe.views.figures import Throughput, duration, grid, spending
from aloe.views.tellings import REASONS

if TYPE_CHECKING:
    from aloe.calls.event import Event
    from aloe.calls.log import CallLog
    from aloe.graphs.batch import RunProgress
    from aloe.memory.disclosures import Tally

HOLD = 2.0
"""Seconds for which one conversation is shown, so that a person can read it."""

WATCHED = 64
"""Conversations whose newest exchange is kept."""


def exit_on_failures(progress: "RunProgress") -> None:
    """Say what was set aside, if anything, and end the command accordingly."""
    if failures := progress.failures:
        say(
            f"aloe: {len(failures)} trees were set aside; the first reason: "
            f"{min(failures.values())}; run the same command again to retry them",
            style="red",
        )
        raise typer.Exit(EXIT_CODE)


class RunDisplay(Display):
    """The state of a run over trees, live and at the end.

    Args:
        progress: how far the run is.
        calls: the log that every call passes.
        quiet: whether nothing is shown while it runs.
        name: of the command, for the plain line.
    """

    def __init__(
        self, progress: "RunProgress", calls: "CallLog", *, quiet: bool, name: str = "simulate"
    ) -> None:
        super().__init__(quiet=quiet)
        self.name = name
        self.newest = NewestExchange()
        self._progress = progress
        self._calls = calls
        self._pace = Throughput(calls.totals)

    def follow(self, event: "Event") -> None:
        """Take notice of a finished call."""
        self.newest.add(event)
        self.update()

    def seconds(self) -> float:
        """Return the time since the start, or the length of the run once it is complete."""
        p = self._progress
        done = p.finished_before + p.finished + len(p.failures)
        if done >= p.wanted and not p.running:
            self._pace.end()
        return self._pace.seconds

    def to_go(self) -> float | None:
        """Return the seconds that the rest will take at the pace so far; None if unknown."""
        p = self._progress
        return self._pace.to_go(p.finished + len(p.failures), p.wanted - p.finished_before)

    def line(self) -> str:
        """Return the state in one line."""
        p, t = self._progress, self._calls.totals
        _, tokens_per_second = self._pace.rates()
        to_go = self.to_go()
        return (
            f"{self.name}: {p.finished_before + p.finished}/{p.wanted} trees, {p.running} running, "
            f"{t.calls} calls, {t.output_tokens} tokens written, {tokens_per_second:.0f} tokens/s"
            + (f", {len(p.failures)} set aside" if p.failures else "")
            + (f", about {duration(to_go)} to go" if to_go else "")
        )

    def panel(self) -> RenderableType:
        """Return bar, figures and the newest exchange."""
        p = self._progress
        done, to_go = p.finished_before + p.finished, self.to_go()
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            "trees",
            ProgressBar(total=p.wanted, completed=done, width=min(30, stderr().width // 3)),
            f"{done}/{p.wanted}",
            Text(f"{p.running} running" if p.running else ""),
            Text(f"{len(p.failures)} set aside" if p.failures else "", style="red"),
            Text(f"about {duration(to_go)} to go" if to_go else "", style="dim"),
        )
        parts = [bar, self.figures()]
        return Group(*parts, self.newest.view()) if p.running else Group(*parts)

    def figures(self) -> RenderableType:
        """Return what the run cost and what came of it."""
        p = self._progress
        self.seconds()  # stops the clock of a run that is complete
        preferred = p.outcomes["first"] + p.outcomes["second"]
        lines = {
            "trees": f"{p.finished} grown now, {p.finished_before} there before, "
            f"{len(p.failures)} set aside; {p.nodes} nodes",
            "turns": f"{self.newest.turns} played"
            + (f", {p.running} trees under way" if p.running else ""),
            "verdicts": f"{preferred} preferred, {p.outcomes['tie']} tie, "
            f"{p.outcomes['abstain']} abstain",
            "ledger": _describe_ledger(p.ledger),
            "user": ", ".join(
                f"{p.severity[kind]} messages {kind}"
                for kind in ("repaired", "blemished", "spoiled")
            )
            + (f"; {p.spoiled / p.finished:.0%} of the trees spoiled" if p.finished else ""),
        }
        return grid(lines | spending(self._calls, self._pace))

    def result(self) -> dict[str, Any]:
        """Return the figures for machines."""
        progress, totals, seconds = self._progress, self._calls.totals, self.seconds()
        return {
            "trees": progress.finished + progress.finished_before,
            "trees_now": progress.finished,
            "set_aside": len(progress.failures),
            "seconds": round(seconds, 2),
            "calls": totals.calls,
            "replayed": totals.replayed,
            "input_tokens": totals.input_tokens,
            "cached_tokens": totals.cached_tokens,
            "output_tokens": totals.output_tokens,
            "estimated": totals.estimated,
            "tokens_per_second": round(totals.output_tokens / seconds, 1) if seconds else 0.0,
            "cost": None if totals.unpriced else round(totals.cost, 6),
            "spent": vars(self._calls.budget.spent),
            "verdicts": dict(progress.outcomes),
            "ledger": progress.ledger.summary(),
            "user_faults": dict(progress.severity),
            "spoiled_trees": progress.spoiled,
            "outcomes": {f"{role}:{kind}": n for (role, kind), n in totals.outcomes.items()},
        }


class NewestExchange:
    """The newest user message of a conversation with the answers to it, as they come."""

    def __init__(self) -> None:
        self.turns = 0
        """User messages that were written."""
        self._by_tree: dict[str, list[tuple[str, str]]] = {}
        self._shown: str | None = None
        self._since = 0.0

    def add(self, event: "Event") -> None:
        """Take notice of a finished call; one that failed says nothing."""
        if not event.reply or not event.tree:
            return
        words = " ".join(str(event.reply["text"]).split())
        if event.role == "user":
            self.turns += event.outcome == "ok"
            self._by_tree.pop(event.tree, None)
            if len(self._by_tree) >= WATCHED:
                del self._by_tree[next(iter(self._by_tree))]
        self._by_tree.setdefault(event.tree, []).append((event.role, words))
        if self._shown not in self._by_tree or time.monotonic() - self._since > HOLD:
            self._shown, self._since = event.tree, time.monotonic()

    def view(self) -> RenderableType:
        """Return a line or two for each of the messages."""
        said: Any = self._by_tree.get(self._shown or "", ())
        table = Table.grid(padding=(0, 1))
        table.add_column(style="bold", no_wrap=True)
        table.add_column()
        for role, words in said[-6:]:
            text = Text(words)
            text.truncate(2 * max(20, stderr().width - 12), overflow="ellipsis")
            table.add_row(role, text)
        return table


def _describe_ledger(tally: "Tally") -> str:
    """Return how well the inducer marked what the user told, as the check sees it."""
    shares = (("recall", tally.recall), ("precision", tally.precision))
    figures = [f"{name} {'-' if share is None else f'{share:.0%}'}" for name, share in shares]
    figures += [f"{tally.kinds[kind]} {kind}" for kind in ("revealed", "contradicted", "invented")]
    told = [
        f"{tally.reasons[why]} {words}"
        for why, words in REASONS.items()
        if why != "scheduled" and tally.reasons[why]
    ]
    parts = [", ".join(figures), f"{tally.mind_reading} of {tally.replies} replies read minds"]
    return "; ".join([*parts, *([f"told: {', '.join(told)}"] if told else [])])
