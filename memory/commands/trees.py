"""`aloe trees`: put trees together, cut them back, or read them from the paper's layout."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aloe.console import finish, say, show
from aloe.errors import ConfigError
from aloe.options import ConfigFile, Json, Seed

if TYPE_CHECKING:
    from aloe.schema import Tree

app = typer.Typer(help="Merge, prune or import conversation trees.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", help="File to write.")]


@app.command("merge")
def merge(
    runs: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Run folders, or trees.jsonl files.")
    ],
    out: Out,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Put the trees of several runs into one file; trees of one id become one tree.

    Where two runs disagree about a node or a comparison, the run named first is kept. Nothing is
    drawn at random, so --seed changes nothing here.

    Example: `aloe trees merge runs/monday runs/tuesday --out week.jsonl`
    """
    from aloe import config as settings
    from aloe.memory.forest import merged
    from aloe.memory.run_folder import read_trees

    del seed
    settings.load(config)
    _write(merged(tree for run in runs for tree in read_trees(run)), out, as_json=as_json)


@app.command("prune")
def prune(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, or a trees.jsonl.")],
    out: Out,
    turns: Annotated[
        int | None, typer.Option("--turns", min=1, help="Keep no more turns than these.")
    ] = None,
    spoiled: Annotated[
        bool, typer.Option("--spoiled", help="Cut where the simulated user spoiled the rest.")
    ] = False,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Cut subtrees off; the run itself stays as it is.

    Nothing is drawn at random, so --seed changes nothing here.

    Example: `aloe trees prune runs/first --spoiled --out clean.jsonl`
    """
    from aloe import config as settings
    from aloe.memory.forest import all_pruned
    from aloe.memory.run_folder import read_trees

    del seed
    settings.load(config)
    if turns is None and not spoiled:
        raise ConfigError("say what to cut: --turns N, --spoiled or both")
    _write(all_pruned(read_trees(run), turns=turns, spoiled=spoiled), out, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Conversations in the layout of the paper's data."),
    ],
    out: Out,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Make trees of conversations in the layout of the original ALOE data.

    That is what `aloe export --format aloe` writes, and the conversations.jsonl of the paper. The
    judge of every preference is called `imported`; a persona that the file does not give is empty.
    Nothing is drawn at random, so --seed changes nothing here.

    Example: `aloe trees import conversations.jsonl --out trees.jsonl`
    """
    from aloe import config as settings
    from aloe.memory.conversations import conversation_trees

    del seed
    settings.load(config)
    _check_apart(file, out)
    trees = [tree for _, tree in conversation_trees(file)]
    turns = sum(node.role == "user" for tree in trees for node in tree.nodes)
    judged = sum(len({verdict.node for verdict in tree.verdicts}) for tree in trees)
    if alike := turns - judged:
        say(f"{alike} of {turns} turns hold one reply twice, which is no comparison")
    _write(trees, out, as_json=as_json)


def _check_apart(source: Path, out: Path) -> None:
    """Make sure that what is read is not written over."""
    if source.resolve() == out.resolve():
        raise ConfigError(f"--out is the file that is read ({source}); name another")


def _write(trees: Iterable["Tree"], out: Path, *, as_json: bool) -> None:
    from aloe.files.writing import replace_text

    found = list(trees)
    replace_text(out, "".join(tree.model_dump_json() + "\n" for tree in found))
    nodes = sum(len(tree.nodes) for tree in found)
    show(f"{out}: {len(found)} trees, {nodes} nodes", as_json=as_json)
    finish({"out": str(out), "trees": len(found), "nodes": nodes}, as_json=as_json)
