"""`aloe trees`: merge trees, prune them, or import them from the paper's layout."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aloe.console import finish, say, show
from aloe.errors import ConfigError
from aloe.options import Json, ending

if TYPE_CHECKING:
    from aloe.schema import Tree

app = typer.Typer(help="Merge, prune or import conversation trees.", no_args_is_help=True)

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

    Where two runs disagree about a node or a comparison, the first one named wins.

    Example: `aloe trees merge runs/monday runs/tuesday --out week.jsonl`
    """
    from aloe.memory.merge import merge
    from aloe.memory.run_folder import read_trees

    _write(merge(tree for run in runs for tree in read_trees(run)), out, as_json=as_json)


@app.command("prune")
def prune_(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, or a trees.jsonl.")],
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
    from aloe.memory.prune import prune_all
    from aloe.memory.run_folder import read_trees

    if turns is None and not spoiled:
        raise ConfigError("say what to cut: --turns N, --spoiled or both")
    _write(prune_all(read_trees(run), turns=turns, spoiled=spoiled), out, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Conversations in the layout of the paper's data."),
    ],
    out: Out,
    as_json: Json = False,
) -> None:
    """Make trees of conversations in the layout of the original ALOE data.

    `aloe export --format aloe` writes it, and so is the paper's conversations.jsonl. Every
    preference's judge is called `imported`; personas missing from the file are left empty.
    Example: `aloe trees import conversations.jsonl --out trees.jsonl`
    """
    from aloe.memory.conversations import read_conversations

    _check_apart(file, out)
    trees = [tree for _, tree in read_conversations(file)]
    turns = sum(node.role == "user" for tree in trees for node in tree.nodes)
    judged = sum(len({verdict.node for verdict in tree.verdicts}) for tree in trees)
    if alike := turns - judged:
        say(f"{alike} of {turns} turns have the same reply twice, so nothing to compare")
    _write(trees, out, as_json=as_json)


def _check_apart(source: Path, out: Path) -> None:
    """Make sure that what is read is not written over."""
    if source.resolve() == out.resolve():
        raise ConfigError(f"--out is also the input ({source}); name another file")


def _write(trees: Iterable["Tree"], out: Path, *, as_json: bool) -> None:
    from aloe.files.writing import replace_text

    found = list(trees)
    replace_text(out, "".join(tree.model_dump_json() + "\n" for tree in found))
    nodes = sum(len(tree.nodes) for tree in found)
    show(f"{out}: {len(found)} trees, {nodes} nodes", as_json=as_json, lines=True, cut=False)
    finish({"out": str(out), "trees": len(found), "nodes": nodes}, as_json=as_json)
