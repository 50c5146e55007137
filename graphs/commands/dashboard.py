"""The live display of a simulation, or of another run over trees."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from aloe.console import Display, say_error, stderr
from aloe.errors import EXIT_CODE
from aloe.graphs.commands.newest_exchange import NewestExchange
from aloe.number_format import counted, to_go
from aloe.views.figures import Throughput, awaited_batches, spending
from aloe.views.folding import Table, grid
from aloe.views.tellings import REASONS

if TYPE_CHECKING:
    from aloe.calls.event import Event
    from aloe.calls.log import CallLog
    from aloe.graphs.batch import RunProgress
    from aloe.memory.disclosure_tally import Tally


def exit_on_failures(progress: "RunProgress") -> None:
    """Say what was set aside, if anything, and end the command accordingly."""
    if failures := progress.failures:
        first = min(failures, key=lambda tree: failures[tree])
        say_error(
            f"set aside {counted(len(failures), 'tree')}; the first reason: {failures[first]}; "
            "run the same command again to retry",
            progress.traces.get(first, ""),
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
        progress.on_exchange = self.newest.finish
        if calls.batches:
            calls.batches.on_change = self.update

    def follow(self, event: "Event") -> None:
        """Record a finished call."""
        self.newest.add(event)
        if self._progress.expected:
            self._progress.expected.add(event.tree)
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
        if self._calls.batches:  # come when they come
            return None
        if p.expected:
            return p.expected.to_go(self._pace.seconds) if p.running else None
        return self._pace.to_go(p.finished + len(p.failures), p.wanted - p.finished_before)

    def line(self) -> str:
        """Return the state in one line, exchanges of growing trees included."""
        p, t, so_far = self._progress, self._calls.totals, self._progress.so_far()
        _, tokens_per_second = self._pace.rates()
        return (
            f"{self.name}: {p.finished_before + p.finished}/{p.wanted} trees, {p.running} running, "
            f"{self._calls_so_far()}, {t.output_tokens} tokens written, "
            f"{tokens_per_second:.0f} tokens/s"
            + (f"; {found}" if (found := self.findings(so_far)) else "")
            + (f"; {len(p.failures)} set aside" if p.failures else "")
            + (f", {left}" if (left := to_go(self.to_go())) else "")
            + awaited_batches(self._calls)
        )

    def findings(self, so_far: "RunProgress") -> str:
        """Return what came of the run so far, for the plain line."""
        revealed = so_far.ledger.counts()["revealed"]
        return ", ".join(
            filter(None, (describe_verdicts(so_far), list_counts({"revealed": revealed})))
        )

    def _calls_so_far(self) -> str:
        """Return the calls that were made, and of how many if that was forecast."""
        expected = self._progress.expected
        if expected is None or not self._progress.running:
            return counted(self._calls.totals.calls, "call")
        return f"{expected.made:,} of about {expected.total:,} calls"

    def _share_done(self) -> float:
        """Return how much is done, in [0, 1], by calls if those were forecast."""
        p = self._progress
        before = p.finished_before / p.wanted if p.wanted else 1.0
        if p.expected is None:
            return before + (p.finished / p.wanted if p.wanted else 0.0)
        made = p.expected.made / p.expected.total if p.expected.total else 1.0
        return before + (1 - before) * made

    def panel(self) -> RenderableType:
        """Return bar, figures and the newest exchange."""
        p = self._progress
        done = p.finished_before + p.finished
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            "trees",
            ProgressBar(
                total=1.0, completed=self._share_done(), width=min(30, stderr().width // 3)
            ),
            f"{done}/{p.wanted}",
            Text(f"{p.running} running" if p.running else ""),
            Text(f"{len(p.failures)} set aside" if p.failures else "", style="red"),
            Text(to_go(self.to_go()), style="dim"),
        )
        parts = [bar, self.figures()]
        return Group(*parts, self.newest.view()) if p.running else Group(*parts)

    def figures(self) -> RenderableType:
        """Return what the run cost and what came of it, exchanges of growing trees included."""
        self.seconds()  # stops the clock of a run that is complete
        p = self._progress.so_far()
        spent = spending(self._calls, self._pace, p.silent)
        if p.expected and p.running:
            spent["calls"] = f"{self._calls_so_far()}, {self._pace.rates()[0]:.1f}/s"
        if self._calls.totals.known_cost == 0:  # of local models, say
            del spent["cost"]
        return grid({name: text for name, text in self.lines(p).items() if text} | spent)

    def lines(self, p: "RunProgress") -> dict[str, str]:
        """Return what came of the run so far, by the name of the line; nothing of what is zero."""
        nodes = counted(p.nodes, "node") if p.nodes else ""
        under_way = f"{counted(p.running, 'tree')} under way" if p.running else ""
        return {
            "trees": "; ".join(filter(None, (self.count_trees("grown"), nodes))),
            "turns": ", ".join(filter(None, (list_counts({"played": p.turns}), under_way))),
            "verdicts": describe_verdicts(p),
            "ledger": _describe_ledger(p.ledger),
            "user": _describe_user(p),
        }

    def count_trees(self, done: str) -> str:
        """Return how many trees were done now, were there before and were set aside."""
        p = self._progress
        before, aside = p.finished_before, len(p.failures)
        return list_counts({f"{done} now": p.finished, "there before": before, "set aside": aside})

    def result(self) -> dict[str, Any]:
        """Return the figures for machines."""
        progress, totals, seconds = self._progress, self._calls.totals, self.seconds()
        spent, outcomes = self._calls.budget.spent, totals.outcomes | progress.silent
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
            "cost": totals.known_cost,
            "spent": {"calls": spent.calls, "tokens": spent.tokens, "cost": spent.cost},
            "verdicts": dict(progress.outcomes),
            "ledger": progress.ledger.summary(),
            "user_faults": dict(progress.severity),
            "spoiled_trees": progress.spoiled,
            "outcomes": {f"{role}:{kind}": n for (role, kind), n in outcomes.items()},
        }


def list_counts(counts: Mapping[str, int | None]) -> str:
    """Return numbers with what they count; what there is none of is left out."""
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)


def describe_verdicts(progress: "RunProgress") -> str:
    """Return what the judge made of the comparisons so far."""
    outcomes = progress.outcomes
    preferred = outcomes["first"] + outcomes["second"]
    others = {name: outcomes[name] for name in ("tie", "abstain")}
    return list_counts({"preferred": preferred, **others})


def _describe_ledger(tally: "Tally") -> str:
    """Return how well the inducer marked what the user told, as the check sees it."""
    shares = (("recall", tally.recall), ("precision", tally.precision))
    figures = [f"{name} {share:.0%}" for name, share in shares if share is not None]
    counts = {kind: tally.kinds[kind] for kind in ("revealed", "contradicted", "invented")}
    told = {words: tally.reasons[why] for why, words in REASONS.items() if why != "scheduled"}
    marked = (*figures, list_counts(counts))
    minds = f"{tally.mind_reading} of {tally.replies} replies read minds"
    parts = (
        "not checked" if tally.unchecked else ", ".join(filter(None, marked)),
        minds if tally.mind_reading else "",
        f"told: {listed}" if (listed := list_counts(told)) else "",
    )
    return "; ".join(filter(None, parts))


def _describe_user(p: "RunProgress") -> str:
    """Return how often the simulated user went wrong."""
    found = [
        f"{counted(p.severity[kind], 'message')} {kind}"
        for kind in ("repaired", "blemished", "spoiled")
        if p.severity[kind]
    ]
    spoiled = f"{p.spoiled / p.finished:.0%} of the trees spoiled" if p.spoiled else ""
    return "; ".join(filter(None, (", ".join(found), spoiled)))
