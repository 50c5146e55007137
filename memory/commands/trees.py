"""`aloe trees`: merge trees, prune them, or import conversations from elsewhere."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.console import finish, say, show
from aloe.errors import ConfigError
from aloe.number_format import counted
from aloe.options import Json, RunOrTrees, ending

if TYPE_CHECKING:
    from aloe.memory.formats.known import Imported
    from aloe.schema import Tree

app = typer.Typer(help="Merge, prune or import conversation trees.", no_args_is_help=True)

SHOWN = 20
"""Conversations set aside that are named; the others are counted."""

Out = Annotated[
    Path,
    typer.Option("--out", metavar="FILE.jsonl", callback=ending(".jsonl"), help="File to write."),
]


@app.command("merge")
def merge_(
    runs: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Run folders, or trees.jsonl files.")
    ],
    out: Out,
    as_json: Json = False,
) -> None:
    """Merge the trees of several runs into one file; trees with the same id become one.

    Where two runs disagree about a node or a comparison, the first one named wins. Runs with other
    prompts, files of models or passports are refused.

    Example: `aloe trees merge runs/monday runs/tuesday --out week.jsonl`
    """
    from aloe.memory.merge import check_alike, merge
    from aloe.memory.out_files import check_out
    from aloe.memory.run_folder import read_trees

    check_alike(runs)
    check_out(out, runs)
    _write(merge(tree for run in runs for tree in read_trees(run)), out, as_json=as_json)


@app.command("prune")
def prune_(
    run: RunOrTrees,
    out: Out,
    turns: Annotated[
        int | None, typer.Option("--turns", min=1, help="Keep at most this many turns.")
    ] = None,
    spoiled: Annotated[
        bool,
        typer.Option("--spoiled", help="Cut where the simulated user spoiled the rest."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Cut off subtrees; the run itself is not changed.

    Example: `aloe trees prune runs/first --spoiled --out clean.jsonl`
    """
    from aloe.memory.out_files import check_out
    from aloe.memory.prune import prune_all
    from aloe.memory.run_folder import read_trees

    if turns is None and not spoiled:
        raise ConfigError("say what to cut: --turns N, --spoiled or both")
    check_out(out, [run])
    _write(prune_all(read_trees(run), turns=turns, spoiled=spoiled), out, as_json=as_json)


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="JSON, JSONL, CSV or Parquet, also gzipped, or hub:ORG/NAME[/CONFIG][:SPLIT].",
        ),
    ],
    out: Out,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="prism, ultrafeedback, sharegpt, messages, wildchat, simulatorarena or aloe; told "
            "from the files' fields if not given.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip broken conversations and keep the rest.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import conversations of people, other projects or the original ALOE data as trees.

    Several replies to one message become siblings, and scores or choices become verdicts: of a
    person where people gave them, else of a judge called `imported`. A persona that the files do
    not describe is left empty.

    Example: `aloe trees import conversations.jsonl survey.jsonl --out trees.jsonl`
    """
    from aloe.memory.formats.known import import_trees
    from aloe.memory.out_files import check_out

    check_out(out, files)
    found = import_trees(files, form, skip_bad=skip_bad)
    _say_left_out(found)
    more = {
        "format": found.format,
        "records": found.records,
        "repeated": found.repeated,
        "bad": found.bad,
        "left_out": dict(found.left_out),
    }
    _write(found.trees, out, as_json=as_json, more=more)


def _say_left_out(found: "Imported") -> None:
    """Say what is missing from the trees, and where nothing can be compared."""
    for line in found.bad[:SHOWN]:
        say(f"set aside: {line}")
    if len(found.bad) > SHOWN:
        say(f"... and {len(found.bad) - SHOWN} more; --json lists all")
    if found.repeated:
        say(f"saying nothing new: {found.repeated} of {counted(found.records, 'record')}")
    for what, count in found.left_out.items():
        say(f"{count} {what}")
    asked = sum(bool(tree.children(user.id)) for tree in found.trees for user in tree.users)
    judged = sum(len({verdict.node for verdict in tree.verdicts}) for tree in found.trees)
    if alone := asked - judged:
        say(f"without two replies to compare: {alone} of {counted(asked, 'turn')}")


def _write(
    trees: Iterable["Tree"],
    out: Path,
    *,
    as_json: bool,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    from aloe.files.writing import model_lines, replace_text

    found = list(trees)
    replace_text(out, model_lines(found))
    nodes = sum(len(tree.nodes) for tree in found)
    show(
        f"{out}: {counted(len(found), 'tree')}, {counted(nodes, 'node')}",
        as_json=as_json,
        lines=True,
        cut=False,
    )
    finish({"out": str(out), "trees": len(found), "nodes": nodes, **more}, as_json=as_json)
