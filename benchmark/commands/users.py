"""`aloe users audit`: how well the faults of simulated users are seen."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from aloe.console import finish, show
from aloe.errors import ConfigError
from aloe.options import Json

if TYPE_CHECKING:
    from aloe.benchmark.user_audit import KindResult, Report

app = typer.Typer(help="Find out how far simulated users can be trusted.", no_args_is_help=True)


@app.callback()
def _users() -> None:
    """Keep `audit` a command of its own while it is the only one."""


@app.command("audit")
def audit(
    half: Annotated[
        str,
        typer.Option("--half", metavar="develop|test", help="Half of the corpus to look at."),
    ] = "test",
    as_json: Json = False,
) -> None:
    """Hold the rules for users' faults against a corpus of good and bad turns.

    No model is asked. The half `test` was written before the rules and says how well they do; on
    `develop` they were made.

    Example: `aloe users audit`
    """
    from aloe.benchmark.user_audit import audit_users, read_turns

    if half not in ("develop", "test"):
        raise ConfigError(f"--half is develop or test, not '{half}'")
    report = audit_users(read_turns(half), half)  # type: ignore[arg-type]
    show(_view(report), as_json=as_json)
    shares = {"caught": report.caught, "false_alarms": report.false_alarms}
    rounded = {name: round(share, 4) for name, share in shares.items()}
    finish({**report.model_dump(mode="json"), **rounded}, as_json=as_json)


def _view(report: "Report") -> RenderableType:
    table = Table("kind", "turns", "caught", "cleaned", "missed", "seen as", box=None)
    for kind, found in report.kinds.items():
        table.add_row(kind, *_cells(found))
    every = list(report.kinds.values())
    bad, caught, cleaned = (
        sum(getattr(found, name) for found in every) for name in ("turns", "caught", "cleaned")
    )
    table.add_row(
        "all", str(bad), str(caught), str(cleaned), str(bad - caught - cleaned), style="bold"
    )
    words = (
        f"{report.caught:.1%} of {bad} bad turns are caught or cleaned, "
        f"{report.false_alarms:.1%} of {report.good.turns} good turns are taken for bad ones; "
        f"{report.milliseconds:.1f} ms of CPU a turn ({report.half} half)"
    )
    return Group(table, "", words)


def _cells(found: "KindResult") -> list[str]:
    missed = found.turns - found.caught - found.cleaned
    faults = ", ".join(f"{fault} {count}" for fault, count in found.faults.items())
    return [str(found.turns), str(found.caught), str(found.cleaned), str(missed), faults]
