"""`aloe judge audit`: gold pairs in, a judge passport out."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from aloe.console import Display, finish, say_written, show
from aloe.options import ConfigFile, Json, Quiet, ending
from aloe.resumable import resumable, within_budget
from aloe.views.figures import Throughput, spending
from aloe.views.folding import grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aloe.benchmark.audit import AuditProgress
    from aloe.benchmark.gold_pairs import AuditPair
    from aloe.benchmark.people_pairs import PeopleGold
    from aloe.calls.log import CallLog
    from aloe.config import Config
    from aloe.passport import Passport

app = typer.Typer(help="Find out how far a judge can be trusted.", no_args_is_help=True)


@app.callback()
def _judge() -> None:
    """Keep `audit` a command of its own while it is the only one."""


Model = Annotated[str | None, typer.Option("--model", metavar="STR", help="Model of the judge.")]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="OpenAI-compatible server of the judge."),
]
Out = Annotated[
    Path,
    typer.Option("--out", metavar="FILE.json", callback=ending(".json"), help="Passport to write."),
]
Pairs = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        metavar="FILE|DIR",
        help="Your own gold pairs, or people's choices: a run folder, trees or labels.",
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=2, help="Ask about at most this many pairs.")
]
Own = Annotated[
    int,
    typer.Option("--own", min=0, help="Pairs it also answers, for self-preference."),
]
Concurrency = Annotated[int | None, typer.Option("--concurrency", help="Pairs in flight at once.")]


@app.command("audit")
def audit(
    model: Model = None,
    base_url: BaseUrl = None,
    out: Out = Path("passport.json"),
    gold: Pairs = None,
    limit: Limit = None,
    own: Own = 40,
    concurrency: Concurrency = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask a judge about pairs whose better reply is known, and write its passport.

    The shipped pairs were constructed. With `--pairs`, people's choices can take their place:
    scores of imported conversations, `aloe chat`, labels of `aloe label`.

    Name the passport in a run's settings (`[judge] passport = "FILE"`) to give verdicts a
    confidence. Calls are stored beside FILE, so the same command resumes where it stopped.

    Example: `aloe judge audit --model openai:gpt-4o-mini --out passport.json`
    """
    from aloe import config as settings
    from aloe.benchmark.commands.passport_view import passport_view
    from aloe.files.writing import replace_text
    from aloe.memory.out_files import check_out

    if out.name != "passport.json":  # a run's passport comes from here
        check_out(out, [gold] if gold else [])
    loaded = settings.load(config, {"simulation.concurrency": concurrency})
    pairs, people = _read(gold, limit)
    events = out.with_suffix(".events.jsonl")
    judge = loaded.with_judge(model, base_url)
    passport = _ask(judge, pairs, events, people, own=own, quiet=quiet)
    replace_text(out, passport.json_text())
    say_written(out)
    show(passport_view(passport), as_json=as_json)
    finish({"out": str(out), **passport.model_dump(mode="json")}, as_json=as_json)


def _read(path: Path | None, limit: int | None) -> "tuple[Sequence[AuditPair], PeopleGold | None]":
    """Return the pairs to ask about, and the people whose choices their labels are."""
    from aloe.benchmark.gold_pairs import SHIPPED, pick_pairs, read_gold
    from aloe.benchmark.people_pairs import holds_choices, pick_people, read_people

    if path and holds_choices(path):
        people = read_people(path)
        people = pick_people(people, limit) if limit else people
        return people.pairs, people
    pairs = read_gold(path or SHIPPED)
    return (pick_pairs(pairs, limit) if limit else pairs), None


def _ask(
    config: "Config",
    pairs: "Sequence[AuditPair]",
    events: Path,
    people: "PeopleGold | None",
    *,
    own: int,
    quiet: bool,
) -> "Passport":
    """Ask about the pairs that are not answered yet, and show how it goes."""
    from aloe.benchmark.audit import open_judges, run_audit
    from aloe.loop import make_runner

    @contextmanager
    def around(progress: "AuditProgress", calls: "CallLog") -> "Iterator[Callable[[], None]]":
        display = _AuditDisplay(progress, calls, quiet=quiet)
        with display.running():
            yield display.update

    models = open_judges(config, events)
    with make_runner() as loop, resumable(), within_budget(events):
        work = run_audit(config, pairs, models, events, own=own, people=people, around=around)
        return loop.run(work)


class _AuditDisplay(Display):
    """How many pairs were asked about, and how it goes."""

    def __init__(self, progress: "AuditProgress", calls: "CallLog", *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._progress = progress
        self._calls = calls
        self._pace = Throughput(calls.totals)

    def line(self) -> str:
        """Return the state in one line."""
        p, t = self._progress, self._calls.totals
        return (
            f"audit: {p.done}/{p.wanted} pairs, {p.right} right of {p.decided} decided, "
            f"{t.calls} calls"
        )

    def panel(self) -> RenderableType:
        """Return a bar and the line."""
        p = self._progress
        bar = ProgressBar(total=p.wanted, completed=p.done, width=30)
        return Group(bar, Text(self.line()), grid(spending(self._calls, self._pace)))
