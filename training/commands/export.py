"""`aloe export`: trees in, training rows out."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.console import finish, show
from aloe.errors import ConfigError
from aloe.options import ConfigFile, Json, Seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aloe.schema import Tree
    from aloe.training.export import Row, Rows, Skipped
    from aloe.training.preflight import Count


FORMATS = ("sft", "dpo", "kto", "grpo", "rm", "step", "aloe")
"""Those of `aloe.training.export`, which is not loaded to show them."""

FILE_TYPES = (".jsonl", ".jsonl.gz", ".parquet")

OTHER_TYPES = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".gz", ".zip")
"""Endings by which nobody calls a folder, in any case."""


def export(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, or a trees.jsonl.")],
    row_format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="Which trainer's rows; or MODULE:FUNCTION, an exporter of your own.",
            autocompletion=lambda: list(FORMATS),
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="PATH", help="FILE.jsonl[.gz], FILE.parquet, or a folder with a card."
        ),
    ],
    columns: Annotated[
        bool, typer.Option("--columns", help="Add tree, persona, turn, margin, confidence, length.")
    ] = False,
    roles: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ROLE", help="Add what this role of your own noted."),
    ] = None,
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
    from aloe.memory.run_folder import read_trees
    from aloe.training.export import COLUMNS, Skipped, noted, plain, whole
    from aloe.training.features import KINDS, features_of
    from aloe.training.preflight import token_counter
    from aloe.training.release import counted, dataset_card, split_of, write_folder, write_rows

    del seed
    settings.load(config)
    is_file = out.name.endswith(FILE_TYPES)
    if is_file and test_share:
        raise ConfigError("a split needs a folder: give --out a name without .jsonl or .parquet")
    _check_out(out, run, is_file=is_file)
    if tokenizer and row_format == "aloe":
        raise ConfigError("the aloe format has no prompts to count; leave out --tokenizer")
    count = token_counter(tokenizer) if tokenizer else None
    rows_of = _exporter(row_format)
    trees = list(read_trees(run))
    _check_notes(trees, roles or [])
    passport = (run if run.is_dir() else run.parent) / "passport.json"
    if least_accuracy is not None:
        _check_judge(passport, least_accuracy)
    skipped: Skipped = Counter()
    found = [
        {**row, **noted(tree, row, roles or [])} for tree in trees for row in rows_of(tree, skipped)
    ]
    full = [row for row in found if (row["margin"] or 0.0) >= min_margin]
    if len(full) < len(found):
        skipped["below the margin"] = len(found) - len(full)

    def shown(row: "Row") -> "Row":
        if columns:
            return whole(row)
        return {**plain(row, row_format), **{role: row[role] for role in roles or []}}

    result: dict[str, Any] = {"out": str(out), "rows": len(full), "left_out": dict(skipped)}
    known = KINDS if row_format in COLUMNS else {}
    if is_file:
        write_rows(out, [shown(row) for row in full], known)
    elif not full:
        left = f"; left out: {counted(skipped)}" if skipped else ""
        raise ConfigError(f"{run} gives no {row_format} rows{left}; a dataset needs some")
    else:
        sides = [(split_of(row["persona"], test_share), row) for row in full]
        card = dataset_card(
            trees,
            {"train": _on("train", sides), "test": _on("test", sides)},
            skipped,
            row_format,
            features=features_of((shown(row) for row in full), known),
            passport=passport.read_text(encoding="utf-8") if passport.exists() else None,
            licence=licence,
        )
        result["splits"] = write_folder(out, ((s, shown(row)) for s, row in sides), card)
    show(
        f"{out}: {len(full)} {row_format} rows; left out: {counted(skipped) or 'none'}",
        as_json=as_json,
    )
    if count:
        result["preflight"] = _preflight(full, count, max_length, as_json=as_json)
    finish(result, as_json=as_json)


def _check_out(out: Path, run: Path, *, is_file: bool) -> None:
    """Make sure that `out` is what its name says, and not what is read."""
    types = ", ".join(FILE_TYPES)
    if out.resolve() in (run.resolve(), (run / "trees.jsonl").resolve()):
        raise ConfigError(f"--out is what is read ({out}); name another")
    if not is_file and out.is_file():
        raise ConfigError(f"{out} is a file; name a folder, or a file ending in {types}")
    if not is_file and out.name.lower().endswith(OTHER_TYPES) and not out.is_dir():
        raise ConfigError(f"{out} ends like a file and no folder; files end in {types}")


def _exporter(name: str) -> "Rows":
    """Return what makes the rows: one of ours, or the user's own."""
    from aloe.plugins import describe_error, entry_points, load_plugin
    from aloe.training.export import ROWS, own_rows

    if ours := {str(key): rows for key, rows in ROWS.items()}.get(name):
        return ours
    installed = [point.name for point in entry_points("exporters")]
    if ":" not in name and name not in installed:
        known = ", ".join([*FORMATS, *installed])
        raise ConfigError(f"--format: '{name}' is none of {known}, MODULE:FUNCTION")
    make = own_rows(load_plugin("exporters", name))

    def rows(tree: "Tree", skipped: "Skipped") -> "Iterator[Row]":
        try:
            yield from make(tree, skipped)
        except Exception as error:
            problem = f"exporter '{name}' failed at tree {tree.id}"
            raise ConfigError(f"{problem}: {describe_error(error)}") from None

    return rows


def _check_notes(trees: "list[Tree]", roles: list[str]) -> None:
    """Make sure that somebody noted what is asked for, and that the columns are free."""
    from aloe.training.export import COLUMNS, Origin

    known = sorted({role for tree in trees for node in tree.nodes for role in node.notes})
    taken = {*Origin.__dataclass_fields__, *(name for names in COLUMNS.values() for name in names)}
    for role in roles:
        if role in taken:
            raise ConfigError(f"--with {role}: rows have a column of that name; rename the role")
        if role not in known:
            there = ", ".join(known) or "none at all"
            raise ConfigError(f"--with {role}: no message has notes of it; there are {there}")


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
    rows: list["Row"], count: "Count", max_length: int, *, as_json: bool
) -> dict[str, int]:
    from dataclasses import asdict

    from aloe.training.preflight import preflight

    found = preflight(rows, count, max_length)
    show(
        f"longest row {found.longest} tokens; at max_length {max_length} a trainer would cut "
        f"{found.cut} rows and drop {found.dropped}",
        as_json=as_json,
    )
    return asdict(found)
