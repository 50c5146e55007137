"""`aloe export`: trees in, training rows out."""

import json
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aloe.commands.options import ConfigFile, Json, Seed
from aloe.console import finish, show


class RowFormat(StrEnum):
    """Which trainer the rows are for."""

    sft = "sft"
    dpo = "dpo"


def export(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, or a trees.jsonl.")],
    row_format: Annotated[RowFormat, typer.Option("--format", help="Which trainer's rows.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", help="File to write.")],
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Turn trees into rows that TRL loads as they are.

    The prompt is what the deployed assistant would see: no hints, no instructions. Ties,
    abstentions, empty and cut-off replies are left out and counted. Exporting draws nothing at
    random, so --seed changes nothing here.

    Example: `aloe export runs/first --format dpo --out dpo.jsonl`
    """
    from aloe import config as settings
    from memory.trees import read_trees, replace_text
    from training.export import ROWS, Skipped

    del seed
    settings.load(config)
    skipped: Skipped = Counter()
    rows = [row for tree in read_trees(run) for row in ROWS[row_format.value](tree, skipped)]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    replace_text(out, text)
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
    show(
        f"{out}: {len(rows)} {row_format.value} rows; left out: {left_out or 'none'}",
        as_json=as_json,
    )
    finish({"out": str(out), "rows": len(rows), "left_out": dict(skipped)}, as_json=as_json)
