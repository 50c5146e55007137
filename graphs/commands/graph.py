"""`aloe graph`: the state machines, as they are."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from aloe.console import finish, show, stdout
from aloe.options import Json


class Name(StrEnum):
    """A state machine."""

    tree = "tree"
    turn = "turn"
    pool = "pool"


def graph(
    name: Annotated[
        Name, typer.Argument(help="`tree` (with its turns), `turn` alone, or `pool`.")
    ] = Name.tree,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print Mermaid text (the default without --png).")
    ] = False,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Draw a picture, offline.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw a LangGraph state machine from its own code.

    Example: `aloe graph tree --png tree.png`
    """
    drawn = _drawable(name)
    text = drawn.draw_mermaid().replace("\t", "    ")
    if png:
        from aloe.graphs.drawing import save_png

        save_png(drawn, png)
        show(f"{png}: {len(drawn.nodes)} nodes, {len(drawn.edges)} edges", as_json=as_json)
    if not as_json and (mermaid or not png):
        stdout().print(text, highlight=False, markup=False, soft_wrap=True)
    result = {"graph": name.value, "nodes": list(drawn.nodes), "png": str(png) if png else None}
    finish({**result, "mermaid": text}, as_json=as_json)


def _drawable(name: Name) -> Any:
    from aloe.graphs.pool import pool_graph
    from aloe.graphs.tree import tree_graph
    from aloe.graphs.turn import turn_graph

    graphs = {Name.tree: tree_graph, Name.turn: turn_graph, Name.pool: pool_graph}
    return graphs[name]().get_graph(xray=True)
