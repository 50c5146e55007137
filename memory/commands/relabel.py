"""`aloe relabel`: the same trees, labelled by what came of each reply."""

from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from aloe.console import finish, say_written, show
from aloe.errors import ConfigError
from aloe.options import Json, RunOrTrees
from aloe.views.folding import Table

if TYPE_CHECKING:
    from aloe.memory.label_agreement import LabelAgreement, PaidQuestion

SHOWN = 100
"""Characters of a message or a question in an example."""


def relabel(
    run: RunOrTrees,
    by: Annotated[
        str, typer.Option("--by", metavar="return", help="What the labels are made from.")
    ] = "return",
    horizon: Annotated[
        int, typer.Option("--horizon", help="Turns to look at, the reply's own included.")
    ] = 3,
    discount: Annotated[
        float, typer.Option("--discount", help="Weight in 0..1 of each further turn.")
    ] = 0.9,
    z: Annotated[
        float, typer.Option("--z", help="Standard errors that a difference has to exceed.")
    ] = 1.0,
    question_cost: Annotated[
        float,
        typer.Option(
            "--question-cost", help="Taken off a level for each question that brought nothing."
        ),
    ] = 0.0,
    levels: Annotated[
        Path | None,
        typer.Option(
            "--levels",
            metavar="FILE",
            help="How good replies were (node, level), for personas without checkable wishes.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR2", help="Where to write; default: DIR itself."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Label stored trees by what came of each reply, and compare that with the judge's labels.

    No model is asked. Each verdict keeps the judge's label and gets one by return beside it, which
    `aloe export --label return` and `aloe train --label return` use; see docs/returns.md.

    Example: `aloe relabel runs/first --by return --horizon 3 --discount 0.9`
    """
    from aloe.memory.relabelling import read_levels, relabel_file
    from aloe.memory.returns import ReturnRule

    if by != "return":
        raise ConfigError(f"--by: '{by}' is unknown; labels are made by return")
    rule = ReturnRule.checked(horizon, discount, z, question_cost)
    found = relabel_file(run, out, rule, read_levels(levels) if levels else None)
    target = out or run
    show(Group(*_summary(target, found)), as_json=as_json)
    say_written(target)
    finish({"out": str(target), **found.figures()}, as_json=as_json)


def _summary(target: Path, found: "LabelAgreement") -> list[RenderableType]:
    table = Table(title=f"{target}: labels by return", title_justify="left", box=None)
    table.add_column("")
    table.add_column("comparisons", justify="right")
    table.add_row("all", str(found.comparisons))
    table.add_row("decided", str(found.decided))
    table.add_row("tie", str(found.ties))
    for reason, count in found.undecided.most_common():
        table.add_row(reason, str(count))
    agreement = f"the judge prefers the same reply in {found.same} of {found.both} decided by both"
    parts: list[RenderableType] = [Text(found.basis), table, Text(agreement)]
    if found.questions:
        parts.append(Text("questions that won by what came of them:", "bold"))
    return [*parts, *map(_example, found.questions)]


def _example(question: "PaidQuestion") -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    rows = {
        "user": question.message,
        f"+{question.difference:.2f}": _cut_front(question.question),
        "instead of": question.instead,
        "judge": question.judged,
        "tree": f"{question.tree}, turn {question.turn}",
    }
    for name, text in rows.items():
        grid.add_row(name, Text(shorten(text, SHOWN, placeholder=" ...")))
    return grid


def _cut_front(text: str) -> str:
    """Return the end of a text, where a question says what it asks."""
    words = " ".join(text.split())
    if len(words) <= SHOWN:
        return words
    return "... " + words[4 - SHOWN :].partition(" ")[2]
