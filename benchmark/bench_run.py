"""A bench run in this process: its conditions one after the other, and their results."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aloe
from aloe import config as settings
from aloe.agents.candidate import CONDITIONS
from aloe.benchmark.bench_plan import BenchPlan
from aloe.benchmark.bench_result import BenchResult, BenchSpending, PlayedCondition
from aloe.benchmark.folder import CONFIG, RESULT, holding, read_bench, write_cases
from aloe.benchmark.run import BenchProgress, make_checker, run_condition
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.suite_result import compute_suites
from aloe.calls.batch_request import check_batches
from aloe.calls.batches import open_batches
from aloe.calls.budget import Budget
from aloe.calls.event import appending, read_events
from aloe.calls.log import CallLog
from aloe.calls.prices import check_prices
from aloe.config import Condition, Config
from aloe.graphs.batch import RunProgress
from aloe.graphs.concurrency import width_of
from aloe.memory.disclosures import DisclosureChecker
from aloe.memory.run_folder import RunFolder
from aloe.models.open import Model, check_reachable, closed_model, open_model
from aloe.number_format import counted
from aloe.players import RULE
from aloe.schema import digest
from aloe.telemetry import trace_calls
from aloe.views.account import Account

PACKAGES = ("langgraph", "langchain-core", "pydantic", "numpy", "torch", "transformers")
"""What the numbers may depend on."""

Around = Callable[[Condition, BenchProgress, CallLog], AbstractContextManager[Callable[[], None]]]
"""Stands around a condition while it is held, and gives what is called at every change."""


@dataclass(kw_only=True)
class BenchRun:
    """The conditions of one bench, as far as they were held here."""

    plan: BenchPlan
    models: dict[Condition, dict[str, Model]]
    """By agent name; conditions share what is the same."""
    checker: DisclosureChecker = field(default_factory=make_checker)
    rows: list[ReplyScores] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Reason by dialogue that was set aside."""
    unjudged: int = 0
    """Ratings that a judge's failing call left out."""
    lacking: list[str] = field(default_factory=list)
    """Sentences about controls with fewer dialogues than the candidate; known when finished."""

    @property
    def every_model(self) -> list[Model]:
        """The models, each once."""
        models = (model for each in self.models.values() for model in each.values())
        return list({id(model): model for model in models}.values())

    async def play(self, around: Around) -> BenchResult:
        """Hold and judge what is not there yet, condition by condition, and write the result.

        Other processes are kept out all the time: what they add between the last condition and the
        result would not be in it, and theirs would be overwritten.

        Raises:
            ConfigError: a cap in dollars cannot be kept.
            ModelError: a model is refused or gone; what is finished is kept.
            StoreError: a folder cannot be written, or another process works on it; the same.
            BudgetError: the budget is spent; the same.
        """
        config = self.plan.config
        check_prices(config, (model.name for model in self.every_model))
        if config.limits.batch:
            check_batches(self.every_model)
        await check_reachable(self.every_model)
        with holding(self.plan.out):
            past = past_events(self.plan.out)
            budget = Budget.resumed(config.budget, past, config.prices)
            if any(map(self.plan.has_more, self.plan.configs)):
                (self.plan.out / RESULT).unlink(missing_ok=True)  # until it is computed anew
            for condition in self.plan.configs:
                await self._hold(condition, budget, around)
            return self._finish()

    async def _hold(self, condition: Condition, budget: Budget, around: Around) -> None:
        config, planned = self.plan.configs[condition], self.plan.dialogues[condition]
        folder = RunFolder(self.plan.folder(condition))
        progress = BenchProgress(dialogues=RunProgress(wanted=len(planned)))
        models = self.plan.weights[condition]
        with folder.writing(config, self.plan.prompts, models), appending(folder.events) as events:
            if condition == "candidate":
                write_cases(self.plan.out, self.plan.cases)
            calls = CallLog(
                events,
                prices=config.prices,
                budget=budget,
                on_event=progress.on_event,
                batches=open_batches(config.limits, folder.events),
            )
            with (
                around(condition, progress, calls) as on_change,
                trace_calls(config.telemetry, calls, width=width_of(config)),
            ):
                calls.listen(lambda _: on_change())
                rows = await run_condition(
                    config,
                    planned,
                    folder,
                    self.models[condition],
                    calls,
                    progress,
                    self.checker,
                    on_change,
                )
        self.rows += rows
        self.failures |= progress.dialogues.failures
        self.unjudged += sum(s.missing == "judge" for row in rows for s in row.scores)

    def _finish(self) -> BenchResult:
        """Write result.json and return it; controls that earlier commands made are in it."""
        config, by_rule = self.plan.config, self.plan.by_rule
        judges = config.models.judges().values()
        configs, rows = _with_earlier_controls(self.plan, self.rows)
        suites = compute_suites(rows)
        self.lacking = _find_lacking(self.plan, configs, rows)
        result = BenchResult(
            version=aloe.__version__,
            python=platform.python_version(),
            packages=_installed(),
            complete=not self.lacking
            and not any(r.incomplete for each in suites.values() for r in each.values()),
            conditions={
                name: PlayedCondition(
                    model=each.benchmark.candidate.model, about=CONDITIONS[name].about
                )
                for name, each in configs.items()
            },
            user=RULE if by_rule else config.models.user.model,
            judges=(RULE,) if by_rule else tuple(each.model for each in judges),
            cases=config.benchmark.cases,
            cases_hash=digest(*(case.id for case in self.plan.cases)),
            seeds=config.benchmark.seeds,
            seed=config.seed,
            prompts=self.plan.prompts,
            warnings=(*self.plan.warnings, *self.lacking),
            spent=_spending(self.plan.out),
            suites=suites,
        )
        result.write(self.plan.out / RESULT)
        return result


def open_run(plan: BenchPlan) -> BenchRun:
    """Build every model of a run, before anything is written.

    Raises:
        ConfigError: a model string is wrong or its key or package is missing.
        ModelError: the embedded server cannot be started.
    """
    config = plan.config
    shared = {
        name: closed_model(each, f"no model was opened as {name}: rules play and judge")
        if plan.by_rule
        else open_model(each, config)
        for name, each in {"user": config.models.user, **config.models.judges()}.items()
    }
    candidates: dict[str, Model] = {}
    models: dict[Condition, dict[str, Model]] = {}
    for name, each in plan.configs.items():
        key = each.benchmark.candidate.model_dump_json()
        if key not in candidates:
            candidates[key] = open_model(each.benchmark.candidate, config)
        models[name] = {**shared, "candidate": candidates[key]}
    return BenchRun(plan=plan, models=models)


def past_events(out: Path) -> Iterator[dict[str, Any]]:
    """Yield every call that was made for a bench folder, its controls included."""
    for path in (out, *(out / name for name in sorted(CONDITIONS))):
        yield from read_events(RunFolder(path).events)


def _with_earlier_controls(
    plan: BenchPlan, rows: Sequence[ReplyScores]
) -> tuple[dict[Condition, Config], list[ReplyScores]]:
    """Return settings and rows of all conditions, earlier commands' controls included."""
    configs, every = dict(plan.configs), list(rows)
    dialogues = {each.dialogue.id for each in plan.dialogues["candidate"]}
    bench = read_bench(plan.out)
    for name, path in bench.conditions.items():
        if name not in configs:
            configs[name] = settings.read_stored(path / CONFIG)
            every += [row for row in bench.rows(name) if row.dialogue in dialogues]
    return configs, every


def _find_lacking(
    plan: BenchPlan, configs: Mapping[Condition, Config], rows: Iterable[ReplyScores]
) -> list[str]:
    """Return a sentence for each earlier control that has not all dialogues of the candidate."""
    there: dict[Condition, set[str]] = {}
    for row in rows:
        there.setdefault(row.control, set()).add(row.dialogue)
    found = []
    for name in configs.keys() - plan.configs.keys():
        needs_other = CONDITIONS[name].told == "swapped"
        planned = plan.dialogues["candidate"]
        wanted = sum(bool(each.stand_ins) or not needs_other for each in planned)
        if (count := len(there.get(name, ()))) < wanted:
            model = f"={configs[name].benchmark.candidate.model}" if name == "floor" else ""
            found.append(
                f"the control {name} has {count} of {counted(wanted, 'dialogue')}, so its figures "
                "are of other users than the candidate's; add the rest with "
                f"--control {name}{model}"
            )
    return sorted(found)


def _installed() -> dict[str, str]:
    """Return the versions of `PACKAGES`, as far as they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _spending(out: Path) -> BenchSpending:
    spent = Account()
    for event in past_events(out):
        spent.add(event)
    return BenchSpending(
        calls=spent.calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost=None if spent.unpriced else spent.cost,
    )
