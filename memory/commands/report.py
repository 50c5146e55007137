"""`aloe report`: a simulation run as one page."""

from pathlib import Path
from typing import Annotated

import typer

from aloe.console import finish, show
from aloe.errors import InputError
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
    shared. Figures and curves cover all trees, however many the page includes.

    Example: `aloe report runs/first`
    """
    from aloe.calls.event import read_events
    from aloe.files.writing import replace_text
    from aloe.memory.run_folder import RunFolder, read_trees
    from aloe.views.account import Spending
    from aloe.views.report import report as page

    if not run.is_dir():
        raise InputError(run, "name a run folder")
    folder = RunFolder(run)
    found = list(read_trees(run))
    if not found:
        raise InputError(run, "there is no finished tree here yet")
    stored = folder.config.read_text(encoding="utf-8") if folder.config.exists() else ""
    spent = Spending(read_events(folder.events))
    text = page(run.resolve().name, found, spent, shown=count, settings=stored)
    path = out or run / "report.html"
    replace_text(path, text)
    show(
        f"{path}: {len(found)} trees, {len(text) / 1e6:.1f} MB",
        as_json=as_json,
        lines=True,
        cut=False,
    )
    finish({"out": str(path), "trees": len(found)}, as_json=as_json)
