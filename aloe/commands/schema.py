"""`aloe schema`: the JSON Schema of what is written."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from aloe.console import finish, show_text


class Kind(StrEnum):
    """Which file's line."""

    tree = "tree"
    persona = "persona"


def schema(
    kind: Annotated[Kind, typer.Argument(help="`tree` (trees.jsonl) or `persona`.")],
    as_json: Annotated[bool, typer.Option("--json", help="On one line.")] = False,
) -> None:
    """Print the JSON Schema of one line of a file.

    Example: `aloe schema tree > tree.schema.json`
    """
    from aloe.schema import json_schema

    found = json_schema(kind.value)
    if as_json:
        finish(found, as_json=True)
    else:
        show_text(json.dumps(found, indent=2))
