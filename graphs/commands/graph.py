"""`aloe graph`: draws the state machines."""

from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from aloe.console import finish, say_written, show_text
from aloe.extras import require
from aloe.options import Json, Svg


class Name(StrEnum):
    """A state machine."""

    tree = "tree"
    turn = "turn"
    pool = "pool"


def graph(
    name: Annotated[
        Name, typer.Argument(help="`tree` (including turns), `turn` alone, or `pool`.")
    ] = Name.tree,
    boxes: Annotated[
        bool, typer.Option("--boxes", help="Draw boxes and lines instead of Mermaid text.")
    ] = False,
    svg: Svg = None,
    as_json: Json = False,
) -> None:
    """Draw a LangGraph state machine from its own code, as Mermaid text or with boxes.

    In a drawing with boxes, dots stand for edges that are taken under a condition.

    Example: `aloe graph tree --boxes`
    """
    from aloe.views.picture import save_svg

    drawn = _find_graph(name).get_graph(xray=True)
    mermaid = drawn.draw_mermaid().replace("\t", "    ")
    shown = mermaid
    if boxes or svg:
        require("A drawing with boxes", "grandalf")
        shown = drawn.draw_ascii()
    if svg:
        save_svg(Text(shown), svg, title=f"aloe graph {name.value}")
        say_written(svg)
    elif not as_json:
        show_text(shown)
    result = {"graph": name.value, "nodes": list(drawn.nodes), "mermaid": mermaid}
    finish(result, as_json=as_json)


def _find_graph(name: Name) -> Any:
    from aloe.graphs.pool import pool_graph
    from aloe.graphs.tree import tree_graph
    from aloe.graphs.turn import turn_graph

    graphs = {Name.tree: tree_graph, Name.turn: turn_graph, Name.pool: pool_graph}
    return graphs[name]()
