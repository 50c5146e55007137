"""`aloe simulate`: personas in, conversation trees out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.commands.dashboard import RunDisplay
from aloe.commands.options import BaseUrl, ConfigFile, Json, ModelName, Quiet, Seed
from aloe.console import finish, show, stderr
from aloe.errors import EXIT_CODE, INTERRUPTED, ConfigError

if TYPE_CHECKING:
    from aloe.config import Config
    from aloe.models import Model
    from aloe.schema import Persona
    from graphs.run import Planned


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
        self.calls = CallLog(
            events, prices=config.prices, on_event=lambda event: self.display.follow(event)
        )
        self.display = RunDisplay(self.progress, self.calls, quiet=quiet)

    async def grow(self, wanted: list["Planned"], folder: Any, models: Any) -> None:
        from graphs.run import grow_all

        await grow_all(
            wanted, self.config, folder, models, self.calls, self.progress, self.display.update
        )

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
