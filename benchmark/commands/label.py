"""`aloe label`: ask a person, blind, what the judge was asked."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from aloe.console import finish, say, say_written, show, stderr
from aloe.errors import ConfigError, InputError
from aloe.number_format import counted, format_number
from aloe.options import ConfigFile, Json, Seed, refuse_unread, with_flags
from aloe.views.folding import grid

if TYPE_CHECKING:
    from aloe.benchmark.labelling import ReplyPair
    from aloe.label_sheet import LabelSheet
    from aloe.passport import PeopleAgreement, Share

PAIRS = 50
"""Asked about, unless told otherwise."""
ME = "me"
"""Who labels, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """The flags of `aloe label`."""

    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")]
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            min=0,
            help=f"Number of pairs, {PAIRS} by default; 0 only shows the agreement.",
        ),
    ] = None
    rater: Annotated[
        str | None,
        typer.Option(
            "--rater",
            metavar="NAME",
            help=f"Who labels ('{ME}' by default); all get the same pairs. With --from: what the "
            "raters' names begin with, where the tool's own will not do.",
        ),
    ] = None
    tool: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="argilla|label-studio", help="Write the pairs for this tool instead."
        ),
    ] = None
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.json", help="Where to write them.")
    ] = None
    answers: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE.json", help="Read the labels from its export."),
    ] = None
    seed: Seed = None
    config: ConfigFile = None
    as_json: Json = False

    def check(self) -> None:
        """Make sure that every flag is read, and that the labels will count.

        Raises:
            ConfigError: one would not be read, or the rater's name is taken.
        """
        from aloe.labels import SEEN

        if self.rater == SEEN:
            raise ConfigError(
                f"--rater {SEEN}: labels of that name were given beside the judge's marks and "
                "count nowhere; choose another"
            )
        if self.tool or self.out:
            refuse_unread({"--from": self.answers, "--rater": self.rater}, "beside --to")
        elif self.answers:
            asking = {"--count": self.count, "--seed": self.seed, "--config": self.config}
            refuse_unread(asking, "beside --from")


@with_flags
def label(options: LabelOptions) -> None:
    """Say which of two replies is better, without seeing who wrote them or what the judge said.

    Pairs are sampled evenly over turns and over the judge's outcomes. Each answer is saved to
    DIR/labels.jsonl at once, so you can stop with q at any time and resume later. At the end the
    agreement with the judge is shown and, if DIR has a judge passport, added to it. Keys can also
    come from a pipe.

    Others can label in Argilla or Label Studio: --to writes the pairs for it, --from takes the
    labels from what it exports. Every Label Studio of its own counts people from 1, so tell two of
    them apart with --rater.

    Example: `aloe label runs/first --count 30`
    """
    from aloe import config as settings
    from aloe.benchmark.labelling import list_pairs, sample_pairs
    from aloe.label_sheet import LabelSheet
    from aloe.labels import LABELS
    from aloe.memory.run_folder import RunFolder, read_trees

    options.check()
    run = options.run
    if run.is_file():
        raise InputError(run, "name a run folder: labels are kept beside its trees")
    own = RunFolder(run).config
    stored = settings.read_stored(own) if own.exists() and options.config is None else None
    seed = options.seed
    if seed is None:
        seed = (stored or settings.load(options.config)).seed
    found = list(list_pairs(read_trees(run)))
    if not found:
        raise InputError(run, "no tree here has two different replies that a judge compared")
    wanted = sample_pairs(found, PAIRS if options.count is None else options.count, seed)
    if options.tool or options.out:
        _send(options.tool, wanted, options.out, as_json=options.as_json)
        return
    sheet = LabelSheet(run / LABELS, options.rater or ME)
    if options.answers:
        _take(sheet, options.answers, found, options.rater)
    elif wanted:
        _ask(sheet, wanted)
    _compare(sheet, found, RunFolder(run).passport, as_json=options.as_json)


def _send(tool: str | None, pairs: "list[ReplyPair]", out: Path | None, *, as_json: bool) -> None:
    """Write pairs for another tool."""
    from aloe.benchmark.annotation import TOOLS, write_tasks
    from aloe.memory.out_files import check_out

    named = next((each for each in TOOLS if each == tool), None)
    if tool and not named:
        raise ConfigError(f"--to: '{tool}' is none of {', '.join(TOOLS)}")
    if named is None or out is None:
        raise ConfigError(f"--to needs {' or '.join(TOOLS)}, and --out a file to write")
    check_out(out, [])
    count, beside = write_tasks(named, pairs, out)
    show(
        Text(f"{out}: {counted(count, 'pair')} for {tool}, shown by {beside}"),
        as_json=as_json,
        lines=True,
    )
    finish({"out": str(out), "pairs": count, "shown_by": str(beside)}, as_json=as_json)


def _take(sheet: "LabelSheet", answers: Path, found: "list[ReplyPair]", rater: str | None) -> None:
    """Take the labels from an export of another tool; raters' names begin as is said."""
    from aloe.benchmark.annotation import check_raters, count_replaced, read_answers, select_new

    given = read_answers(answers, found, rater)
    if rater is not None:
        check_raters(given, sheet.labels, sheet.path, rater)
    new = select_new(given, sheet.labels)
    replaced = count_replaced(new, sheet.labels)
    if new:
        sheet.add(*new)
    say(f"{answers}: {counted(len(given), 'label')}, {len(new)} of them new")
    if replaced:
        say(
            f"{counted(replaced, 'earlier answer')} replaced, of raters with the same names; if "
            "these are other people, name them with --rater"
        )


def _ask(sheet: "LabelSheet", wanted: "list[ReplyPair]") -> None:
    """Ask about the pairs that are not answered yet; the person may go back by one or stop."""
    done = sheet.answered()
    todo = [pair for pair in wanted if pair.id not in done]
    keys, at = _keys(), 0
    while at < len(todo):
        place = f"{len(wanted) - len(todo) + at + 1} of {len(wanted)}"
        key = _one(sheet, todo[at], place, keys)
        if key == "q":
            stderr().print("stopped; the same command resumes here", highlight=False)
            return
        at = max(0, at - 1) if key == "u" else at + 1


def _one(sheet: "LabelSheet", pair: "ReplyPair", place: str, keys: Iterator[str]) -> str:
    """Ask about one pair and keep the answer; return the key."""
    from aloe.label_sheet import BlindPair
    from aloe.views.question import LabelQuestion

    shown = BlindPair(tree=pair.tree, verdict=pair.verdict, rater=sheet.rater)
    if stderr().is_terminal:
        stderr().clear()
    stderr().print(LabelQuestion(pair.tree, shown.a, shown.b, place))
    started = time.monotonic()
    key = next(key for key in keys if key in {*shown.answers, "u", "q"})
    if key in shown.answers:
        sheet.add(shown.label(key, time.monotonic() - started))
    return key


def _keys() -> Iterator[str]:
    """Yield keys as they are pressed, or characters of a pipe; at its end `q`."""
    import click

    if sys.stdin.isatty():
        while True:
            try:
                yield click.getchar().lower()
            except (KeyboardInterrupt, EOFError):
                yield "q"
    while character := sys.stdin.read(1):
        yield character.lower()
    while True:
        yield "q"


def _compare(
    sheet: "LabelSheet", found: "list[ReplyPair]", passport: Path, *, as_json: bool
) -> None:
    """Show how the labels agree with the judge, and end the command."""
    from aloe.benchmark.labelling import by_turn, compare

    agreement = compare(sheet.labels, {pair.id: pair.verdict for pair in found})
    show(_summary(agreement, by_turn(sheet.labels, found)), as_json=as_json)
    entered = _enter(passport, agreement)
    if sheet.labels:
        say_written(sheet.path, *([Path(entered)] if entered else []))
    result = {"out": str(sheet.path), "passport": entered, **agreement.model_dump(mode="json")}
    finish(result, as_json=as_json)


def _enter(path: Path, agreement: "PeopleAgreement") -> str | None:
    """Enter the agreement in the passport beside the trees; return its path if there is one."""
    from aloe.files.writing import replace_text
    from aloe.passport import read_passport

    if not path.exists() or not agreement.labels:
        return None
    passport = read_passport(path).model_copy(update={"people": agreement})
    replace_text(path, passport.json_text())
    return str(path)


def _summary(agreement: "PeopleAgreement", turns: "dict[int, Share]") -> RenderableType:
    if not agreement.labels:
        return Text("no labels yet")
    lines = {
        "labels": f"{agreement.labels}, from {agreement.raters} raters",
        "same reply preferred": agreement.agreement.text,
        **{f"  turn {turn}": share.text for turn, share in turns.items()},
        "kappa, judge and people": format_number(agreement.kappa, "{:.2f}"),
        "alpha, judge and people": format_number(agreement.alpha, "{:.2f}"),
        "alpha among people": format_number(agreement.between, "{:.2f}"),
    }
    return grid(lines)
