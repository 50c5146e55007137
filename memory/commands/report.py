"""`aloe report`: a simulation run as one page."""

from pathlib import Path
from typing import Annotated

import typer

from aloe.console import finish, show
from aloe.errors import InputError
from aloe.options import ConfigFile, Json, Seed


def report(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Default: DIR/report.html.")
    ] = None,
    trees: Annotated[
        int, typer.Option("--trees", min=0, help="How many trees can be opened in the page.")
    ] = 200,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Write one HTML page with the figures, curves and trees of a run.

    The page is one file: it opens from disk, asks the network for nothing and can be sent to
    anybody. The figures and curves are of all trees, however many can be opened.

    Example: `aloe report runs/first`
    """
    from aloe import config as settings
    from aloe.calls.event import read_events
    from aloe.files.writing import replace_text
    from aloe.memory.run_folder import RunFolder, read_trees
    from aloe.views.account import Spending
    from aloe.views.report import report as page

    del seed
    settings.load(config)
    if not run.is_dir():
        raise InputError(run, "name a run folder")
    folder = RunFolder(run)
    found = list(read_trees(run))
    if not found:
        raise InputError(run, "there is no finished tree here yet")
    stored = folder.config.read_text(encoding="utf-8") if folder.config.exists() else ""
    spent = Spending(read_events(folder.events))
    text = page(run.resolve().name, found, spent, shown=trees, settings=stored)
    path = out or run / "report.html"
    replace_text(path, text)
    show(f"{path}: {len(found)} trees, {len(text) / 1e6:.1f} MB", as_json=as_json)
    finish({"out": str(path), "trees": len(found)}, as_json=as_json)
