"""`aloe label`: ask a person, blind, what the judge was asked."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from aloe.console import finish, show, stderr
from aloe.errors import InputError
from aloe.options import ConfigFile, Json, Seed

if TYPE_CHECKING:
    from aloe.benchmark.labelling import ReplyPair
    from aloe.labels import Answer, Label
    from aloe.passport import PeopleAgreement, Share

ANSWERS: "dict[str, Answer]" = {"t": "tie", "=": "tie", "s": "skip"}
"""Keys that mean the same whatever is shown first."""


def label(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    count: Annotated[
        int, typer.Option("--count", min=0, help="Number of pairs; 0 only shows the agreement.")
    ] = 50,
    rater: Annotated[
        str,
        typer.Option("--rater", metavar="NAME", help="Who labels; all get the same pairs."),
    ] = "me",
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Say which of two replies is better, without seeing who wrote them or what the judge said.

    Pairs are sampled evenly over turns and over the judge's outcomes. Each answer is saved to
    DIR/labels.jsonl at once, so you can stop with q at any time and resume later. At the end the
    agreement with the judge is shown and, if DIR has a judge passport, added to it. Keys can also
    come from a pipe.

    Example: `aloe label runs/first --count 30`
    """
    from aloe import config as settings
    from aloe.benchmark.labelling import by_turn, compare, list_pairs, sample_pairs
    from aloe.memory.run_folder import RunFolder, read_trees

    if not run.is_dir():
        raise InputError(run, "name a run folder: labels are kept beside its trees")
    own = RunFolder(run).config
    stored = settings.read_stored(own) if own.exists() and config is None else None
    if seed is None:
        seed = (stored or settings.load(config)).seed
    found = list(list_pairs(read_trees(run)))
    if not found:
        raise InputError(run, "no tree here has two different replies that a judge compared")
    sheet = _Sheet(run / "labels.jsonl", rater)
    if count:
        _ask(sheet, sample_pairs(found, count, seed))
    verdicts = {pair.id: pair.verdict for pair in found}
    agreement = compare(sheet.labels, verdicts)
    show(_summary(agreement, by_turn(sheet.labels, found)), as_json=as_json)
    passport = _enter(run / "passport.json", agreement)
    result = {"labels": str(sheet.path), "passport": passport, **agreement.model_dump(mode="json")}
    finish(result, as_json=as_json)


class _Sheet:
    """The labels of a run, as one person goes on with them."""

    def __init__(self, path: Path, rater: str) -> None:
        from aloe.files.journal import cut_torn_line
        from aloe.labels import read_labels

        self.path = path
        self.rater = rater
        cut_torn_line(path)
        self.labels = read_labels(path)

    def answered(self) -> set[str]:
        """Return the pairs that this person is done with."""
        return {label.pair for label in self.labels if label.rater == self.rater}

    def add(self, label: "Label") -> None:
        from aloe.labels import append_label, latest

        append_label(self.path, label)
        self.labels = latest([*self.labels, label])


def _ask(sheet: _Sheet, wanted: "list[ReplyPair]") -> None:
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


def _one(sheet: _Sheet, pair: "ReplyPair", place: str, keys: Iterator[str]) -> str:
    """Ask about one pair and keep the answer; return the key."""
    from aloe.labels import Label
    from aloe.schema import digest
    from aloe.views.question import LabelQuestion

    verdict = pair.verdict
    swapped = int(digest("shown", sheet.rater, pair.id), 16) % 2 == 1
    sides: tuple[Answer, Answer] = ("second", "first") if swapped else ("first", "second")
    replies = {"first": pair.tree.by_id[verdict.first], "second": pair.tree.by_id[verdict.second]}
    a, b = (replies[side] for side in sides)
    assert a.role == b.role == "assistant"
    if stderr().is_terminal:
        stderr().clear()
    stderr().print(LabelQuestion(pair.tree, a, b, place))
    meaning = {**ANSWERS, "a": sides[0], "b": sides[1]}
    started = time.monotonic()
    key = next(key for key in keys if key in {*meaning, "u", "q"})
    if key in meaning:
        sheet.add(
            Label(
                pair=pair.id,
                tree=pair.tree.id,
                node=verdict.node,
                first=verdict.first,
                second=verdict.second,
                rater=sheet.rater,
                answer=meaning[key],
                shown="second-first" if swapped else "first-second",
                seconds=round(time.monotonic() - started, 1),
            )
        )
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
    lines: dict[str, Any] = {
        "labels": f"{agreement.labels}, from {agreement.raters} raters",
        "same reply preferred": agreement.agreement.text,
        **{f"  turn {turn}": share.text for turn, share in turns.items()},
        "kappa, judge and people": _number(agreement.kappa),
        "alpha, judge and people": _number(agreement.alpha),
        "alpha among people": _number(agreement.between),
    }
    table = Table.grid(padding=(0, 2))
    for name, text in lines.items():
        table.add_row(Text(name, "bold"), text)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
