"""`aloe graph`: draws the state machines."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from aloe.console import finish, show_text
from aloe.options import Json


class Name(StrEnum):
    """A state machine."""

    tree = "tree"
    turn = "turn"
    pool = "pool"


def graph(
    name: Annotated[
        Name, typer.Argument(help="`tree` (including turns), `turn` alone, or `pool`.")
    ] = Name.tree,
    as_json: Json = False,
) -> None:
    """Draw a LangGraph state machine from its own code, as Mermaid text.

    Example: `aloe graph tree`
    """
    drawn = _find_graph(name).get_graph(xray=True)
    text = drawn.draw_mermaid().replace("\t", "    ")
    if not as_json:
        show_text(text)
    result = {"graph": name.value, "nodes": list(drawn.nodes), "mermaid": text}
    finish(result, as_json=as_json)


def _find_graph(name: Name) -> Any:
    from aloe.graphs.pool import pool_graph
    from aloe.graphs.tree import tree_graph
    from aloe.graphs.turn import turn_graph

    graphs = {Name.tree: tree_graph, Name.turn: turn_graph, Name.pool: pool_graph}
    return graphs[name]()
