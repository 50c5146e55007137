"""`aloe simulate`: personas in, conversation trees out."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aloe.commands.options import BaseUrl, ConfigFile, Json, ModelName, Quiet, Seed
from aloe.console import Display, finish, show, stderr
from aloe.errors import EXIT_CODE, INTERRUPTED, ConfigError

if TYPE_CHECKING:
    from aloe.calls import CallLog, Event
    from aloe.config import Config
    from aloe.models import Model
    from aloe.schema import Persona
    from graphs.run import Planned, Progress
    from memory.ledger import Tally


def simulate(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Run folder; resumed if it is.")
    ],
    personas: Annotated[
        Path | None,
        typer.Option("--personas", metavar="FILE", help="personas.jsonl from `personas grow`."),
    ] = None,
    extend: Annotated[
        Path | None,
        typer.Option(
            "--extend", metavar="DIR", help="Finished run whose trees grow to more turns in --out."
        ),
    ] = None,
    trees: Annotated[int | None, typer.Option("--trees", help="How many trees.")] = None,
    turns: Annotated[int | None, typer.Option("--turns", help="User messages on a path.")] = None,
    expansion: Annotated[
        str | None,
        typer.Option(
            "--expansion",
            metavar="STR",
            help="sample, preferred, both, beam, disagreement or MODULE:FUNCTION.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Trees in flight at once.")
    ] = None,
    model: ModelName = None,
    base_url: BaseUrl = None,
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate conversation trees between persona users and assistants.

    Writes DIR/config.toml, DIR/trees.jsonl and DIR/events.jsonl. The same command again goes on
    where the last one stopped. With `--extend` the trees and settings of a finished run are taken
    over, no call of it is repeated, and only --turns, --concurrency and the expansion may change.

    Example: `aloe simulate --personas personas.jsonl --trees 10 --turns 5 --out runs/first`
    """
    from agents.panel import read_own_passport
    from aloe import config as settings
    from aloe.loop import runner
    from aloe.models import check_reachable
    from graphs.expansion import check_expansion
    from graphs.run import open_models
    from memory.trees import RunFolder, replace_text

    given: dict[str, object] = {
        "--personas": personas,
        "--trees": trees,
        "--seed": seed,
        "--config": config,
        "--model": model,
        "--base-url": base_url,
    }
    _check_source(given, extend, out)
    resolved = settings.load(
        extend / "config.toml" if extend else config,
        {
            "seed": seed,
            "simulation.trees": trees,
            "simulation.turns": turns,
            "simulation.expansion": expansion,
            "simulation.concurrency": concurrency,
        },
    ).with_model(model, base_url)
    pool = _pool(personas) if personas else []
    folder = RunFolder(out)
    folder.check(resolved)
    passport = read_own_passport(resolved)
    check_expansion(resolved.simulation)
    models = open_models(resolved)
    wanted = _wanted(resolved, pool, extend, models)
    # One loop for both: a client's connections belong to the loop that opened them.
    with runner() as loop:
        loop.run(check_reachable(list(models.values())))
        with folder.writing(resolved), folder.events.open("a", encoding="utf-8") as events:
            if passport:
                replace_text(out / "passport.json", passport.json_text())
            run = _Run(resolved, events, wanted=len(wanted), quiet=quiet)
            try:
                with run.display.running():
                    loop.run(run.grow(wanted, folder, models))
            except KeyboardInterrupt:
                stderr().print(f"stopped; run the same command again to go on in {out}")
                raise typer.Exit(INTERRUPTED) from None
    show(run.display.figures(), as_json=as_json)
    finish({"out": str(out), **run.result()}, as_json=as_json)
    if run.progress.failures:
        reasons = sorted(set(run.progress.failures.values()))
        stderr().print(
            f"aloe: {len(run.progress.failures)} trees were set aside; the first reason: "
            f"{reasons[0]}; run the same command again to retry them",
            style="red",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(EXIT_CODE)


def _check_source(given: dict[str, object], extend: Path | None, out: Path) -> None:
    """Make sure that what the run starts from is named, and named once."""
    if extend is None and given["--personas"] is None:
        raise ConfigError("name the personas with --personas FILE, or a finished run with --extend")
    if extend is None:
        return
    if extra := [name for name, value in given.items() if value is not None]:
        raise ConfigError(f"--extend takes that over from {extend}; leave out {', '.join(extra)}")
    if extend.resolve() == out.resolve():
        raise ConfigError("--extend leaves the finished run as it is; name another folder as --out")


def _pool(personas: Path) -> list["Persona"]:
    from memory.personas import read_personas

    return read_personas(personas)


def _wanted(
    config: "Config", pool: list["Persona"], extend: Path | None, models: dict[str, "Model"]
) -> list["Planned"]:
    """Return the trees to grow: new ones, or those of a finished run."""
    from graphs.run import further, plan
    from memory.trees import read_trees

    if extend is None:
        return list(plan(pool, config.simulation.trees, config.seed))
    trees = list(read_trees(extend))
    deepest = max((node.turn for tree in trees for node in tree.nodes), default=0)
    if config.simulation.turns <= deepest:
        raise ConfigError(f"{extend} has {deepest} turns already; give more with --turns")
    return further(trees, models)


class _Run:
    """One simulation in this process: its call log, its progress, its display."""

    def __init__(self, config: "Config", events: Any, *, wanted: int, quiet: bool) -> None:
        from aloe.calls import CallLog
        from graphs.run import Progress

        self.config = config
        self.progress = Progress(wanted=wanted)
        self.calls = CallLog(events, prices=config.prices, on_event=self._on_event)
        self.display = RunDisplay(self.progress, self.calls, quiet=quiet)

    async def grow(self, wanted: list["Planned"], folder: Any, models: Any) -> None:
        from graphs.run import grow_all

        await grow_all(
            wanted, self.config, folder, models, self.calls, self.progress, self.display.update
        )

    def _on_event(self, event: "Event") -> None:
        self.display.newest = event
        self.display.update()

    def result(self) -> dict[str, Any]:
        """Return the summary for machines."""
        progress, totals, seconds = self.progress, self.calls.totals, self.display.seconds()
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
            "tokens_per_second": round(totals.output_tokens / seconds, 1) if seconds else 0.0,
            "cost": None if totals.unpriced else round(totals.cost, 6),
            "verdicts": dict(progress.outcomes),
            "ledger": progress.ledger.summary(),
            "user_faults": dict(progress.severity),
            "outcomes": {f"{role}:{kind}": n for (role, kind), n in totals.outcomes.items()},
        }


class RunDisplay(Display):
    """The state of a simulation, live and at the end."""

    def __init__(self, progress: "Progress", calls: "CallLog", *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.newest: Event | None = None
        self._progress = progress
        self._calls = calls
        self._started = time.monotonic()
        self._ended: float | None = None

    def seconds(self) -> float:
        """Return the time since the start, or the length of the run once it is complete."""
        progress = self._progress
        done = progress.finished_before + progress.finished + len(progress.failures)
        if self._ended is None and done >= progress.wanted and not progress.running:
            self._ended = time.monotonic()
        return (self._ended or time.monotonic()) - self._started

    def line(self) -> str:
        """Return the state in one line."""
        p, t = self._progress, self._calls.totals
        rate = t.output_tokens / max(self.seconds(), 1e-9)
        return (
            f"simulate: {p.finished_before + p.finished}/{p.wanted} trees, {p.running} running, "
            f"{t.calls} calls, {t.output_tokens} tokens written, {rate:.0f} tokens/s"
        )

    def panel(self) -> RenderableType:
        """Return bar, figures and the newest words."""
        p = self._progress
        done = p.finished_before + p.finished
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            "trees",
            ProgressBar(total=p.wanted, completed=done, width=30),
            f"{done}/{p.wanted}",
            Text(f"{p.running} running" if p.running else ""),
            Text(f"{len(p.failures)} set aside" if p.failures else "", style="red"),
        )
        parts: list[RenderableType] = [bar, self.figures()]
        if p.running and self.newest and self.newest.reply:
            words = " ".join(self.newest.reply["text"].split())
            newest = Text.assemble((f"{self.newest.role}: ", "bold"), words)
            newest.truncate(stderr().width, overflow="ellipsis")
            parts.append(newest)
        return Group(*parts)

    def figures(self) -> RenderableType:
        """Return what the run cost and what came of it."""
        p, t = self._progress, self._calls.totals
        seconds = max(self.seconds(), 1e-9)
        cached = t.cached_tokens / t.input_tokens if t.input_tokens else 0.0
        faulty = sum(n for (_, kind), n in t.outcomes.items() if kind not in ("ok", "error"))
        preferred = p.outcomes["first"] + p.outcomes["second"]
        lines = {
            "trees": f"{p.finished} grown now, {p.finished_before} there before, "
            f"{len(p.failures)} set aside; {p.nodes} nodes",
            "verdicts": f"{preferred} preferred, {p.outcomes['tie']} tie, "
            f"{p.outcomes['abstain']} abstain",
            "ledger": _ledger(p.ledger),
            "user": ", ".join(
                f"{p.severity[kind]} messages {kind}"
                for kind in ("repaired", "blemished", "spoiled")
            ),
            "calls": f"{t.calls}, {faulty} with a faulty reply, {t.errors} failed"
            + (f", {t.replayed} replayed" if t.replayed else ""),
            "tokens": f"{t.input_tokens} read ({cached:.0%} from cache), {t.output_tokens} written",
            "time": f"{seconds:.1f} s, {t.output_tokens / seconds:.0f} tokens/s",
            "cost": "unknown (no price given)" if t.unpriced else f"${t.cost:.4f}",
        }
        grid = Table.grid(padding=(0, 2))
        for name, text in lines.items():
            grid.add_row(Text(name, "bold"), text)
        return grid


def _ledger(tally: "Tally") -> str:
    """Return how well the inducer marked what the user told, as the check sees it."""
    shares = (("recall", tally.recall), ("precision", tally.precision))
    figures = [f"{name} {'-' if share is None else f'{share:.0%}'}" for name, share in shares]
    figures += [f"{tally.kinds[kind]} {kind}" for kind in ("revealed", "contradicted", "invented")]
    return ", ".join(figures) + f"; {tally.mind_reading} of {tally.replies} replies read minds"
