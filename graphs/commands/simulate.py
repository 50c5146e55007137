"""`aloe simulate`: personas in, conversation trees out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.console import finish, say, show
from aloe.errors import (
    BUDGET_SPENT,
    INTERRUPTED,
    BudgetError,
    ConfigError,
    InputError,
)
from aloe.graphs.commands.dashboard import RunDisplay, end
from aloe.options import (
    BaseUrl,
    ConfigFile,
    Json,
    MaxCalls,
    MaxCost,
    MaxTokens,
    ModelName,
    Quiet,
    Seed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aloe.calls.forecast import Forecast
    from aloe.calls.history import History
    from aloe.config import Config
    from aloe.graphs.run import PlannedTree
    from aloe.memory.run_folder import RunFolder
    from aloe.models.open import Model
    from aloe.schema import Persona


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
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes; default: one for every 128 trees in flight."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="local|ray", help="Where the workers are."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="STR",
            help="Ray cluster, auto or HOST:PORT; default: a Ray of this machine for this run.",
        ),
    ] = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Keep all answers in FILE.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay", metavar="FILE", help="Take all answers from FILE; no server is asked."
        ),
    ] = None,
    fork: Annotated[
        Path | None,
        typer.Option(
            "--fork",
            metavar="NEWDIR",
            help="Run in NEWDIR, using again what answers of --out still fit.",
        ),
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
    A run that stops at --max-cost, --max-calls or --max-tokens, which count what the folder has
    cost in all, ends with exit code 3 and goes on with a higher cap.

    Example: `aloe simulate --personas personas.jsonl --trees 10 --turns 5 --out runs/first`
    """
    from aloe import config as settings
    from aloe.agents.panel import read_own_passport
    from aloe.agents.registry import prompts_of
    from aloe.calls.event import appending
    from aloe.calls.history import History
    from aloe.calls.replay import record as record_calls
    from aloe.files.writing import replace_text
    from aloe.graphs.expansion import check_expansion
    from aloe.graphs.run import open_models
    from aloe.loop import make_runner
    from aloe.memory.run_folder import RunFolder
    from aloe.models.open import check_reachable
    from aloe.telemetry import trace_calls

    given: dict[str, object] = {
        "--personas": personas,
        "--trees": trees,
        "--seed": seed,
        "--config": config,
        "--model": model,
        "--base-url": base_url,
    }
    _check_source(given, extend, out)
    _check_fork(out, fork, given={"--extend": extend, "--replay": replay})
    resolved = settings.load(
        extend / "config.toml" if extend else config,
        {
            "seed": seed,
            "simulation.trees": trees,
            "simulation.turns": turns,
            "simulation.expansion": expansion,
            "simulation.concurrency": concurrency,
            # What is replayed is asked of nobody, so there is nothing to spread.
            "simulation.workers": 1 if replay else workers,
            "simulation.engine": "local" if replay else engine,
            "simulation.ray_address": ray_address,
            "budget.max_cost": max_cost,
            "budget.max_calls": max_calls,
            "budget.max_tokens": max_tokens,
        },
    ).with_model(model, base_url)
    pool = _pool(personas) if personas else []
    folder = RunFolder(fork or out)
    prompts = prompts_of(resolved)
    folder.check(resolved, prompts)
    if extend:
        RunFolder(extend).check_prompts(prompts)
    passport = read_own_passport(resolved)
    check_expansion(resolved.simulation)
    models = _closed_models(resolved, replay) if replay else open_models(resolved)
    wanted = _wanted(resolved, pool, extend, models)
    earlier = History.of(folder.events)
    _check_same_trees(folder, wanted, pool, resolved, earlier)
    check_prices(resolved, models.values())
    _check_place(record)
    # One loop for both: a client's connections belong to the loop that opened them.
    with make_runner() as loop:
        if not replay:
            loop.run(check_reachable(list(models.values())))
        with folder.writing(resolved, prompts):
            if not folder.events.exists():
                _carry_over(folder, replay=replay, fork=RunFolder(out) if fork else None)
            with appending(folder.events) as events:
                if passport:
                    replace_text(folder.path / "passport.json", passport.json_text())
                run = _Run(resolved, events, earlier, wanted=len(wanted), quiet=quiet)
                if fork and not quiet:
                    _say_what_changed(RunFolder(out), resolved)
                if not quiet and not replay:
                    _say_forecast(run, wanted, folder)
                try:
                    with run.display.running(), trace_calls(resolved.telemetry, run.calls):
                        loop.run(run.grow(wanted, folder, models))
                except BudgetError as error:
                    run.stopped = run.calls.budget.reached or str(error)
                except KeyboardInterrupt:
                    say(f"stopped; run the same command again to go on in {folder.path}")
                    raise typer.Exit(INTERRUPTED) from None
                finally:
                    if record:
                        record_calls(folder.events, record)
    show(run.display.figures(), as_json=as_json)
    finish({"out": str(folder.path), **run.result()}, as_json=as_json)
    if run.stopped:
        say(
            f"stopped at the budget: {run.stopped}; what is finished is kept, the same command "
            "with a higher cap goes on",
            style="red",
        )
        raise typer.Exit(BUDGET_SPENT)
    end(run.progress)


def _say_what_changed(forked: "RunFolder", config: "Config") -> None:
    """Tell a fork from what it is forked from."""
    from aloe.config import differences, load

    changed = "; ".join(differences(load(forked.config), config)) or "no setting differs"
    say(f"fork of {forked.path}: {changed}")


def _say_forecast(run: "_Run", wanted: list["PlannedTree"], folder: "RunFolder") -> None:
    """Tell what the run will take, and whether its budget allows that."""
    forecast = run.forecast(wanted, folder)
    say(forecast.line())
    if forecast.exceeds(run.config.budget, run.earlier.spent):
        say("the budget will end the run before that", style="yellow")


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


def _check_fork(out: Path, fork: Path | None, given: dict[str, Path | None]) -> None:
    """Make sure that there is something to fork, and somewhere to put it."""
    if fork is None:
        return
    if extra := [name for name, value in given.items() if value is not None]:
        raise ConfigError(f"--fork starts from --out; leave out {', '.join(extra)}")
    if not (out / "config.toml").exists():
        raise ConfigError(f"{out} holds no run to fork; name it as --out, the new one as --fork")
    if fork.resolve() == out.resolve():
        raise ConfigError("--fork leaves the run in --out as it is; name another folder")


def _closed_models(config: "Config", recording: Path) -> dict[str, "Model"]:
    """Return stand-ins for the models of a run whose answers are all in `recording`."""
    from aloe.agents.registry import models_in_use
    from aloe.models.open import closed_model

    if not recording.is_file():
        raise InputError(recording, "there is no such recording")
    reason = (
        f"{recording} holds no answer to a call that this run makes; replay it with the personas, "
        "settings and number of trees that it was recorded with"
    )
    return {name: closed_model(each, reason) for name, each in models_in_use(config).items()}


def _check_same_trees(
    folder: "RunFolder",
    wanted: list["PlannedTree"],
    pool: list["Persona"],
    config: "Config",
    earlier: "History",
) -> None:
    """Make sure that what the folder holds was begun from the same personas."""
    from aloe.config import load
    from aloe.graphs.run import plan

    there = earlier.trees.keys() | folder.finished()
    known = {each.tree for each in wanted}
    if pool and there - known:  # of a run for more trees, perhaps
        before = load(folder.config).simulation.trees
        known |= {each.tree for each in plan(pool, before, config.seed)}
    if strangers := sorted(there - known):
        raise ConfigError(
            f"{folder.path} holds {len(strangers)} trees that do not come from these personas "
            f"({strangers[0]} is the first); name the file it was begun with, or another folder"
        )


def check_prices(config: "Config", models: "Iterable[Model]") -> None:
    """Make sure that a cap in dollars can be kept.

    Raises:
        ConfigError: there is such a cap, and a model has no price.
    """
    from aloe.config import PAID
    from aloe.models.model_string import ModelString

    if config.budget.max_cost is None:
        return
    for model in models:
        parts = ModelString.parse(model.name)
        if parts.provider in PAID and parts.name not in config.prices:
            raise ConfigError(
                f'a cap in dollars needs the price of {model.name}: add [prices."{parts.name}"] '
                "with input and output, in dollars per million tokens, to the settings"
            )


def _check_place(record: Path | None) -> None:
    """Make sure before a run that there is a folder for its recording."""
    if record and not record.resolve().parent.is_dir():
        raise ConfigError(f"{record} cannot be written: there is no such folder")


def _carry_over(folder: "RunFolder", *, replay: Path | None, fork: "RunFolder | None") -> None:
    """Put answers of another run where this one looks for its own."""
    from aloe.calls.replay import carry

    if replay:
        carry(replay, folder.events)
    elif fork and fork.events.exists():
        finished = fork.finished()

        def stands(line: "Mapping[str, Any]") -> bool:
            """Whether a call need not be made: what failed or was empty gets another chance."""
            reply = line["reply"]
            return bool(reply and (reply["text"].strip() or line["tree"] in finished))

        carry(fork.events, folder.events, stands)


def _pool(personas: Path) -> list["Persona"]:
    from aloe.memory.personas import read_personas

    return read_personas(personas)


def _wanted(
    config: "Config", pool: list["Persona"], extend: Path | None, models: dict[str, "Model"]
) -> list["PlannedTree"]:
    """Return the trees to grow: new ones, or those of a finished run."""
    from aloe.graphs.run import further, plan
    from aloe.memory.run_folder import read_trees

    if extend is None:
        return list(plan(pool, config.simulation.trees, config.seed))
    trees = list(read_trees(extend))
    deepest = max((node.turn for tree in trees for node in tree.nodes), default=0)
    if config.simulation.turns <= deepest:
        raise ConfigError(f"{extend} has {deepest} turns already; give more with --turns")
    return further(trees, models)


class _Run:
    """One simulation in this process: its call log, its progress, its display."""

    def __init__(
        self, config: "Config", events: Any, earlier: "History", *, wanted: int, quiet: bool
    ) -> None:
        from aloe.calls.budget import Budget
        from aloe.calls.log import CallLog
        from aloe.graphs.run import RunProgress

        self.config = config
        self.earlier = earlier
        self.stopped: str | None = None
        """Which cap of the budget ended the run; None if none did."""
        self.progress = RunProgress(wanted=wanted)
        self.calls = CallLog(
            events,
            prices=config.prices,
            on_event=lambda event: self.display.follow(event),
            budget=Budget(config.budget, earlier.spent),
        )
        self.display = RunDisplay(self.progress, self.calls, quiet=quiet)

    async def grow(self, wanted: list["PlannedTree"], folder: Any, models: Any) -> None:
        from aloe.graphs.run import grow_all

        await grow_all(
            wanted, self.config, folder, models, self.calls, self.progress, self.display.update
        )

    def forecast(self, wanted: list["PlannedTree"], folder: "RunFolder") -> "Forecast":
        """Return what the trees that are not there yet will take."""
        from aloe.calls.forecast import forecast

        done = folder.finished()
        todo = [each for each in wanted if each.tree not in done]
        starts = [each.start for each in todo if each.start]
        there = min((max(node.turn for node in tree.nodes) for tree in starts), default=0)
        personas = [each.persona for each in todo]
        usage = self.earlier.usage
        answered = sum(self.earlier.trees[each.tree] for each in todo)
        return forecast(
            self.config, personas, len(todo), usage, turns_there=there, answered=answered
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
            "estimated": totals.estimated,
            "tokens_per_second": round(totals.output_tokens / seconds, 1) if seconds else 0.0,
            "cost": None if totals.unpriced else round(totals.cost, 6),
            "spent": vars(self.calls.budget.spent),
            "stopped": self.stopped,
            "verdicts": dict(progress.outcomes),
            "ledger": progress.ledger.summary(),
            "user_faults": dict(progress.severity),
            "spoiled_trees": progress.spoiled,
            "outcomes": {f"{role}:{kind}": n for (role, kind), n in totals.outcomes.items()},
        }
