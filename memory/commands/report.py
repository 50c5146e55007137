"""`aloe report`: a simulation run as one page."""

from pathlib import Path
from typing import Annotated

import typer

from aloe.console import finish, show
from aloe.errors import InputError
from aloe.number_format import counted
from aloe.options import Json, ending


def report(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.html",
            callback=ending(".html", ".htm"),
            help="Default: DIR/report.html.",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=0, help="How many trees the page includes.")
    ] = 200,
    as_json: Json = False,
) -> None:
    """Write one HTML page with the figures, curves and trees of a run.

    The page is a single file that opens from disk, loads nothing from the network and can be
    shared. Figures and curves cover all trees, however many the page includes, and those of a run
    that is going on or was stopped as far as they are there.

    Example: `aloe report runs/first`
    """
    from aloe.files.writing import replace_text
    from aloe.memory.run_inputs import holds_benchmark
    from aloe.memory.run_page import render_run

    if run.is_file():
        raise InputError(run, "name a run folder")
    if holds_benchmark(run):
        raise InputError(run, "holds a benchmark; `aloe bench report` writes its page")
    found = render_run(run, shown=count)
    if not found.trees:
        raise InputError(run, "no exchange is finished here yet")
    path = out or run / "report.html"
    replace_text(path, found.html)
    said = counted(len(found.trees), "tree") + (
        f", {found.unfinished} unfinished" * bool(found.unfinished)
    )
    if count < len(found.trees):
        said += f", {count or 'none'} of them on the page"
    line = f"{path}: {said}, {len(found.html) / 1e6:.1f} MB"
    show(line, as_json=as_json, lines=True, cut=False)
    result = {"out": str(path), "trees": len(found.trees), "unfinished": found.unfinished}
    finish(result, as_json=as_json)
