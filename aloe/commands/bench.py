"""`aloe bench`: measure how alignment grows during a talk."""

from typing import Annotated

import typer
from rich.table import Table

from aloe.commands.options import Json
from aloe.console import finish, show
from aloe.errors import ConfigError

app = typer.Typer(
    help="Measure how alignment grows during a talk.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.callback()
def _bench() -> None:
    """Keep `metrics` a verb of its own while it is the only one."""


@app.command()
def metrics(
    levels: Annotated[list[float], typer.Argument(help="AL(1), AL(2), ...: one number a turn.")],
    as_json: Json = False,
) -> None:
    """Compute average AL, improvement rate, N-IR and R2 of any published row.

    Example: `aloe bench metrics 62.16 68.92 70.27 74.32 --json`
    """
    import numpy as np

    from benchmark.metrics import summary

    try:
        found = summary(np.array(levels))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    table = Table(box=None, show_header=False)
    for name, value in found.items():
        table.add_row(name, "undefined" if value is None else f"{value:.4f}")
    show(table, as_json=as_json)
    finish(found, as_json=as_json)
