"""`aloe users audit`: how well users' faults are detected, and how users write beside people."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType

from aloe.console import finish, show
from aloe.errors import ConfigError
from aloe.options import Json
from aloe.views.figures import counted
from aloe.views.folding import Table

if TYPE_CHECKING:
    from aloe.benchmark.user_audit import KindResult, Report, Turn
    from aloe.benchmark.user_card import Mean, UserCard

app = typer.Typer(help="Find out how far simulated users can be trusted.", no_args_is_help=True)


@app.callback()
def _users() -> None:
    """Keep `audit` a command of its own while it is the only one."""


@app.command("audit")
def audit(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Run of simulated users, for --against."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="People's dialogues, in any format of `aloe trees import`.",
        ),
    ] = None,
    half: Annotated[
        str,
        typer.Option("--half", metavar="develop|test|fresh", help="Part of the corpus to use."),
    ] = "fresh",
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="STR", help="Model that checks what the rules pass."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Server of that model.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Use at most this many turns.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Test the rules for users' faults on a corpus of good and bad turns, or users beside people.

    With --against, no rules are tested: it shows length, questions, politeness and more of the
    users in DIR beside people's, with intervals. Otherwise no model is called without --model. The
    rules were developed on `develop`. `test` is older and by their own author; `fresh` is by
    somebody else and unread by anyone who wrote rules.

    Example: `aloe users audit runs/first --against dialogues.json`
    """
    if run or against:
        _compare(run, against, as_json=as_json)
        return
    from aloe.benchmark.user_audit import audit_users, read_turns

    if half not in ("develop", "test", "fresh"):
        raise ConfigError(f"--half is develop, test or fresh, not '{half}'")
    turns = list(read_turns(half))  # type: ignore[arg-type]
    if limit:
        turns = [turns[at * len(turns) // limit] for at in range(min(limit, len(turns)))]
    report = (
        _read(turns, half, model, base_url) if model else audit_users(turns, half)  # type: ignore[arg-type]
    )
    show(_view(report), as_json=as_json)
    shares = {"caught": report.caught, "false_alarms": report.false_alarms}
    rounded = {name: round(share, 4) for name, share in shares.items()}
    finish({**report.model_dump(mode="json"), **rounded}, as_json=as_json)


def _compare(run: Path | None, against: Path | None, *, as_json: bool) -> None:
    """Show how the users of a run write beside people."""
    from aloe.benchmark.user_card import measure_users
    from aloe.memory.formats.known import import_trees
    from aloe.memory.run_folder import read_trees

    if not (run and against):
        raise ConfigError(
            "name both the run and the people: `aloe users audit runs/first --against FILE`"
        )
    card = measure_users(read_trees(run), import_trees([against]).trees)
    show(_card_view(card), as_json=as_json)
    finish(card.model_dump(mode="json"), as_json=as_json)


def _card_view(card: "UserCard") -> RenderableType:
    from aloe.benchmark.user_card import SHARES

    table = Table("", "simulated", "people", "difference", box=None)
    for name, found in card.figures.items():
        form = "{:.0%}" if name in SHARES else "{:.1f}"
        cells = (_mean(each, form) for each in (found.simulated, found.people, found.difference))
        table.add_row(name, *cells, style="bold" if found.differs else None)
    words = (
        f"{counted(card.simulated, 'conversation')} of simulated users, {card.people} of people, "
        f"the first {counted(card.turns, 'message')} of each; "
        "bold: the 95% interval of the difference excludes 0"
    )
    return Group(table, "", words)


def _mean(mean: "Mean", form: str) -> str:
    if mean.value is None:
        return "-"
    if mean.low is None or mean.high is None:
        return form.format(mean.value)
    return f"{form.format(mean.value)} ({form.format(mean.low)} to {form.format(mean.high)})"


def _read(turns: "list[Turn]", half: str, model: str, base_url: str | None) -> "Report":
    """Have a model read the turns that the rules let pass."""
    from aloe.agents.reader import Reader
    from aloe.benchmark.user_audit import audit_with_reader
    from aloe.calls.log import CallLog
    from aloe.config.models import READER_DEFAULTS, ModelConfig
    from aloe.loop import make_runner
    from aloe.models.open import check_reachable, open_model

    opened = open_model(ModelConfig(**READER_DEFAULTS, model=model, base_url=base_url))
    with make_runner() as loop:
        loop.run(check_reachable([opened]))
        reader = Reader(model=opened, calls=CallLog(patient=True))
        work = audit_with_reader(turns, half, reader)  # type: ignore[arg-type]
        return loop.run(work)


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
    if report.unreadable:
        words += f"; of {report.unreadable} turns the second reader said neither YES nor NO"
    return Group(table, "", words)


def _cells(found: "KindResult") -> list[str]:
    missed = found.turns - found.caught - found.cleaned
    faults = ", ".join(f"{fault} {count}" for fault, count in found.faults.items())
    return [str(found.turns), str(found.caught), str(found.cleaned), str(missed), faults]
