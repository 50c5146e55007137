"""`aloe users audit`: how well users' faults are detected, and how users write beside people."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Group, RenderableType

from aloe.console import finish, show
from aloe.errors import ConfigError
from aloe.number_format import counted, format_number
from aloe.options import ConfigFile, Json
from aloe.views.folding import Table

if TYPE_CHECKING:
    from aloe.benchmark.user_audit import KindResult, Report, Turn
    from aloe.benchmark.user_card import Mean, PeopleHalf, UserCard
    from aloe.benchmark.user_classifier import UserAuc
    from aloe.schema import Tree

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
    auc: Annotated[
        bool,
        typer.Option("--auc", help="Also let a classifier tell users from people; with --against."),
    ] = False,
    half: Annotated[
        str | None,
        typer.Option(
            "--half",
            metavar="develop|test|fresh",
            help="Part of the corpus [fresh], or half of users and people [all].",
        ),
    ] = None,
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
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Test the rules for users' faults on a corpus of good and bad turns, or users beside people.

    With --against, no rules are tested: it shows length, questions, politeness and more of the
    users in DIR beside people's, with intervals, and with --auc how well both are told apart.
    Choose settings with --half develop, report them with --half test.

    Otherwise no model is called without --model. The rules were developed on `develop`. `test` is
    older and by their own author; `fresh` is by somebody else and unread by anyone who wrote rules.

    Example: `aloe users audit runs/first --against dialogues.json`
    """
    embedder = _choose_embedder(config, auc=auc)
    if run or against or auc:
        if model or base_url or limit:
            raise ConfigError("--model, --base-url and --limit go without --against")
        _compare(run, against, half, embedder, as_json=as_json)
    elif base_url and not model:
        raise ConfigError("--base-url is the server of a model; name that with --model")
    else:
        _test_rules(half or "fresh", model, base_url, limit, as_json=as_json)


def _choose_embedder(config: Path | None, *, auc: bool) -> str | None:
    """Return the embedder of the classifier, by name; None without one."""
    from aloe import config as settings

    if not (auc or config):
        return None
    name = settings.load(config).personas.embedder
    if not auc:
        raise ConfigError("--config names the embedder of --auc; give both or none")
    return name


def _test_rules(
    half: str, model: str | None, base_url: str | None, limit: int | None, *, as_json: bool
) -> None:
    """Show how many of the corpus's bad turns are caught, and of its good ones."""
    from aloe.benchmark.user_audit import audit_users, read_turns

    if half not in ("develop", "test", "fresh"):
        raise ConfigError(f"--half is develop, test or fresh, not '{half}'")
    turns = list(read_turns(half))  # type: ignore[arg-type]
    if limit:
        count = min(limit, len(turns))
        turns = [turns[at * len(turns) // count] for at in range(count)]
    report = (
        _read(turns, half, model, base_url) if model else audit_users(turns, half)  # type: ignore[arg-type]
    )
    show(_view(report), as_json=as_json)
    shares = {"caught": report.caught, "false_alarms": report.false_alarms}
    rounded = {name: round(share, 4) for name, share in shares.items()}
    finish({**report.model_dump(mode="json"), **rounded}, as_json=as_json)


def _compare(
    run: Path | None,
    against: Path | None,
    half: str | None,
    embedder: str | None,
    *,
    as_json: bool,
) -> None:
    """Show how the users of a run write beside people, and how well both are told apart."""
    from aloe.benchmark.user_card import keep_half, measure_users
    from aloe.memory.formats.known import import_trees
    from aloe.memory.run_folder import read_trees

    if not (run and against):
        raise ConfigError(
            "name both the run and the people: `aloe users audit runs/first --against FILE`"
        )
    simulated, people = list(read_trees(run)), import_trees([against]).trees
    if half in ("develop", "test"):
        kept = partial(keep_half, half=cast("PeopleHalf", half))
        simulated, people = [*kept(simulated)], [*kept(people)]
    elif half:
        raise ConfigError(f"--half is develop or test with --against, not '{half}'")
    card = measure_users(simulated, people)
    told = _tell_apart(simulated, people, embedder) if embedder else None
    show(_card_view(card, told), as_json=as_json)
    found = card.model_dump(mode="json")
    finish({**found, "auc": told.model_dump(mode="json")} if told else found, as_json=as_json)


def _tell_apart(simulated: "list[Tree]", people: "list[Tree]", embedder: str) -> "UserAuc":
    from aloe.benchmark.user_classifier import measure_auc
    from aloe.memory.embedder import open_embedder

    return measure_auc(simulated, people, open_embedder(embedder))


def _card_view(card: "UserCard", told: "UserAuc | None") -> RenderableType:
    from aloe.benchmark.user_card import SHARES

    table = Table("", "simulated", "people", "difference", box=None)
    for name, found in card.figures.items():
        form = "{:.0%}" if name in SHARES else "{:.1f}"
        cells = (_mean(each, form) for each in (found.simulated, found.people, found.difference))
        table.add_row(name, *cells, style="bold" if found.differs else None)
    words = (
        f"{counted(card.simulated, 'conversation')} of simulated users, {card.people} of people, "
        f"the first {counted(card.turns, 'message')} of each{_left_out(card)}; "
        "bold: the 95% interval of the difference excludes 0"
    )
    return Group(table, "", words, *(["", _auc_view(told)] if told else []))


def _left_out(card: "UserCard") -> str:
    """Say how many conversations are too short to be compared; empty if none is."""
    ours, theirs = card.simulated_left_out, card.people_left_out
    return f" (with fewer, left out: {ours} and {theirs})" if ours or theirs else ""


def _auc_view(told: "UserAuc") -> RenderableType:
    table = Table("a classifier's area under the curve", "", "simulated", "people", box=None)
    found = {
        "by messages' figures and vectors": told.whole,
        "by their figures alone": told.figures,
        "by both, of personas on both sides": told.shared,
    }
    for name, each in found.items():
        if each:
            area = f"{each.value:.2f} ({each.low:.2f} to {each.high:.2f})"
            table.add_row(name, area, str(each.simulated), str(each.people))
    words = (
        "0.5 is chance, 1 is always right. Different topics raise it, less so by figures alone, "
        "and not at all where a persona has the same topic on both sides."
    )
    return Group(table, "", words)


def _mean(mean: "Mean", form: str) -> str:
    value, low, high = (format_number(n, form) for n in (mean.value, mean.low, mean.high))
    return value if "-" in (value, low, high) else f"{value} ({low} to {high})"


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
        words += f"; of {report.unreadable} turns the second reader gave no clear YES or NO"
    return Group(table, "", words)


def _cells(found: "KindResult") -> list[str]:
    missed = found.turns - found.caught - found.cleaned
    faults = ", ".join(f"{fault} {count}" for fault, count in found.faults.items())
    return [str(found.turns), str(found.caught), str(found.cleaned), str(missed), faults]
