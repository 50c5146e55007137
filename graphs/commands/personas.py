"""`aloe personas`: the verbs around the persona pool.

Only what a person sees and types is here; growing is `aloe.graphs.pool`, everything about the pool
itself is `memory`. Heavy packages are imported when a verb runs, so that `--help` is instant.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aloe.console import Display, finish, say, show, stderr
from aloe.errors import INTERRUPTED
from aloe.memory.commands import persona_files, persona_import, persona_reports
from aloe.options import BaseUrl, ConfigFile, Json, ModelName, Quiet, Seed
from aloe.views.figures import Throughput, duration, grid, spending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aloe.calls.event import Event
    from aloe.calls.log import CallLog
    from aloe.config import Config
    from aloe.graphs.pool import GrowthProgress
    from aloe.memory.pool.growth import GrowthLog
    from aloe.memory.validation import Validator
    from aloe.models.open import Model

COMPOSED_BATCH = 64
"""Candidates of one round where no model limits it."""

app = typer.Typer(
    help="Grow, check, split and share pools of persona users.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command()
def grow(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="personas.jsonl to grow.")],
    count: Annotated[int | None, typer.Option("--count", help="Personas wanted.")] = None,
    seeds: Annotated[
        Path | None,
        typer.Option("--seeds", metavar="DIR", help="profiles.jsonl and personalities.jsonl."),
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Writer calls in flight.")] = None,
    compose: Annotated[
        bool, typer.Option("--compose", help="Put shipped sentences together; no model.")
    ] = False,
    model: ModelName = None,
    base_url: BaseUrl = None,
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Grow a pool of personas with a model, without near-duplicates.

    Writes FILE and, beside it, a folder with the vectors and the fate of every candidate. The same
    command again goes on where the last one stopped.

    Example: `aloe personas grow --count 100 --out personas.jsonl`
    """
    from aloe import config as settings
    from aloe.plugins import load_plugin

    resolved = settings.load(
        config,
        {
            "seed": seed,
            "personas.target": count,
            "personas.seeds": seeds,
            "personas.batch": batch or (COMPOSED_BATCH if compose else None),
        },
    ).with_model(model, base_url)
    validators = {name: load_plugin("validators", name) for name in resolved.personas.validators}
    growth = _Growth(resolved, out, validators, compose=compose, quiet=quiet)
    try:
        growth.run()
    except KeyboardInterrupt:
        say(f"stopped; run the same command again to go on in {out}")
        raise typer.Exit(INTERRUPTED) from None
    show(growth.summary(), as_json=as_json)
    finish(growth.result(), as_json=as_json)


app.command("show")(persona_reports.show_personas)
app.command("stats")(persona_reports.stats)
app.command("check")(persona_reports.check)
app.command("calibrate")(persona_reports.calibrate)
app.command("split")(persona_files.split)
app.command("export")(persona_files.export)
app.command("import")(persona_import.import_files)


class _Growth:
    """One growth in this process: pool, writer, log and display."""

    def __init__(
        self,
        config: "Config",
        out: Path,
        validators: "Mapping[str, Validator]",
        *,
        compose: bool,
        quiet: bool,
    ) -> None:
        self.config = config
        self.out = out
        self.validators = validators
        self.compose = compose
        self.quiet = quiet
        self.ended = "target"
        self.display: GrowthDisplay | None = None
        self.size = 0

    def run(self) -> None:
        """Open everything and grow; nothing is opened if the pool is large enough."""
        from aloe.memory.descriptions import read_seeds
        from aloe.memory.pool.files import PoolFiles, count_saved

        self.size = count_saved(self.out)
        if self.size >= self.config.personas.target:
            return
        seeds = read_seeds(self.config.personas.seeds)
        from aloe.calls.event import appending
        from aloe.memory.embedder import open_embedder
        from aloe.memory.pool.open import open_pool
        from aloe.models.open import check_reachable, open_model

        personas = self.config.personas
        embedder = open_embedder(personas.embedder)
        writer = self.config.models.writer
        model = None if self.compose else open_model(writer, self.config.limits)
        if model:
            import asyncio

            asyncio.run(check_reachable([model]))
        files = PoolFiles(self.out)
        texts = {kind: [seed.text for seed in given] for kind, given in seeds.items()}
        opened = open_pool(self.out, personas, embedder, seeds=texts, on_embedded=self._level)
        with opened as pool, appending(files.events) as events:
            self._grow(pool, model, seeds, events)

    def _level(self, done: int, wanted: int) -> None:
        if not self.quiet and wanted > 1000:
            stderr().print(f"embedding what the store lacks: {done}/{wanted}", highlight=False)

    def _grow(self, pool: Any, model: "Model | None", seeds: Any, events: Any) -> None:
        from aloe.agents.writer import PersonaWriter, Writer
        from aloe.calls.log import CallLog
        from aloe.graphs.pool import GrowthProgress, PoolContext, grow_pool
        from aloe.loop import make_runner
        from aloe.memory.composition import Composer
        from aloe.memory.pool.growth import GrowthLog

        personas = self.config.personas
        log = GrowthLog(pool.files.growth, personas.window)
        progress = GrowthProgress(target=personas.target, found=len(pool), size=len(pool))
        calls = CallLog(events, prices=self.config.prices, on_event=self._on_event)
        self.display = GrowthDisplay(progress, log, calls, quiet=self.quiet)
        progress.on_change = self.display.update
        writer: Writer = (
            PersonaWriter(model=model, calls=calls, prompts=self.config.prompts)
            if model
            else Composer()
        )
        context = PoolContext(
            pool=pool,
            writer=writer,
            seeds=seeds,
            log=log,
            config=personas,
            seed=self.config.seed,
            progress=progress,
            validators=self.validators,
        )
        try:
            with self.display.running(), make_runner() as loop:
                self.ended = loop.run(grow_pool(context))
        finally:
            self.size = len(pool)

    def _on_event(self, _event: "Event") -> None:
        if self.display:
            self.display.update()

    def summary(self) -> RenderableType:
        """Return what a person reads at the end."""
        target = self.config.personas.target
        if self.display is None:
            return Text(f"{self.out} holds {self.size} personas, {target} were wanted: all done.")
        said = f"{self.out}: {self.size} personas."
        if self.ended == "saturated":
            said += (
                f" Saturated before {target}: hardly any candidate is new or sound. More seeds, "
                "another model or a higher temperature bring more."
            )
        return Group(self.display.panel(), Text(said))

    def result(self) -> dict[str, Any]:
        """Return the summary for machines."""
        found = {"out": str(self.out), "personas": self.size, "ended": self.ended}
        return found | (self.display.result() if self.display else {"personas_now": 0, "calls": 0})


class GrowthDisplay(Display):
    """The state of a growth, live and at the end."""

    def __init__(
        self, progress: "GrowthProgress", log: "GrowthLog", calls: "CallLog", *, quiet: bool
    ) -> None:
        super().__init__(quiet=quiet)
        self._progress = progress
        self._log = log
        self._calls = calls
        self._judged_before = log.judged
        self._accepted_before = log.accepted
        self._pace = Throughput(calls.totals)

    def seconds(self) -> float:
        """Return the time since the start, or the length of the growth once it has its target."""
        if self._progress.size >= self._progress.target:
            self._pace.end()
        return self._pace.seconds

    def to_go(self) -> str:
        """Say how long the rest takes at the pace so far; empty if that is not known."""
        p = self._progress
        left = self._pace.to_go(p.size - p.found, p.target - p.found)
        return f"about {duration(left)} to go" if left else ""

    def line(self) -> str:
        """Return the state in one line."""
        p, judged, accepted = self._progress, *self._judged()
        told = (
            f"personas: {p.size}/{p.target}, {accepted} of {judged} candidates accepted, "
            f"{self._calls.totals.output_tokens} tokens written, {self.seconds():.0f} s"
        )
        return ", ".join(filter(None, [told, self.to_go()]))

    def panel(self) -> RenderableType:
        """Return bar, acceptance, reasons of refusal, figures and the newest persona."""
        p, judged, accepted = self._progress, *self._judged()
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            "personas",
            ProgressBar(total=p.target, completed=p.size, width=30),
            f"{p.size}/{p.target}",
            self.to_go(),
        )
        parts: list[RenderableType] = [bar, _acceptance(self._log, judged, accepted)]
        if self._log.refusals:
            reasons = ", ".join(f"{why} {n}" for why, n in self._log.refusals.most_common(6))
            parts.append(Text(f"refused: {reasons}"))
        self.seconds()  # stops the clock of a growth that has its target
        parts.append(grid(spending(self._calls, self._pace)))
        if p.newest:
            words = p.newest.text
            parts.append(Text(words, style="italic", overflow="ellipsis", no_wrap=True))
        return Group(*parts)

    def _judged(self) -> tuple[int, int]:
        """Return candidates judged and accepted in this process."""
        return self._log.judged - self._judged_before, self._log.accepted - self._accepted_before

    def result(self) -> dict[str, Any]:
        """Return the figures for machines."""
        judged, accepted = self._judged()
        totals, seconds = self._calls.totals, self.seconds()
        return {
            "personas_now": self._progress.size - self._progress.found,
            "candidates": judged,
            "accepted": accepted,
            "refused": dict(self._log.refusals),
            "seconds": round(seconds, 2),
            "calls": totals.calls,
            "errors": totals.errors,
            "input_tokens": totals.input_tokens,
            "cached_tokens": totals.cached_tokens,
            "output_tokens": totals.output_tokens,
            "cost": None if totals.unpriced else round(totals.cost, 6),
        }


def _acceptance(log: "GrowthLog", judged: int, accepted: int) -> Text:
    """Return the acceptance rate and its curve over the last window, eight candidates a bar."""
    share = accepted / judged if judged else 0.0
    fates = log.curve
    groups = [fates[i : i + 8] for i in range(0, len(fates), 8)]
    bars = "".join("▁▂▃▄▅▆▇█"[round(7 * sum(group) / len(group))] for group in groups)
    return Text(f"accepted {accepted} of {judged} candidates ({share:.0%})  {bars}")
