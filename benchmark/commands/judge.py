"""`aloe judge audit`: gold pairs in, a judge passport out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aloe.console import Display, finish, say, show
from aloe.errors import INTERRUPTED
from aloe.options import ConfigFile, Json, Quiet, Seed
from aloe.views.figures import Throughput, grid, spending

if TYPE_CHECKING:
    from aloe.benchmark.audit import AuditProgress
    from aloe.calls.log import CallLog
    from aloe.config import Config
    from aloe.passport import Effect, Passport, Share

app = typer.Typer(help="Find out how far a judge can be trusted.", no_args_is_help=True)


@app.callback()
def _judge() -> None:
    """Keep `audit` a verb of its own while it is the only one."""


@app.command("audit")
def audit(
    model: Annotated[
        str | None, typer.Option("--model", metavar="STR", help="Model of the judge.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="OpenAI-compatible server of the judge."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Passport to write.")] = Path(
        "passport.json"
    ),
    gold: Annotated[
        Path | None, typer.Option("--pairs", metavar="FILE", help="Gold pairs of your own.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=2, help="Ask about this many pairs at most.")
    ] = None,
    own: Annotated[
        int, typer.Option("--own", min=0, help="Pairs it also answers, for self-preference.")
    ] = 40,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Pairs in flight at once.")
    ] = None,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask a judge about pairs whose better reply is known, and write its passport.

    Name the passport in a run's settings (`[judge] passport = "FILE"`): verdicts then get a
    confidence. The calls are kept beside FILE, so the same command again goes on where it stopped.
    Nothing is drawn at random, so --seed changes nothing here.

    Example: `aloe judge audit --model openai:gpt-4o-mini --out passport.json`
    """
    from aloe.agents.registry import judges_in_use
    from aloe.benchmark.audit import AuditProgress
    from aloe.benchmark.audit import audit as ask
    from aloe.benchmark.gold_pairs import SHIPPED, read_gold, some
    from aloe.calls.event import appending, read_events
    from aloe.calls.log import CallLog
    from aloe.files.journal import cut_torn_line
    from aloe.files.writing import replace_text
    from aloe.loop import make_runner
    from aloe.models.open import check_reachable, open_model
    from aloe.telemetry import trace_calls

    del seed
    resolved = _settings(config, model, base_url, concurrency)
    pairs = read_gold(gold or SHIPPED)
    pairs = some(pairs, limit) if limit else pairs
    judges = judges_in_use(resolved)
    models = {name: open_model(each, resolved.limits) for name, each in judges.items()}
    progress = AuditProgress(wanted=len(pairs))
    # One loop for both: a client's connections belong to the loop that opened them.
    with make_runner() as loop:
        loop.run(check_reachable(list(models.values())))
        with appending(events := out.with_suffix(".events.jsonl")) as file:
            cut_torn_line(events)
            calls = CallLog(file, prices=resolved.prices, patient=True)
            calls.remember(read_events(events))
            display = _AuditDisplay(progress, calls, quiet=quiet)
            try:
                with display.running(), trace_calls(resolved.telemetry, calls):
                    work = ask(
                        resolved, pairs, models, calls, progress, own=own, on_change=display.update
                    )
                    passport = loop.run(work)
            except KeyboardInterrupt:
                say("stopped; run the same command again to go on")
                raise typer.Exit(INTERRUPTED) from None
    replace_text(out, passport.json_text())
    show(table(passport), as_json=as_json)
    finish({"out": str(out), **passport.model_dump(mode="json")}, as_json=as_json)


def _settings(
    config: Path | None, model: str | None, base_url: str | None, concurrency: int | None
) -> "Config":
    from aloe import config as settings

    loaded = settings.load(config, {"simulation.concurrency": concurrency})
    return loaded.with_judge(model, base_url)


class _AuditDisplay(Display):
    """How many pairs were asked about, and how it goes."""

    def __init__(self, progress: "AuditProgress", calls: "CallLog", *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._progress = progress
        self._calls = calls
        self._pace = Throughput(calls.totals)

    def line(self) -> str:
        """Return the state in one line."""
        p, t = self._progress, self._calls.totals
        return (
            f"audit: {p.done}/{p.wanted} pairs, {p.right} right of {p.decided} decided, "
            f"{t.calls} calls"
        )

    def panel(self) -> RenderableType:
        """Return a bar and the line."""
        p = self._progress
        bar = ProgressBar(total=p.wanted, completed=p.done, width=30)
        return Group(bar, Text(self.line()), grid(spending(self._calls, self._pace)))


def table(passport: "Passport") -> RenderableType:
    """Return the passport as a person reads it."""
    figures = Table(box=None, header_style="bold", title=" + ".join(passport.judge.models))
    figures.add_column("")
    figures.add_column("value", justify="right")
    figures.add_column("95% interval", justify="right")
    figures.add_column("of", justify="right")
    for name, share in _shares(passport):
        figures.add_row(name, *_cells(share, "{:.0%}"))
    for name, effect in _effects(passport):
        figures.add_row(name, *_cells(effect, "{:+.0%}"))
    for name, number in (
        ("probability of an answer", passport.mass),
        ("kappa with the labels", passport.kappa),
        ("alpha with the labels", passport.alpha),
        ("confidence slope per nat", passport.slope),
        ("Brier score", passport.brier),
    ):
        figures.add_row(name, "-" if number is None else f"{number:.3f}")
    kinds = Table(box=None, header_style="bold", title="accuracy by kind")
    for name in ("kind", "value", "95% interval", "of"):
        kinds.add_column(name, justify="left" if name == "kind" else "right")
    for kind, share in passport.by_kind.items():
        kinds.add_row(kind, *_cells(share, "{:.0%}"))
    return Group(figures, "", kinds)


def _shares(passport: "Passport") -> list[tuple[str, "Share"]]:
    found = [
        ("accuracy (of the decided)", passport.accuracy),
        ("decided", passport.coverage),
        ("mirrored couples both right", passport.mirrored),
        ("flips with the order", passport.flips),
        ("votes for the first shown", passport.first_slot),
        ("unreadable votes", passport.unreadable),
    ]
    return found + ([("votes read as odds", passport.odds)] if passport.odds else [])


def _effects(passport: "Passport") -> list[tuple[str, "Effect"]]:
    found = [("liking for length", passport.length_effect)]
    if passport.self_preference:
        found.append(("liking for its own words", passport.self_preference))
    return found


def _cells(figure: "Share | Effect", form: str) -> tuple[str, str, str]:
    if figure.value is None:
        return "-", "-", "0"
    low, high = form.format(figure.low), form.format(figure.high)
    return form.format(figure.value), f"{low} to {high}", str(figure.count)
