"""`aloe rejudge`: the same trees, another judge."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType

from aloe.console import finish, say_written, show
from aloe.errors import ConfigError
from aloe.graphs.commands.dashboard import RunDisplay, describe_verdicts, exit_on_failures
from aloe.options import BaseUrl, Batch, ConfigFile, Json, Quiet, RunOrTrees
from aloe.resumable import resumable, within_budget
from aloe.views.folding import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aloe.calls.expected import ExpectedCalls
    from aloe.config import Config
    from aloe.graphs.batch import RunProgress
    from aloe.graphs.rejudge import Flips
    from aloe.memory.run_folder import RunFolder
    from aloe.passport import Passport
    from aloe.schema import Tree

OUTCOMES = ("first", "second", "tie", "abstain")

CALLS = ("limits", "budget", "local", "telemetry")
"""Sections about how calls are made: of the new settings as far as these have them."""

LOST = {
    "labels_by_return": "rest on the old judge's ranking; `aloe relabel` makes new ones",
    "labels_by_people": "are about pairs that were not compared again",
}
"""Why labels beside the judge's are left out."""


def rejudge(
    run: RunOrTrees,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="NEWDIR", help="Run folder to write; resumed if it exists."),
    ],
    judge: Annotated[
        str | None, typer.Option("--judge", metavar="STR", help="The new judge's model.")
    ] = None,
    base_url: BaseUrl = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Trees in flight at once.")
    ] = None,
    batch: Batch = False,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge stored trees again with another judge, and show which labels flip.

    Settings come from DIR, except the judge's: its model, panel, prompts and `[judge]` section come
    from --config, and --judge overrides them; so do prices, `[limits]`, `[budget]`, `[local]` and
    `[telemetry]`. Nothing is generated again. Labels by people, and those by return that no judge
    made, stay.

    Example: `aloe rejudge runs/first --judge openai:gpt-4o-mini --out runs/first-4o`
    """
    from aloe.agents.panel import read_own_passport
    from aloe.agents.registry import check_panel, prompts_of
    from aloe.graphs.rejudge import check_same
    from aloe.memory.run_folder import RunFolder, find_home, read_trees

    run = find_home(run)
    if out.resolve() == run.resolve():
        raise ConfigError("--out must be another folder: the old verdicts are kept")
    if judge is None and config is None:
        raise ConfigError("name the new judge: --judge STR, or --config FILE.toml")
    resolved = _settings(run, config, judge, base_url, concurrency, batch=batch)
    trees, folder = list(read_trees(run)), RunFolder(out)
    if trees:  # what is judged may be some of what the old run was to have
        resolved = resolved.updated({"simulation.trees": len(trees)}, source=run)
    prompts = prompts_of(resolved)
    check_panel(resolved)
    folder.check(resolved, prompts)
    passport = read_own_passport(resolved)
    folder.check_passport(passport)
    check_same(trees, folder)
    weights = _hash_models(resolved, RunFolder(run))
    done = _rejudge(resolved, prompts, weights, passport, trees, folder, quiet=quiet)
    _end(run, trees, folder, done, as_json=as_json)
    exit_on_failures(done.progress)


def _end(
    run: Path, trees: "list[Tree]", folder: "RunFolder", done: "_Rejudging", *, as_json: bool
) -> None:
    """Show which labels flipped and which others stayed, and give the summary."""
    from aloe.graphs.rejudge import carry_labels, count_flips, count_returns, count_unasked
    from aloe.memory.run_folder import read_trees

    out = folder.path
    judged = list(read_trees(out)) if folder.trees.exists() else []
    counts, unasked = count_flips(trees, judged), count_unasked(trees, judged)
    kept = {
        "labels_by_return": count_returns(trees, judged),
        "labels_by_people": carry_labels(run, folder, judged),
    }
    result = {"out": str(out), **done.result(), **_figures(counts), "unasked": unasked}
    result |= _account(kept)
    said = [_sentence(result), *_describe_kept(kept)]
    show(Group(done.display.figures(), _table(counts), *said), as_json=as_json)
    say_written(out)
    finish(result, as_json=as_json)


def _hash_models(config: "Config", run: "RunFolder") -> "dict[str, str]":
    """Return the hashes of the judges' models and of those that made the trees of `run`."""
    from aloe.agents.registry import judges_in_use, models_in_use
    from aloe.graphs.rejudge import keep_hashes
    from aloe.models.model_string import ModelString
    from aloe.models.weights import hash_models

    judges = judges_in_use(config)
    others = [each for name, each in models_in_use(config).items() if name not in judges]
    players = {str(ModelString.parse(each.model)) for each in others}
    return keep_hashes(run, players, hash_models(judges.values()))


def _rejudge(
    config: "Config",
    prompts: "Mapping[str, str]",
    weights: "Mapping[str, str]",
    passport: "Passport | None",
    trees: "Sequence[Tree]",
    folder: "RunFolder",
    *,
    quiet: bool,
) -> "_Rejudging":
    """Judge the trees that `folder` does not hold yet."""
    from aloe.agents.panel import check_audited
    from aloe.agents.registry import judges_in_use
    from aloe.calls.batch_request import check_batches
    from aloe.calls.event import appending
    from aloe.calls.prices import check_prices
    from aloe.loop import make_runner
    from aloe.models.open import check_reachable, open_model
    from aloe.telemetry import trace_calls

    judges = judges_in_use(config)
    folder.check_models(weights)
    check_audited(config)
    models = {name: open_model(each, config) for name, each in judges.items()}
    check_prices(config, (model.name for model in models.values()))
    if config.limits.batch:
        check_batches(list(models.values()))
    # One loop for both: a client's connections belong to the loop that opened them.
    with make_runner() as loop:
        loop.run(check_reachable(list(models.values())))
        with folder.writing(config, prompts, weights), appending(folder.events) as events:
            folder.keep_passport(passport)
            made = _Rejudging(config, events, len(trees), quiet=quiet)
            made.progress.expected = _expect(config, trees, folder.finished())
            with (
                resumable(folder.path),
                within_budget(folder.path),
                made.display.running(),
                trace_calls(config.telemetry, made.calls),
            ):
                loop.run(made.run(trees, folder, models))
    return made


def _expect(config: "Config", trees: "Sequence[Tree]", done: set[str]) -> "ExpectedCalls | None":
    """Return the calls to come, both orders of each comparison to each judge; None: not known."""
    from aloe.calls.expected import ExpectedCalls

    todo = [tree for tree in trees if tree.id not in done]
    compared = sum(bool(verdict.votes) for tree in todo for verdict in tree.verdicts)
    questions = max(1, len(config.judge.criteria)) * len(config.models.judges())
    if config.judge.use or not compared:
        return None
    calls, each = 2 * compared * questions, compared / len(todo)
    return ExpectedCalls(forecast=calls, seconds=0.0, trees=len(todo), exchanges=each)


def _settings(
    run: Path,
    config: Path | None,
    judge: str | None,
    base_url: str | None,
    concurrency: int | None,
    *,
    batch: bool,
) -> "Config":
    """Return the settings of `run` with the judge of `config` or, before it, of the flags."""
    from aloe import config as settings
    from aloe.agents.registry import check_prompt_names

    stored = run / "config.toml"
    asked = {"simulation.concurrency": concurrency}
    old = settings.load(stored if stored.exists() else None, asked)
    new = settings.load(config) if config else old
    check_prompt_names(new)
    batch = batch or bool(config and new.limits.batch)
    changes: dict[str, Any] = {
        "judge": new.judge,
        "prices": {**old.prices, **new.prices},
        "prompts": _prompts(old, new),
        **{name: getattr(new, name) for name in CALLS if name in new.model_fields_set},
        "models": {"judge": new.models.judge, "panel": new.models.panel},
    }
    if batch:
        changes["simulation"] = {"workers": None, "engine": "local", "ray_address": None}
    merged = old.updated(changes, source=config or stored)
    merged = merged.updated({"limits.batch": batch}, source="command line")
    judged = merged.with_judge(judge, base_url)
    if config and not new.judge.use:  # a passport beside no judge may be that of --judge
        return judged.updated({"judge.passport": new.judge.passport}, source=config)
    return judged


def _prompts(old: "Config", new: "Config") -> "dict[str, Path]":
    """Return the judge's prompts of the new settings and all others of the old."""

    def judges(name: str) -> bool:
        return name.startswith("judge") and name not in old.roles

    others = {name: path for name, path in old.prompts.items() if not judges(name)}
    return others | {name: path for name, path in new.prompts.items() if judges(name)}


class _JudgingDisplay(RunDisplay):
    """The state of trees that are judged and do not grow."""

    def findings(self, so_far: "RunProgress") -> str:
        """Return what the judge found, for the plain line."""
        return describe_verdicts(so_far)

    def lines(self, p: "RunProgress") -> dict[str, str]:
        """Return what the judge found, by the name of the line."""
        return {
            "trees": f"{p.finished} judged now, {p.finished_before} there before, "
            f"{len(p.failures)} set aside",
            "verdicts": describe_verdicts(p),
        }


class _Rejudging:
    """One run in this process: its call log, its progress, its display."""

    def __init__(self, config: "Config", events: Any, trees: int, *, quiet: bool) -> None:
        from aloe.calls.batches import open_batches
        from aloe.calls.budget import Budget
        from aloe.calls.event import read_events
        from aloe.calls.log import CallLog
        from aloe.graphs.batch import RunProgress

        file = Path(events.name)
        self.config = config
        self.progress = RunProgress(wanted=trees)
        self.calls = CallLog(
            events,
            prices=config.prices,
            budget=Budget.resumed(config.budget, read_events(file)),
            on_event=lambda event: self.display.follow(event),
            batches=open_batches(config.limits, file),
        )
        self.display = _JudgingDisplay(self.progress, self.calls, quiet=quiet, name="rejudge")

    async def run(self, trees: Any, folder: Any, models: Any) -> None:
        from aloe.graphs.rejudge import rejudge

        await rejudge(
            self.config, trees, folder, models, self.calls, self.progress, self.display.update
        )

    def result(self) -> dict[str, Any]:
        """Return the summary for machines."""
        progress, totals = self.progress, self.calls.totals
        return {
            "trees": progress.finished + progress.finished_before,
            "trees_now": progress.finished,
            "set_aside": len(progress.failures),
            "seconds": round(self.display.seconds(), 2),
            "calls": totals.calls,
            "replayed": totals.replayed,
            "cost": None if totals.unpriced else round(totals.cost, 6),
            "unreadable": totals.outcomes["judge", "unreadable"],
        }


def _figures(counts: "Flips") -> dict[str, Any]:
    from aloe.benchmark.agreement import cohen_kappa

    pairs = list(counts.elements())
    same = sum(old == new for old, new in pairs)
    decided = [(old, new) for old, new in pairs if {old, new} <= {"first", "second"}]
    return {
        "comparisons": len(pairs),
        "same": same,
        "turned": sum(old != new for old, new in decided),
        "decided_in_both": len(decided),
        "kappa": cohen_kappa(pairs),
        "kappa_decided": cohen_kappa(decided),
        "flips": {f"{old}>{new}": n for (old, new), n in sorted(counts.items())},
    }


def _table(counts: "Flips") -> RenderableType:
    """Return old outcomes down, new outcomes across."""
    table = Table(title="outcomes: old (down), new (across)", header_style="bold", box=None)
    table.add_column("")
    for name in OUTCOMES:
        table.add_column(name, justify="right")
    for old in OUTCOMES:
        cells = [str(counts[old, new]) for new in OUTCOMES]  # type: ignore[index]
        table.add_row(old, *cells)
    return table


def _account(kept: "Mapping[str, tuple[int, int]]") -> dict[str, int]:
    """Return for a machine how many labels stayed and how many did not."""
    return {
        key: count
        for name, (there, gone) in kept.items()
        for key, count in ((name, there), (f"{name}_left_out", gone))
    }


def _describe_kept(kept: "Mapping[str, tuple[int, int]]") -> "Iterator[str]":
    """Say what became of the labels that are not the judge's, where there were any."""
    for name, (there, gone) in kept.items():
        left_out = f", {gone} left out: they {LOST[name]}" if gone else ""
        if there or gone:
            yield f"{name.replace('_', ' ')}: {there} kept{left_out}"


def _sentence(result: dict[str, Any]) -> str:
    kappa, unasked = result["kappa"], result["unasked"]
    return (
        f"{result['same']} of {result['comparisons']} outcomes are the same (kappa "
        f"{'undefined' if kappa is None else format(kappa, '.2f')}); {result['turned']} of "
        f"{result['decided_in_both']} preferences reversed"
        + (f"; {unasked} more, alike or empty, were put to no judge" if unasked else "")
    )
