"""`aloe rejudge`: the same trees, another judge."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType

from aloe.console import finish, say, say_written, show
from aloe.errors import ConfigError
from aloe.graphs.commands.dashboard import RunDisplay, describe_verdicts, exit_on_failures
from aloe.options import BaseUrl, Batch, ConfigFile, Json, Quiet, RunOrTrees
from aloe.resumable import resumable, within_budget
from aloe.views.folding import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aloe.graphs.batch import RunProgress
    from aloe.graphs.rejudge import Flips
    from aloe.graphs.rejudge_run import RejudgeRun

OUTCOMES = ("first", "second", "tie", "abstain")

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
    from aloe.graphs.rejudge_run import prepare, resolve_settings
    from aloe.memory.run_folder import RunFolder, find_home, read_trees

    run = find_home(run)
    if out.resolve() == run.resolve():
        raise ConfigError("--out must be another folder: the old verdicts are kept")
    if judge is None and config is None:
        raise ConfigError("name the new judge: --judge STR, or --config FILE.toml")
    resolved = resolve_settings(run, config, judge, base_url, concurrency, batch=batch)
    prepared = prepare(run, list(read_trees(run)), RunFolder(out), resolved)
    display = _judge_all(prepared, quiet=quiet)
    _end(run, prepared, display, as_json=as_json)
    exit_on_failures(prepared.progress)


def _end(run: Path, prepared: "RejudgeRun", display: "_JudgingDisplay", *, as_json: bool) -> None:
    """Show which labels flipped and which others stayed, and give the summary."""
    from aloe.graphs.rejudge import carry_labels, count_flips, count_returns, count_unasked
    from aloe.memory.run_folder import read_trees

    trees, folder = prepared.trees, prepared.folder
    out = folder.path
    judged = list(read_trees(out)) if folder.trees.exists() else []
    counts, unasked = count_flips(trees, judged), count_unasked(trees, judged)
    kept = {
        "labels_by_return": count_returns(trees, judged),
        "labels_by_people": carry_labels(run, folder, judged),
    }
    result = {"out": str(out), **display.result(), **_figures(counts), "unasked": unasked}
    result |= _account(kept)
    said = [_sentence(result), *_describe_kept(kept)]
    show(Group(display.figures(), _table(counts), *said), as_json=as_json)
    say_written(out)
    finish(result, as_json=as_json)


def _judge_all(prepared: "RejudgeRun", *, quiet: bool) -> "_JudgingDisplay":
    """Judge the trees that are not judged yet, and show how far it is."""
    from aloe.agents.who_judges import describe_judges
    from aloe.loop import make_runner

    folder = prepared.folder.path
    # One loop for both: a client's connections belong to the loop that opened them.
    with make_runner() as loop:
        loop.run(prepared.check_servers())
        with prepared.writing() as calls:
            display = _JudgingDisplay(prepared.progress, calls, quiet=quiet, name="rejudge")
            calls.listen(display.follow)
            people = [tree.persona for tree in prepared.trees]
            if not quiet and (judges := describe_judges(prepared.config, people)):
                say(judges)
            with resumable(folder), within_budget(folder), display.running():
                loop.run(prepared.judge(calls, display.update))
    return display


class _JudgingDisplay(RunDisplay):
    """The state of trees that are judged and do not grow."""

    def findings(self, so_far: "RunProgress") -> str:
        """Return what the judge found, for the plain line."""
        return describe_verdicts(so_far)

    def lines(self, p: "RunProgress") -> dict[str, str]:
        """Return what the judge found, by the name of the line."""
        return {
            "trees": self.count_trees("judged"),
            "verdicts": describe_verdicts(p),
        }

    def result(self) -> dict[str, Any]:
        """Return the summary for machines."""
        names = ("trees", "trees_now", "set_aside", "seconds", "calls", "replayed", "cost")
        figures = super().result()
        unreadable = self._calls.totals.outcomes["judge", "unreadable"]
        return {**{name: figures[name] for name in names}, "unreadable": unreadable}


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
