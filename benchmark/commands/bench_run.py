"""`aloe bench run`: hold the dialogues of a benchmark, have them judged, show the results."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType

from aloe.console import finish, say, say_written, show, stderr, stdout
from aloe.errors import EXIT_CODE, ConfigError
from aloe.number_format import counted
from aloe.options import (
    Batch,
    ConfigFile,
    Disclosure,
    ForecastOnly,
    Json,
    MaxCalls,
    MaxCost,
    MaxTokens,
    Quiet,
    Seed,
)
from aloe.resumable import resumable, within_budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aloe.benchmark.bench_plan import BenchPlan
    from aloe.benchmark.bench_result import BenchResult
    from aloe.benchmark.bench_run import BenchRun
    from aloe.benchmark.run import BenchProgress
    from aloe.calls.log import CallLog
    from aloe.config import Condition

Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Bench folder; resumed if it exists.")
]
Candidate = Annotated[
    str | None,
    typer.Option("--model", metavar="STR", help="Model under test: a string or a folder."),
]
User = Annotated[
    str | None, typer.Option("--user", metavar="STR", help="Model that plays the users.")
]
Judges = Annotated[
    list[str] | None,
    typer.Option("--judge", metavar="STR", help="Model that judges; give two families."),
]
Cases = Annotated[
    str | None,
    typer.Option("--cases", metavar="SUITE|FILE", help="Suite to play [aloe-100]."),
]
Controls = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        metavar="NAME",
        help="Also ceiling, no-history, concise, shuffled or floor=MODEL.",
    ),
]
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, help="Dialogues per case [3].")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="At most this many cases, spread over the suite."),
]
Prior = Annotated[
    Path | None,
    typer.Option("--prior", metavar="DIR", help="Earlier bench folder, to forecast from."),
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", help="Dialogues in flight at once.")
]


def run(
    out: Out,
    model: Candidate = None,
    user: User = None,
    judge: Judges = None,
    cases: Cases = None,
    control: Controls = None,
    seeds: Seeds = None,
    limit: Limit = None,
    disclosure: Disclosure = None,
    prior: Prior = None,
    dry_run: ForecastOnly = False,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    concurrency: Concurrency = None,
    batch: Batch = False,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure how well a model fits its user, and whether it adapts during the conversation.

    Holds the dialogues of a suite, rates every reply for its user and for a swapped one, and writes
    DIR/scores.jsonl and DIR/result.json. First it prints what it will cost and what differences it
    could detect. The same command resumes where the last one stopped; you can add a `--control`.

    Example: `aloe bench run --model openai:NAME@http://127.0.0.1:8000/v1 --user openai:gpt-4o-mini
    --judge openai:A --judge openai:B --control ceiling --out runs/bench`
    """
    from aloe.benchmark.bench_plan import plan_bench
    from aloe.benchmark.conditions import load_candidate, with_controls

    overrides = {
        "seed": seed,
        "benchmark.cases": cases,
        "benchmark.seeds": seeds,
        "benchmark.limit": limit,
        "user.disclosure": disclosure,
        "simulation.concurrency": concurrency,
        "limits.batch": batch or None,
        "budget.max_cost": max_cost,
        "budget.max_calls": max_calls,
        "budget.max_tokens": max_tokens,
    }
    resolved = load_candidate(config, overrides, model=model, user=user, judges=judge or [])
    if model is None and config is None:
        raise ConfigError("name the model under test with --model STR")
    plan = plan_bench(out, with_controls(resolved, control or []))
    ahead = _forecast(plan, prior)
    if dry_run:
        finish({"forecast": ahead, "warnings": plan.warnings}, as_json=as_json)
    else:
        _end(*_play(plan, quiet=quiet), as_json=as_json)


def _forecast(plan: "BenchPlan", prior: Path | None) -> dict[str, Any]:
    """Show what is ahead, and return it."""
    from aloe.benchmark.commands.bench_display import forecast_view

    ahead = plan.forecast(prior)
    stderr().print(forecast_view(ahead, plan.warnings), highlight=False, soft_wrap=False)
    return vars(ahead)


def _play(plan: "BenchPlan", *, quiet: bool) -> "tuple[BenchRun, BenchResult]":
    """Hold and judge what is not there yet, show how far it is, and write the numbers."""
    from aloe.benchmark.bench_run import open_run
    from aloe.benchmark.commands.bench_display import BenchDisplay
    from aloe.loop import make_runner

    @contextmanager
    def around(
        condition: "Condition", progress: "BenchProgress", calls: "CallLog"
    ) -> "Iterator[Callable[[], None]]":
        ahead = plan.count_calls(condition)
        display = BenchDisplay(condition, progress, calls, quiet=quiet, ahead=ahead)
        with display.running():
            yield display.update

    with make_runner() as loop, resumable(plan.out), within_budget(plan.out):
        held = open_run(plan)
        return held, loop.run(held.play(around))


def _end(held: "BenchRun", result: "BenchResult", *, as_json: bool) -> None:
    """Show the numbers, and say what failed."""
    show(_view(result, as_json=as_json), as_json=as_json)
    for text in held.lacking:  # other warnings came with the forecast
        say(f"aloe: {text}", style="red")
    say_written(held.plan.out)
    finish({"out": str(held.plan.out), **result.summarise()}, as_json=as_json)
    if held.failures or held.unjudged:
        first = f"; the first reason: {min(held.failures.values())}" if held.failures else ""
        say(
            f"aloe: set aside {counted(len(held.failures), 'dialogue')}, "
            f"{counted(held.unjudged, 'rating')} failed{first}; "
            "run the same command again to retry",
            style="red",
        )
    if not result.complete:
        say(f"aloe: the result is incomplete: {result.describe_gaps()}", style="red")
    if held.failures or not result.complete:
        raise typer.Exit(EXIT_CODE)


def _view(result: "BenchResult", *, as_json: bool) -> RenderableType:
    from aloe.benchmark.tables import suite_view

    width = (stderr() if as_json else stdout()).width
    return Group(*(suite_view(name, each, width) for name, each in result.suites.items()))
