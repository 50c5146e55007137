"""`aloe export`: trees in, training rows out."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.commands.options import ConfigFile, Json, Seed
from aloe.console import finish, show
from aloe.errors import ConfigError

if TYPE_CHECKING:
    from training.export import Row


class RowFormat(StrEnum):
    """Which trainer the rows are for."""

    sft = "sft"
    dpo = "dpo"
    kto = "kto"
    grpo = "grpo"
    rm = "rm"
    step = "step"
    aloe = "aloe"


FILE_TYPES = (".jsonl", ".parquet")


def export(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, or a trees.jsonl.")],
    row_format: Annotated[RowFormat, typer.Option("--format", help="Which trainer's rows.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="PATH", help="FILE.jsonl, FILE.parquet, or a folder with a card."
        ),
    ],
    columns: Annotated[
        bool, typer.Option("--columns", help="Add tree, persona, turn, margin, confidence, length.")
    ] = False,
    min_margin: Annotated[
        float, typer.Option("--min-margin", min=0, help="Leave out pairs with a smaller margin.")
    ] = 0.0,
    test_share: Annotated[
        float, typer.Option("--test-share", min=0, max=1, help="Personas held out (folder only).")
    ] = 0.0,
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", metavar="DIR", help="Count tokens with this tokenizer."),
    ] = None,
    max_length: Annotated[
        int, typer.Option("--max-length", min=1, help="The trainer's limit; TRL's DPO has 1024.")
    ] = 1024,
    least_accuracy: Annotated[
        float | None,
        typer.Option(
            "--require-judge-accuracy",
            min=0,
            max=1,
            help="Refuse if the run's judge passport shows less, or there is none.",
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="Licence of the data, for the card.")
    ] = "other",
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
    from memory.trees import read_trees
    from training.export import ROWS, Skipped, plain
    from training.release import dataset_card, split_of, write_folder, write_rows

    del seed
    settings.load(config)
    is_file = out.suffix in FILE_TYPES
    if is_file and test_share:
        raise ConfigError("a split needs a folder: give --out a name without .jsonl or .parquet")
    if not is_file and out.is_file():
        raise ConfigError(f"{out} is a file; name a folder, or a file ending in .jsonl or .parquet")
    if tokenizer and row_format is RowFormat.aloe:
        raise ConfigError("the aloe format has no prompts to count; leave out --tokenizer")
    trees = list(read_trees(run))
    passport = (run if run.is_dir() else run.parent) / "passport.json"
    if least_accuracy is not None:
        _check_judge(passport, least_accuracy)
    skipped: Skipped = Counter()
    found = [row for tree in trees for row in ROWS[row_format.value](tree, skipped)]
    full = [row for row in found if (row["margin"] or 0.0) >= min_margin]
    if len(full) < len(found):
        skipped["below the margin"] = len(found) - len(full)

    def shown(row: "Row") -> "Row":
        return row if columns else plain(row, row_format.value)

    result: dict[str, Any] = {"out": str(out), "rows": len(full), "left_out": dict(skipped)}
    if is_file:
        write_rows(out, [shown(row) for row in full])
    else:
        sides = [(split_of(row["persona"], test_share), row) for row in full]
        card = dataset_card(
            trees,
            {"train": _on("train", sides), "test": _on("test", sides)},
            skipped,
            row_format.value,
            passport=passport.read_text(encoding="utf-8") if passport.exists() else None,
            licence=licence,
        )
        result["splits"] = write_folder(out, ((s, shown(row)) for s, row in sides), card)
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
    show(
        f"{out}: {len(full)} {row_format.value} rows; left out: {left_out or 'none'}",
        as_json=as_json,
    )
    if tokenizer:
        result["preflight"] = _preflight(full, tokenizer, max_length, as_json=as_json)
    finish(result, as_json=as_json)


def _check_judge(passport: Path, least: float) -> None:
    """Make sure that the run's judge is known to be good enough."""
    from aloe.passport import read_passport

    if not passport.exists():
        raise ConfigError(
            f"{passport} does not exist, so the judge's accuracy is unknown; run `aloe judge "
            "audit`, name the passport in [judge], and judge the trees again with `aloe rejudge`"
        )
    accuracy = read_passport(passport).accuracy
    if (accuracy.value or 0.0) < least:
        raise ConfigError(
            f"the judge is right on {accuracy.value or 0.0:.0%} of the gold pairs that it decides "
            f"({passport}), and {least:.0%} are required; judge again with another: `aloe rejudge`"
        )


def _on(side: str, sides: list[tuple[Any, "Row"]]) -> list["Row"]:
    return [row for split, row in sides if split == side]


def _preflight(
    rows: list["Row"], tokenizer: Path, max_length: int, *, as_json: bool
) -> dict[str, int]:
    from dataclasses import asdict

    from training.preflight import preflight, token_counter

    found = preflight(rows, token_counter(tokenizer), max_length)
    show(
        f"longest row {found.longest} tokens; at max_length {max_length} a trainer would cut "
        f"{found.cut} rows and drop {found.dropped}",
        as_json=as_json,
    )
    return asdict(found)
