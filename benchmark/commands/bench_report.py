"""`aloe bench report`: a bench folder in, a page, a card, a table and plots out."""

from pathlib import Path
from typing import Annotated

import typer

from aloe.console import finish, show_text, stderr
from aloe.errors import ConfigError
from aloe.extras import needs
from aloe.options import Json

MAKES = {"pyarrow": "scores.parquet", "matplotlib": "plots/"}
"""What a package is needed for."""


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A finished bench folder.")],
    passport: Annotated[
        list[Path] | None,
        typer.Option("--passport", metavar="FILE", help="Passport of a judge [DIR/passport.json]."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a report into a bench folder: a page, a model-card snippet, a Parquet table, plots.

    `report.html` is a single file: curves, figures, and every dialogue with the judge's ratings.
    `card.md` has everything needed to repeat the run.

    Example: `aloe bench report runs/bench --passport passport.json`
    """
    from aloe.benchmark.folder import read_bench
    from aloe.benchmark.report import write_report
    from aloe.passport import read_audit

    bench = read_bench(folder)
    if passport and bench.by_rule:
        raise ConfigError(f"--passport: rules rated the replies in {folder}; leave it out")
    passports = [read_audit(file) for file in passport or ()] or bench.passports
    written, lacking = write_report(bench, passports)
    if not as_json:
        for path in written:
            show_text(str(path))
    for package in lacking:
        stderr().print(needs(MAKES[package], package), soft_wrap=True, highlight=False)
    finish({"written": [str(path) for path in written], "lacking": lacking}, as_json=as_json)
