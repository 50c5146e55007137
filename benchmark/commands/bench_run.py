"""`aloe bench run`: hold the dialogues of a benchmark, have them judged, show the numbers."""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aloe.console import Display, finish, say, show, stderr, stdout
from aloe.errors import EXIT_CODE, INTERRUPTED, BudgetError, ConfigError
from aloe.options import ConfigFile, Json, MaxCalls, MaxCost, MaxTokens, Quiet, Seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aloe.benchmark.cases import Case
    from aloe.benchmark.dialogues import PlannedDialogue
    from aloe.benchmark.forecast import BenchForecast
    from aloe.benchmark.results import SuiteResult
    from aloe.benchmark.run import BenchProgress
    from aloe.benchmark.scores import ReplyScores
    from aloe.calls.budget import Budget
    from aloe.calls.log import CallLog, Event
    from aloe.config import Condition, Config, ModelConfig
    from aloe.models.open import Model


def run(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Bench folder; resumed if it is.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="STR", help="Model under test: a string or a folder."),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="STR", help="Model that plays the users.")
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option("--judge", metavar="STR", help="Model that judges; give two families."),
    ] = None,
    cases: Annotated[
        str | None,
        typer.Option("--cases", metavar="SUITE|FILE", help="What is played [aloe-100]."),
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            "--control",
            metavar="NAME",
            help="Also ceiling, no-history, concise, shuffled or floor=MODEL.",
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Dialogues for each case [3].")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most cases, spread over the suite.")
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(
            "--prior", metavar="DIR", help="Earlier bench folder, for what can be detected."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Stop after the forecast; write nothing.")
    ] = False,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Dialogues in flight at once.")
    ] = None,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure how well a model fits its user, and whether it gets better with talking.

    Holds the dialogues of a suite, rates every reply for its user and for a swapped one, and writes
    DIR/scores.jsonl and DIR/result.json. What it will cost, and what it could show, is said first.
    The same command again goes on where the last one stopped; another `--control` can be added.

    Example: `aloe bench run --model openai:NAME@http://127.0.0.1:8000/v1 --user openai:gpt-4o-mini
    --judge openai:A --judge openai:B --control ceiling --out runs/bench`
    """
    from aloe.benchmark.dialogues import plan
    from aloe.benchmark.families import warnings
    from aloe.benchmark.folder import check_same, read_bench, write_cases
    from aloe.benchmark.forecast import forecast
    from aloe.benchmark.swaps import stand_ins
    from aloe.calls.budget import Budget, Spent
    from aloe.loop import runner
    from aloe.memory.run_folder import RunFolder

    resolved = _settings(
        config,
        {
            "seed": seed,
            "benchmark.cases": cases,
            "benchmark.seeds": seeds,
            "benchmark.limit": limit,
            "simulation.concurrency": concurrency,
            "budget.max_cost": max_cost,
            "budget.max_calls": max_calls,
            "budget.max_tokens": max_tokens,
        },
        model=model,
        user=user,
        judges=judge,
    )
    if model is None and config is None:
        raise ConfigError("name the model under test with --model STR")
    configs = _conditions(resolved, control or [])
    suite, chosen = _cases(resolved)
    swaps = _stand_ins(suite, stand_ins)
    planned = {
        name: plan(chosen, swaps, each.benchmark.seeds, name) for name, each in configs.items()
    }
    folders = {name: out if name == "candidate" else out / name for name in configs}
    for name, each in configs.items():
        check_same(folders[name], each)
        RunFolder(folders[name]).check(each)
    earlier = _earlier(read_bench(prior)) if prior else None
    floor = configs["floor"].benchmark.candidate if "floor" in configs else None
    ahead = forecast(resolved, planned, floor, earlier)
    by_rule = all(case.persona.preferences for case in chosen)
    cautions = [] if by_rule else warnings(resolved)
    if lonely := sum(each.stand_in is None for each in planned["candidate"]):
        cautions.append(f"{lonely} dialogues have no gain: nobody differs in life and in temper")
    stderr().print(_forecast_view(ahead, cautions), highlight=False, soft_wrap=False)
    if dry_run:
        finish({"forecast": vars(ahead), "warnings": cautions}, as_json=as_json)
        return
    budget = Budget(resolved.budget, Spent.before(_events(out)))
    benching = _Benching(budget=budget, quiet=quiet)
    with runner() as loop:
        try:
            benching.open(loop, configs, by_rule=by_rule)
            for name, each in configs.items():
                with benching.folder(folders[name], each) as (folder, events):
                    if name == "candidate":
                        write_cases(out, chosen)
                    benching.hold(loop, each, planned[name], folder, events)
        except BudgetError as error:
            raise BudgetError(
                f"{error}; what is answered is kept: raise the cap and run the same command again "
                f"to go on in {out}"
            ) from None
        except KeyboardInterrupt:
            say(f"stopped; run the same command again to go on in {out}")
            raise typer.Exit(INTERRUPTED) from None
    benching.rows += _earlier_controls(out, configs, planned["candidate"])
    document, by_suite = _document(resolved, configs, chosen, benching.rows, cautions, out)
    _write(out, document)
    show(_view(by_suite, as_json=as_json), as_json=as_json)
    finish({"out": str(out), **_short(document)}, as_json=as_json)
    benching.say_what_failed()
    if not document["complete"] or benching.failures:
        raise typer.Exit(EXIT_CODE)


def _settings(
    path: Path | None,
    overrides: Mapping[str, object],
    *,
    model: str | None,
    user: str | None,
    judges: list[str] | None,
) -> "Config":
    """Return the settings of the candidate's run: the file's, with the flags over them."""
    from aloe import config as settings

    loaded = settings.load(path, overrides)
    raw = loaded.model_dump()
    if model:
        raw["benchmark"]["candidate"] |= _other(model)
    if user:
        raw["models"]["user"] |= _other(user)
    if judges:
        raw["models"]["judge"] |= _other(judges[0])
        raw["models"]["panel"] = list(judges[1:])
    resolved = settings.validated(settings.Config, raw, source=path or "command line")
    names = [each.model for each in resolved.models.judges().values()]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"a judge is named twice ({', '.join(names)}): it would only repeat itself"
        )
    return resolved


def _other(model: str) -> dict[str, Any]:
    return {"model": model, "base_url": None, "api_key_env": None}


def _conditions(config: "Config", controls: Sequence[str]) -> "dict[Condition, Config]":
    """Return the settings of the candidate's run and of each control, by condition."""
    import difflib

    from aloe import config as settings
    from aloe.agents.candidate import CONDITIONS

    found: dict[Any, Config] = {"candidate": config}
    for control in controls:
        name, _, model = control.partition("=")
        if name not in CONDITIONS or name == "candidate":
            near = difflib.get_close_matches(name, CONDITIONS, n=1)
            known = ", ".join(each for each in CONDITIONS if each != "candidate")
            hint = f"; did you mean {near[0]}?" if near else f"; there are {known}"
            raise ConfigError(f"--control: there is no '{name}'{hint}")
        if (name == "floor") != bool(model):
            raise ConfigError("--control floor=MODEL names the untuned model; no other takes one")
        raw = config.model_dump()
        raw["benchmark"]["condition"] = name
        if model:
            raw["benchmark"]["candidate"] |= _other(model)
        found[name] = settings.validated(settings.Config, raw, source="--control")
    return found


def _cases(config: "Config") -> "tuple[list[Case], list[Case]]":
    """Return the whole suite, and the cases of it that are played, spread evenly."""
    from aloe.benchmark.cases import load_cases

    suite = load_cases(config.benchmark.cases)
    _check_scales(suite)
    limit = min(config.benchmark.limit or len(suite), len(suite))
    return suite, [suite[number * len(suite) // limit] for number in range(limit)]


def _check_scales(cases: "Sequence[Case]") -> None:
    """Make sure that the levels of a suite are all of one scale.

    Raises:
        ConfigError: rules judge some of its cases, and models others.
    """
    scales: dict[str, bool] = {}
    for case in cases:
        by_rule = bool(case.persona.preferences)
        if scales.setdefault(case.suite, by_rule) != by_rule:
            raise ConfigError(
                f"suite '{case.suite}' mixes users whose wishes a program can check with others, "
                "whose levels are on another scale; put them into two files"
            )


def _stand_ins(cases: "Sequence[Case]", stand_ins: Any) -> "dict[str, Case]":
    """Return who stands in for whom; nobody does so across suites."""
    suites: dict[str, list[Case]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    return {id_: other for each in suites.values() for id_, other in stand_ins(each).items()}


def _earlier(bench: Any) -> "dict[str, SuiteResult]":
    from aloe.benchmark.results import SuiteResult

    return {
        suite: SuiteResult.model_validate(next(iter(by_condition.values())))
        for suite, by_condition in bench.result["suites"].items()
    }


def _earlier_controls(
    out: Path, configs: "dict[Condition, Config]", planned: "Sequence[PlannedDialogue]"
) -> "list[ReplyScores]":
    """Return the scores of controls that an earlier command made; adds them to `configs`."""
    from aloe import config as settings
    from aloe.benchmark.folder import CONFIG, read_bench

    dialogues = {each.dialogue.id for each in planned}
    found: list[ReplyScores] = []
    bench = read_bench(out)
    for name, path in bench.conditions.items():
        if name not in configs:
            configs[name] = settings.load(path / CONFIG)
            found += [row for row in bench.rows(name) if row.dialogue in dialogues]
    return found


def _events(out: Path) -> "Iterator[dict[str, Any]]":
    """Yield every call that was made for a bench folder, its controls included."""
    from aloe.calls.log import iter_events

    for path in (out / "events.jsonl", *sorted(out.glob("*/events.jsonl"))):
        yield from iter_events(path)


def _forecast_view(ahead: "BenchForecast", cautions: Sequence[str]) -> RenderableType:
    from aloe.views.figures import grid

    cost = "unknown (no price given)" if ahead.cost is None else f"about ${ahead.cost:.2f}"
    calls = ", ".join(f"{count:,} {role}" for role, count in ahead.calls.items())
    lines = {
        "ahead": f"{ahead.dialogues:,} dialogues; calls: {calls}",
        "tokens": f"about {ahead.input_tokens:,} read, {ahead.output_tokens:,} written; "
        f"cost {cost}",
    }
    for suite, clusters in ahead.clusters.items():
        lines[suite] = (
            f"a gain of {ahead.detectable[suite]:.2f} can be detected ({clusters} clusters, 80% "
            f"power, {ahead.prior})"
            if suite in ahead.detectable
            else f"too few users to tell a gain from chance: {clusters}, and it takes six who have "
            "nothing in common"
        )
    parts: list[RenderableType] = [grid(lines)]
    parts += [Text(f"warning: {caution}", "yellow") for caution in cautions]
    return Group(*parts)


@dataclass(kw_only=True)
class _Benching:
    """The conditions of one bench in this process."""

    budget: "Budget"
    quiet: bool
    models: "dict[Condition, dict[str, Model]]" = field(default_factory=dict)
    rows: "list[ReplyScores]" = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Reason by dialogue that was set aside."""
    unjudged: int = 0
    """Ratings that a judge's failing call left out."""
    _ledger: Any = None

    def open(self, loop: Any, configs: "Mapping[Condition, Config]", *, by_rule: bool) -> None:
        """Build every model and make sure that its server answers, before anything is written.

        Args:
            loop: where calls will be made.
            configs: settings by condition.
            by_rule: whether neither a user nor a judge is a model.
        """
        from aloe.benchmark.run import bench_ledger
        from aloe.graphs.commands.simulate import check_prices
        from aloe.models.open import check_reachable, closed_model, open_model

        first = next(iter(configs.values()))
        roles = {"user": first.models.user, **first.models.judges()}
        shared = {
            name: closed_model(each, f"no model was opened as {name}: rules play and judge")
            if by_rule
            else open_model(each, first.limits)
            for name, each in roles.items()
        }
        by_config: dict[str, Model] = {}
        for name, config in configs.items():
            candidate: ModelConfig = config.benchmark.candidate
            key = candidate.model_dump_json()
            if key not in by_config:
                by_config[key] = open_model(candidate, first.limits)
            self.models[name] = {**shared, "candidate": by_config[key]}
        every = [*shared.values(), *by_config.values()]
        check_prices(first, every)
        loop.run(check_reachable(every))
        self._ledger = bench_ledger()

    @contextmanager
    def folder(self, path: Path, config: "Config") -> "Iterator[Any]":
        """Hold the folder of one condition for writing; give it with its open events file."""
        from aloe.calls.log import appending
        from aloe.memory.run_folder import RunFolder

        folder = RunFolder(path)
        with folder.writing(config), appending(folder.events) as events:
            yield folder, events

    def hold(
        self,
        loop: Any,
        config: "Config",
        planned: "Sequence[PlannedDialogue]",
        folder: Any,
        events: Any,
    ) -> None:
        """Hold and judge the dialogues of one condition."""
        from aloe.benchmark.run import BenchProgress, run_condition
        from aloe.calls.log import CallLog
        from aloe.graphs.run import RunProgress
        from aloe.telemetry import traced

        progress = BenchProgress(dialogues=RunProgress(wanted=len(planned)))

        def on_event(event: "Event") -> None:
            progress.on_event(event)
            display.update()

        calls = CallLog(events, prices=config.prices, budget=self.budget, on_event=on_event)
        name = config.benchmark.condition
        display = _BenchDisplay(name, progress, calls, quiet=self.quiet)
        with display.running(), traced(config.telemetry, calls):
            rows = loop.run(
                run_condition(
                    config,
                    planned,
                    folder,
                    self.models[name],
                    calls,
                    progress,
                    self._ledger,
                    display.update,
                )
            )
        self.rows += rows
        self.failures |= progress.dialogues.failures
        self.unjudged += sum(s.missing == "judge" for row in rows for s in row.scores)

    def say_what_failed(self) -> None:
        """Say on stderr what was set aside, and what to do about it."""
        if not self.failures and not self.unjudged:
            return
        first = f"; the first reason: {min(self.failures.values())}" if self.failures else ""
        say(
            f"aloe: {len(self.failures)} dialogues were set aside and {self.unjudged} ratings "
            f"failed{first}; run the same command again to retry them",
            style="red",
        )


class _BenchDisplay(Display):
    """How far one condition is."""

    def __init__(
        self, name: str, progress: "BenchProgress", calls: "CallLog", *, quiet: bool
    ) -> None:
        from aloe.views.figures import Throughput

        super().__init__(quiet=quiet)
        self._name = name
        self._progress = progress
        self._calls = calls
        self._pace = Throughput(calls.totals)

    def line(self) -> str:
        """Return the state in one line."""
        p = self._progress
        held = p.dialogues.finished_before + p.dialogues.finished
        return (
            f"bench {self._name}: {held}/{p.dialogues.wanted} dialogues held, {p.judged} judged, "
            f"{self._calls.totals.calls} calls, {p.missing} ratings missing{self._to_go()}"
        )

    def _to_go(self) -> str:
        """Say how long holding the rest takes at the pace so far; empty if that is not known."""
        from aloe.views.figures import duration

        p = self._progress.dialogues
        left = self._pace.to_go(p.finished, p.wanted - p.finished_before)
        return f", about {duration(left)} to go" if left else ""

    def panel(self) -> RenderableType:
        """Return two bars and what is being spent."""
        from aloe.views.figures import grid, spending

        p = self._progress
        held = p.dialogues.finished_before + p.dialogues.finished
        bars = Table.grid(padding=(0, 1))
        for label, done in ((f"{self._name}: held", held), ("judged", p.judged)):
            bar = ProgressBar(total=p.dialogues.wanted, completed=done, width=30)
            bars.add_row(label, bar, f"{done}/{p.dialogues.wanted}")
        left = {"to go": text} if (text := self._to_go().removeprefix(", ")) else {}
        return Group(bars, grid(left | spending(self._calls, self._pace)))


def _document(
    config: "Config",
    configs: "Mapping[Condition, Config]",
    cases: "Sequence[Case]",
    rows: "Sequence[ReplyScores]",
    cautions: Sequence[str],
    out: Path,
) -> "tuple[dict[str, Any], dict[str, dict[str, SuiteResult]]]":
    """Return result.json, and the numbers in it by suite and condition."""
    import platform

    import aloe
    from aloe.agents.candidate import CONDITIONS
    from aloe.agents.prompt import chosen
    from aloe.agents.prompt_size import prompt_for
    from aloe.benchmark.results import document, results
    from aloe.schema import digest

    by_suite = results(rows, config.seed)
    names = ("judge_score", "candidate_told", "candidate_concise")
    user = prompt_for("user", config, config.models.user)
    prompts = [user, *(chosen(name, config.prompts) for name in names)]
    made = {
        "version": aloe.__version__,
        "python": platform.python_version(),
        "packages": _packages(),
        "primary": "gain",
        "complete": not any(r.incomplete for each in by_suite.values() for r in each.values()),
        "conditions": {
            name: {"model": each.benchmark.candidate.model, "about": CONDITIONS[name].about}
            for name, each in configs.items()
        },
        "user": config.models.user.model,
        "judges": [each.model for each in config.models.judges().values()],
        "cases": config.benchmark.cases,
        "cases_hash": digest(*(case.id for case in cases)),
        "seeds": config.benchmark.seeds,
        "seed": config.seed,
        "prompts": {prompt.name: prompt.sha for prompt in prompts},
        "warnings": list(cautions),
        "spent": _spending(out),
    }
    return {**made, "suites": document(by_suite)}, by_suite


def _packages() -> dict[str, str]:
    """Return the versions of what the numbers may depend on, as far as it is installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("langgraph", "langchain-core", "pydantic", "numpy", "torch", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _spending(out: Path) -> dict[str, Any]:
    """Return calls, tokens and cost of all conditions, earlier parts of the run included."""
    from aloe.views.account import Account

    spent = Account()
    for event in _events(out):
        spent.add(event)
    return {
        "calls": spent.calls,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cost": None if spent.unpriced else spent.cost,
    }


def _write(out: Path, document: Mapping[str, Any]) -> None:
    import json

    from aloe.benchmark.folder import RESULT
    from aloe.memory.run_folder import replace_text

    replace_text(out / RESULT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _view(by_suite: "dict[str, dict[str, SuiteResult]]", *, as_json: bool) -> RenderableType:
    from aloe.benchmark.tables import suite_view

    width = (stderr() if as_json else stdout()).width
    return Group(*(suite_view(name, each, width) for name, each in by_suite.items()))


def _short(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a script wants to know: the figures by suite and condition."""
    return {
        "complete": document["complete"],
        "warnings": document["warnings"],
        "spent": document["spent"],
        "figures": {
            suite: {name: result["figures"] for name, result in by_condition.items()}
            for suite, by_condition in document["suites"].items()
        },
    }
