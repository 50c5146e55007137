"""`aloe personas`: the commands around the persona pool.

Only the user interface is here; growth is in `aloe.graphs.growth`, and everything about the pool
itself in `memory`. Heavy packages are imported when a command runs, so `--help` is instant.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from aloe.console import Display, finish, say, show
from aloe.errors import EXIT_CODE
from aloe.memory.commands import persona_files, persona_import, persona_reports
from aloe.number_format import counted, to_go
from aloe.options import BaseUrl, ConfigFile, Json, ModelName, Quiet, Seed, refuse_unread
from aloe.resumable import resumable, within_budget
from aloe.views.figures import Throughput, spending
from aloe.views.folding import Table, grid, said

if TYPE_CHECKING:
    from collections import Counter

    from aloe.calls.log import CallLog
    from aloe.config import Config
    from aloe.graphs.pool import Ended, GrowthProgress
    from aloe.memory.pool.growth import GrowthLog

app = typer.Typer(
    help="Grow, check, split and share pools of persona users.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command()
def grow(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="personas.jsonl to grow.")],
    count: Annotated[int | None, typer.Option("--count", help="Number of personas.")] = None,
    seeds: Annotated[
        Path | None,
        typer.Option("--seeds", metavar="DIR", help="profiles.jsonl and personalities.jsonl."),
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Writer calls in flight.")] = None,
    compose: Annotated[
        bool,
        typer.Option("--compose", help="Compose shipped sentences; no model."),
    ] = False,
    model: ModelName = None,
    base_url: BaseUrl = None,
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Grow a pool of personas with a model, without near-duplicates.

    Writes FILE and, beside it, a folder with the vectors and what became of every candidate. The
    same command resumes where the last one stopped.

    Example: `aloe personas grow --count 100 --out personas.jsonl`
    """
    from aloe import config as settings
    from aloe.memory.pool.files import PoolFiles, count_saved

    if compose:
        refuse_unread({"--model": model, "--base-url": base_url}, "beside --compose")
    resolved = settings.load(
        config,
        {
            "seed": seed,
            "personas.target": count,
            "personas.seeds": seeds,
            "personas.batch": batch,
        },
    ).with_model(model, base_url)
    PoolFiles(out).check_lines()
    size, target = count_saved(out), resolved.personas.target
    if size >= target:
        show(
            f"{out} already holds {counted(size, 'persona')} ({target} requested).", as_json=as_json
        )
        result = {"ended": "target", "personas_now": 0, "calls": 0}
        finish({"out": str(out), "personas": size, **result}, as_json=as_json)
        return
    with resumable(out), within_budget(out):
        display, ended = _grow(resolved, out, compose=compose, quiet=quiet)
    show(display.panel(), as_json=as_json)
    size = display.progress.size
    show(Text(f"{out}: {counted(size, 'persona')}."), as_json=as_json, lines=True, cut=False)
    finish({"out": str(out), "ended": ended, **display.result()}, as_json=as_json)
    if ended != "target":
        _end_short(display.progress)


app.command("show")(persona_reports.show_personas)
app.command("stats")(persona_reports.stats)
app.command("check")(persona_reports.check)
app.command("calibrate")(persona_reports.calibrate)
app.command("split")(persona_files.split)
app.command("export")(persona_files.export)
app.command("verifiable")(persona_files.compose_verifiable)
app.command("import")(persona_import.import_files)


def _end_short(progress: "GrowthProgress") -> NoReturn:
    """Say why a pool has fewer personas than asked for, and end the command accordingly."""
    why = "hardly any candidate is new and valid; try more seeds, another model or a higher "
    why += "temperature"
    if progress.conflicts:
        apart = ", ".join(progress.conflicts)
        why = f"no profile that waits fits a personality that waits: they disagree about {apart}; "
        why += "try other seeds or another model"
    say(f"aloe: {progress.size} of {progress.target} personas: {why}", style="red")
    raise typer.Exit(EXIT_CODE)


def _grow(
    config: "Config", out: Path, *, compose: bool, quiet: bool
) -> "tuple[GrowthDisplay, Ended]":
    from aloe.graphs.growth import open_growth
    from aloe.loop import make_runner

    def say_how_far(done: int, wanted: int) -> None:
        if not quiet and wanted > 1000:
            say(f"embedding what the store lacks: {done}/{wanted}")

    with open_growth(config, out, compose=compose, on_embedded=say_how_far) as growth:
        context = growth.context
        display = GrowthDisplay(context.progress, context.log, growth.calls, quiet=quiet)
        context.progress.on_change = display.update
        growth.calls.listen(lambda _: display.update())
        with display.running(), make_runner() as loop:
            return display, loop.run(growth.run())


class GrowthDisplay(Display):
    """The state of a growth, live and at the end."""

    def __init__(
        self, progress: "GrowthProgress", log: "GrowthLog", calls: "CallLog", *, quiet: bool
    ) -> None:
        super().__init__(quiet=quiet)
        self.progress = progress
        self._log = log
        self._calls = calls
        self._judged_before = log.judged
        self._accepted_before = log.accepted
        self._refused_before = log.refusals.copy()
        self._pace = Throughput(calls.totals)

    def seconds(self) -> float:
        """Return the time since the start, or the length of the growth once it has its target."""
        if self.progress.size >= self.progress.target:
            self._pace.end()
        return self._pace.seconds

    def to_go(self) -> str:
        """Say how long the rest takes at the pace so far; empty if that is not known.

        A persona takes two accepted candidates. Those that are written but not judged yet count as
        far as others were accepted, so there is an answer from the first call on.
        """
        judged, accepted = self._judged()
        written = max(self._calls.totals.calls - self._calls.totals.errors - judged, 0)
        expected = written * (accepted / judged if judged else 1.0)
        wanted = 2 * (self.progress.target - self.progress.found)
        left = self._pace.to_go(accepted + expected, wanted)
        return to_go(left)

    def line(self) -> str:
        """Return the state in one line."""
        p, judged, accepted = self.progress, *self._judged()
        waiting = f"{p.waiting} waiting for a mate, " if p.waiting else ""
        told = (
            f"personas: {p.size}/{p.target}, {accepted} of {judged} candidates accepted, {waiting}"
            f"{self._calls.totals.output_tokens} tokens written, {self.seconds():.0f} s"
        )
        return ", ".join(filter(None, [told, self.to_go()]))

    def panel(self) -> RenderableType:
        """Return bar, acceptance, reasons of refusal, figures and the newest persona."""
        p, judged, accepted = self.progress, *self._judged()
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            "personas",
            ProgressBar(total=p.target, completed=p.size, width=30),
            f"{p.size}/{p.target}",
            self.to_go(),
        )
        parts: list[RenderableType] = [bar, _describe_acceptance(self._log, judged, accepted)]
        if p.waiting:
            parts.append(Text(f"accepted and in no persona yet: {p.waiting}, kept for later"))
        if refused := self._refused():
            reasons = ", ".join(f"{why} {n}" for why, n in refused.most_common(6))
            parts.append(Text(f"refused: {reasons}"))
        self.seconds()  # stops the clock of a growth that has its target
        parts.append(grid(spending(self._calls, self._pace)))
        if p.newest:
            parts.append(said(p.newest.text, "italic"))
        return Group(*parts)

    def _judged(self) -> tuple[int, int]:
        """Return candidates judged and accepted in this process."""
        return self._log.judged - self._judged_before, self._log.accepted - self._accepted_before

    def _refused(self) -> "Counter[str]":
        """Return the reasons of refusal in this process."""
        return self._log.refusals - self._refused_before

    def result(self) -> dict[str, Any]:
        """Return the figures for machines."""
        judged, accepted = self._judged()
        totals, seconds = self._calls.totals, self.seconds()
        return {
            "personas": self.progress.size,
            "personas_now": self.progress.size - self.progress.found,
            "candidates": judged,
            "accepted": accepted,
            "waiting": self.progress.waiting,
            "conflicts": self.progress.conflicts,
            "refused": dict(self._refused()),
            "seconds": round(seconds, 2),
            "calls": totals.calls,
            "errors": totals.errors,
            "input_tokens": totals.input_tokens,
            "cached_tokens": totals.cached_tokens,
            "output_tokens": totals.output_tokens,
            "cost": totals.known_cost,
        }


def _describe_acceptance(log: "GrowthLog", judged: int, accepted: int) -> Text:
    """Return the acceptance rate and its curve over the last window, eight candidates a bar."""
    share = accepted / judged if judged else 0.0
    fates = log.curve
    groups = [fates[i : i + 8] for i in range(0, len(fates), 8)]
    bars = "".join("▁▂▃▄▅▆▇█"[round(7 * sum(group) / len(group))] for group in groups)
    return Text(f"accepted {accepted} of {judged} candidates ({share:.0%})  {bars}")
