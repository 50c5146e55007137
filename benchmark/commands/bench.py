"""`aloe bench`: measure how well a model adapts during a conversation."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from aloe.benchmark.commands import bench_report, bench_run
from aloe.console import finish, show
from aloe.errors import ConfigError
from aloe.options import Json
from aloe.views.folding import Table

app = typer.Typer(
    help="Measure how well a model adapts during a conversation.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.command("run")(bench_run.run)
app.command("report")(bench_report.report)


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Bench folders; the first is the base.")
    ],
    as_json: Json = False,
) -> None:
    """Compare bench folders with the first one, paired by case and seed.

    Also takes the folder of a control, such as DIR/ceiling. P-values are adjusted for all lines.

    Example: `aloe bench compare runs/base runs/tuned`
    """
    from aloe.benchmark.compare import Side, caveats
    from aloe.benchmark.compare import compare as compared
    from aloe.benchmark.cut_off import measure_cut_off
    from aloe.benchmark.folder import read_bench
    from aloe.benchmark.tables import comparison_view, cut_off_view

    if len(folders) < 2:
        raise ConfigError("name two or more bench folders, the base first")
    benches = [read_bench(path) for path in folders]
    sides = [
        Side(
            name=str(each.path),
            rows=each.own_rows,
            prompts=each.prompts,
            models=each.models,
            finished=each.finished,
        )
        for each in benches
    ]
    lines, warnings = compared(sides), caveats(sides, [each.config for each in benches])
    cautions = [Text(f"warning: {text}", "yellow") for text in warnings]
    cut_off = measure_cut_off({side.name: side.rows for side in sides})
    show(Group(*cautions, comparison_view(lines), cut_off_view(cut_off)), as_json=as_json)
    finish(
        {
            "comparisons": [line.model_dump(mode="json") for line in lines],
            "cut_off": {
                suite: {name: figure.model_dump(mode="json") for name, figure in each.items()}
                for suite, each in cut_off.items()
            },
            "warnings": warnings,
        },
        as_json=as_json,
    )


@app.command()
def measure(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A bench folder.")],
    names: Annotated[
        list[str],
        typer.Argument(metavar="METRIC...", help="MODULE:FUNCTION, or an installed metric."),
    ],
    as_json: Json = False,
) -> None:
    """Measure a custom metric in a bench, with its intervals.

    A metric is a function of one reply's scores and its dialogue that returns a number or None.

    Example: `aloe bench measure runs/bench my_metrics:asks_back`
    """
    from aloe.benchmark.custom_metric import measure_metric
    from aloe.benchmark.folder import read_bench
    from aloe.number_format import format_number

    bench = read_bench(folder)
    found = {name: measure_metric(bench, name) for name in names}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("metric", "suite", "condition"):
        table.add_column(column, overflow="fold")
    for column in ("mean", "95% interval", "replies"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, by_suite in found.items():
        for suite, by_condition in by_suite.items():
            for condition, figure in by_condition.items():
                ends = [each for each in (figure.low, figure.high) if each is not None]
                table.add_row(
                    name,
                    suite,
                    condition,
                    "undefined" if figure.value is None else format_number(figure.value),
                    " .. ".join(format_number(end) for end in ends) or "-",
                    str(figure.count),
                )
    warnings = [] if bench.finished else [f"{folder} is not finished"]
    cautions = [Text(f"warning: {text}", "yellow") for text in warnings]
    show(Group(*cautions, table), as_json=as_json)
    dumped = {
        name: {
            suite: {condition: figure.model_dump() for condition, figure in each.items()}
            for suite, each in by_suite.items()
        }
        for name, by_suite in found.items()
    }
    finish({"metrics": dumped, "warnings": warnings}, as_json=as_json)


@app.command("list")
def list_suites(as_json: Json = False) -> None:
    """List the bundled suites and what each is for.

    Example: `aloe bench list`
    """
    from aloe.benchmark.cases import SUITES, load_cases

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("suite", no_wrap=True)
    for name in ("cases", "turns"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what it is for")
    found = []
    for name, purpose in SUITES.items():
        cases = load_cases(name)
        turns = sorted({case.turns for case in cases})
        found.append({"suite": name, "cases": len(cases), "turns": turns, "purpose": purpose})
        table.add_row(
            name, f"{len(cases)}", "-".join(map(str, turns[:1] + turns[1:][-1:])), purpose
        )
    show(table, as_json=as_json)
    finish({"suites": found}, as_json=as_json)


@app.command()
def metrics(
    levels: Annotated[list[float], typer.Argument(help="AL(1), AL(2), ...: one number per turn.")],
    as_json: Json = False,
) -> None:
    """Compute average AL, improvement rate, N-IR and R2 of any published row.

    Example: `aloe bench metrics 62.16 68.92 70.27 74.32 --json`
    """
    from aloe.benchmark.statistics import is_moderate, summarise
    from aloe.number_format import format_number

    if strange := [level for level in levels if not is_moderate(level)]:
        raise ConfigError(f"{strange[0]} is not a level")
    try:
        found = summarise(levels)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    table = Table(box=None, show_header=False)
    for name, value in found.items():
        table.add_row(name, "undefined" if value is None else format_number(value, "{:.4f}"))
    show(table, as_json=as_json)
    finish(found, as_json=as_json)
