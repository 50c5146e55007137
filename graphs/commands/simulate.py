"""`aloe simulate`: personas in, conversation trees out."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.console import finish, say, say_written, show
from aloe.errors import BUDGET_SPENT, BudgetError, ConfigError
from aloe.graphs.commands.dashboard import RunDisplay, exit_on_failures
from aloe.number_format import counted
from aloe.options import (
    BaseUrl,
    Batch,
    ConfigFile,
    Disclosure,
    ForecastOnly,
    Json,
    MaxCalls,
    MaxCost,
    MaxTokens,
    ModelName,
    Quiet,
    Seed,
    with_flags,
)
from aloe.resumable import resumable

if TYPE_CHECKING:
    from aloe.calls.forecast import Forecast
    from aloe.config import Config
    from aloe.graphs.simulation import Simulation


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    """The flags."""

    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Run folder; resumed if it exists.")
    ]
    personas: Annotated[
        Path | None,
        typer.Option("--personas", metavar="FILE", help="personas.jsonl from `personas grow`."),
    ] = None
    extend: Annotated[
        Path | None,
        typer.Option(
            "--extend",
            metavar="DIR",
            help="Finished run whose trees get more turns in --out.",
        ),
    ] = None
    rollouts: Annotated[
        int | None,
        typer.Option(
            "--rollouts", min=1, help="With --extend: continuations of each compared reply."
        ),
    ] = None
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy", metavar="ASSISTANT", help="Who answers in rollouts; default: a random one."
        ),
    ] = None
    horizon: Annotated[
        int | None,
        typer.Option("--horizon", min=2, help="Turns that rollouts reach, the reply's included."),
    ] = None
    until_turn: Annotated[
        int | None,
        typer.Option("--until-turn", min=1, help="Last turn whose replies rollouts continue."),
    ] = None
    trees: Annotated[int | None, typer.Option("--trees", help="How many trees.")] = None
    turns: Annotated[int | None, typer.Option("--turns", help="User messages on a path.")] = None
    expansion: Annotated[
        str | None,
        typer.Option(
            "--expansion",
            metavar="STR",
            help="sample, preferred, both, beam, disagreement or MODULE:FUNCTION.",
        ),
    ] = None
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Trees in flight at once.")
    ] = None
    batch: Batch = False
    disclosure: Disclosure = None
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes; default: one per 128 trees in flight."),
    ] = None
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="local|ray", help="Where the workers run."),
    ] = None
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="STR",
            help="Ray cluster, auto or HOST:PORT; default: start Ray here for this run.",
        ),
    ] = None
    max_cost: MaxCost = None
    max_calls: MaxCalls = None
    max_tokens: MaxTokens = None
    dry_run: ForecastOnly = False
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Record all answers in FILE.")
    ] = None
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay", metavar="FILE", help="Take all answers from FILE; calls no server."
        ),
    ] = None
    fork: Annotated[
        Path | None,
        typer.Option(
            "--fork",
            metavar="NEWDIR",
            help="Run in NEWDIR, reusing the answers of --out that still fit.",
        ),
    ] = None
    model: ModelName = None
    base_url: BaseUrl = None
    seed: Seed = None
    config: ConfigFile = None
    as_json: Json = False
    quiet: Quiet = False

    def check(self) -> None:
        """Make sure that what the run starts from is named, once, and is not written over.

        Raises:
            ConfigError: it is not.
        """
        if self.extend is None and self.personas is None:
            raise ConfigError(
                "name the personas with --personas FILE, or a finished run with --extend"
            )
        if self.extend:
            self._check_extend(self.extend)
        if not (self.extend and self.rollouts) and (
            extra := self._given("policy", "horizon", "until_turn")
        ):
            raise ConfigError(f"{extra}: only for rollouts (--extend DIR --rollouts N)")
        if self.rollouts and not self.extend:
            raise ConfigError("--rollouts continues a finished run; name it with --extend DIR")
        if self.fork:
            self._check_fork(self.fork)

    def _check_extend(self, extended: Path) -> None:
        taken_over = ("personas", "trees", "disclosure", "seed", "config", "model", "base_url")
        if extra := self._given(*taken_over):
            raise ConfigError(f"--extend takes its settings from {extended}; leave out {extra}")
        if extended.resolve() == self.out.resolve():
            raise ConfigError(
                "--extend does not change the finished run; name another folder as --out"
            )

    def _check_fork(self, fork: Path) -> None:
        if extra := self._given("extend", "replay"):
            raise ConfigError(f"--fork starts from --out; leave out {extra}")
        if not (self.out / "config.toml").exists():
            raise ConfigError(
                f"{self.out} holds no run to fork; name it as --out, the new one as --fork"
            )
        if fork.resolve() == self.out.resolve():
            raise ConfigError("--fork does not change the run in --out; name another folder")

    def _given(self, *names: str) -> str:
        """Return those of the flags that were given, as a person types them."""
        given = [name for name in names if getattr(self, name) is not None]
        return ", ".join(f"--{name.replace('_', '-')}" for name in given)

    def settings(self) -> "Config":
        """Return the settings: file, then flags."""
        from aloe import config as settings

        flags = {
            "seed": self.seed,
            "simulation.trees": self.trees,
            "simulation.turns": self.turns,
            "simulation.expansion": self.expansion,
            **self._rollouts(),
            "user.disclosure": self.disclosure,
            "simulation.concurrency": self.concurrency,
            "limits.batch": self.batch or None,
            **self._workers(),
            "budget.max_cost": self.max_cost,
            "budget.max_calls": self.max_calls,
            "budget.max_tokens": self.max_tokens,
        }
        file = self.extend / "config.toml" if self.extend else self.config
        loaded = settings.load(file, flags)
        if self.replay or self.engine == "local":  # not on the cluster that the file names
            asked = None if self.replay else self.ray_address
            here = {"engine": "local", "ray_address": asked}
            loaded = loaded.updated({"simulation": here}, source=settings.COMMAND_LINE)
        return loaded.with_model(self.model, self.base_url)

    def _workers(self) -> dict[str, Any]:
        """Return where trees grow; what is replayed is asked of nobody: nothing to spread."""
        if self.replay:
            return {"simulation.workers": 1}
        return {
            "simulation.workers": self.workers,
            "simulation.engine": self.engine if self.engine != "local" else None,
            "simulation.ray_address": self.ray_address,
        }

    def _rollouts(self) -> dict[str, Any]:
        """Return the settings of rollouts; those of the run that is extended are its own."""
        if not self.extend:
            return {}
        from aloe.config import RolloutConfig

        given = {
            "count": self.rollouts,
            "policy": self.policy,
            "horizon": self.horizon,
            "until_turn": self.until_turn,
        }
        named = {key: value for key, value in given.items() if value is not None}
        return {"simulation.rollouts": {**RolloutConfig().model_dump(), **named}}


@with_flags
def simulate(options: SimulateOptions) -> None:
    """Simulate conversation trees between persona users and assistants.

    Writes DIR/config.toml, DIR/trees.jsonl and DIR/events.jsonl. The same command resumes where
    the last one stopped. `--extend` continues the trees of a finished run with its settings and
    repeats no call; only --turns, --concurrency and the expansion may change. `--rollouts N`
    continues its compared replies until each has N continuations, for `aloe relabel`. --max-cost,
    --max-calls and --max-tokens count everything the folder has cost so far; a run that reaches
    one exits with code 3 and can be resumed with a higher cap.

    Example: `aloe simulate --personas personas.jsonl --trees 10 --turns 5 --out runs/first`
    """
    from aloe.graphs.simulation import prepare
    from aloe.memory.out_files import check_out
    from aloe.memory.personas import read_personas
    from aloe.memory.run_folder import RunFolder

    options.check()
    simulation = prepare(
        options.settings(),
        RunFolder(options.fork or options.out),
        personas=read_personas(options.personas) if options.personas else (),
        extended=options.extend,
        replayed=options.replay,
        forked=RunFolder(options.out) if options.fork else None,
    )
    if options.record and not options.record.resolve().parent.is_dir():
        raise ConfigError(f"{options.record} cannot be written: there is no such folder")
    if options.record:
        check_out(options.record, [], "--record")
    if options.extend and (missing := simulation.missing()):
        say(f"{options.extend} is unfinished: {missing}", style="yellow")
    if options.dry_run:
        _show_forecast(simulation, as_json=options.as_json)
    else:
        _run(simulation, options)


def _show_forecast(simulation: "Simulation", *, as_json: bool) -> None:
    """Say what the run will take, and end the command."""
    forecast = simulation.forecast()
    show(forecast.line(), as_json=as_json)
    if judges := simulation.judges():
        show(judges, as_json=as_json)
    _warn_of_budget(simulation, forecast)
    finish({"forecast": asdict(forecast)}, as_json=as_json)


def _warn_of_budget(simulation: "Simulation", forecast: "Forecast") -> None:
    """Say so if the run will come to the end of its budget; a replay spends nothing."""
    exceeds = forecast.exceeds(simulation.config.budget, simulation.history.spent)
    if exceeds and not simulation.replayed:
        say("the budget will end the run before that", style="yellow")


def _run(simulation: "Simulation", options: SimulateOptions) -> None:
    from aloe.calls.replay import record
    from aloe.graphs.batch import RunProgress
    from aloe.loop import make_runner

    folder, stopped = simulation.folder, None
    progress = RunProgress(wanted=len(simulation.wanted))
    forecast = simulation.forecast()
    if not simulation.replayed:
        progress.expected = forecast.expected(simulation.unfinished())
    # One loop for both: a client's connections belong to the loop that opened them.
    with make_runner() as loop:
        loop.run(simulation.check_servers())
        with simulation.writing() as events:
            calls = simulation.open_log(events)
            done = not simulation.unfinished()
            display = RunDisplay(progress, calls, quiet=options.quiet or done)
            calls.listen(display.follow)
            if not display.quiet:
                _announce(simulation, forecast)
            try:
                with resumable(folder.path), display.running():
                    loop.run(simulation.grow(calls, progress, display.update))
            except BudgetError as error:
                stopped = calls.budget.reached or str(error)
            finally:
                if options.record:
                    record(folder.events, options.record)
    there = f"{counted(progress.wanted, 'tree')}, all in {folder.path} already; nothing to do"
    show(there if done else display.figures(), as_json=options.as_json, lines=done)
    if written := [*([] if done else [folder.path]), *filter(None, [options.record])]:
        say_written(*written)
    finish(
        {"out": str(folder.path), **display.result(), "stopped": stopped}, as_json=options.as_json
    )
    if stopped:
        say(
            f"stopped at the budget: {stopped}; finished work is kept: to resume, run the same "
            "command with a higher cap",
            style="red",
        )
        raise typer.Exit(BUDGET_SPENT)
    exit_on_failures(progress)


def _announce(simulation: "Simulation", forecast: "Forecast") -> None:
    """Tell a fork from what it is forked from, and what the run will take."""
    if simulation.forked:
        changed = "; ".join(simulation.changes()) or "no setting differs"
        say(f"fork of {simulation.forked.path}: {changed}")
    starts = [each.start for each in simulation.wanted if each.start]
    if simulation.config.simulation.rollouts.count and not all(
        start.persona.preferences for start in starts
    ):
        say(
            "replies of rollouts have no siblings to be judged against: for personas without "
            "checkable wishes give their levels with `aloe relabel --levels`",
            style="yellow",
        )
    if not simulation.replayed:
        say(forecast.line())
        if judges := simulation.judges():
            say(judges)
        _warn_of_budget(simulation, forecast)
