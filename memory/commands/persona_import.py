"""`aloe personas import`: reads other tools' personas and reports what was skipped and why."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from aloe.console import finish, say, show
from aloe.errors import EXIT_CODE
from aloe.number_format import counted
from aloe.options import ConfigFile, Json

if TYPE_CHECKING:
    from aloe.memory.imports import Columns
    from aloe.memory.pool.importer import ImportReport

SHOWN = 20
"""Rows of one sort that are named; the others are counted."""


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="JSON, JSONL, CSV or Parquet, also gzipped, or hub:ORG/NAME[/CONFIG][:SPLIT].",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="personas.jsonl to fill.")],
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="NAME", help="Column of the profile; several are joined."),
    ] = None,
    personality_column: Annotated[
        list[str] | None,
        typer.Option("--personality-column", metavar="NAME", help="The same for the personality."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip broken records and keep the rest.")
    ] = False,
    keep_near: Annotated[
        bool, typer.Option("--keep-near", help="Keep near-duplicates too, but no exact ones.")
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Import personas of the original ALOE, PersonaHub, Nemotron-Personas and others, or any table.

    Each profile is paired with an imported personality that does not contradict it, or if there
    is none, with one of the shipped seeds. Where nothing is added and nothing was there already,
    the exit code is 2.

    Example: `aloe personas import profile.jsonl personality.jsonl --out personas.jsonl`
    """
    from aloe import config as settings
    from aloe.memory.pool.importer import import_personas

    columns: Columns = {"profile": column or [], "personality": personality_column or []}
    report = import_personas(
        files,
        out,
        settings.load(config).personas,
        columns,
        skip_bad=skip_bad,
        keep_near=keep_near,
    )
    _name_rows(report)
    for blur in report.blurred:
        say(blur.describe("were refused"))
    show(Text(_summarise(out, report)), as_json=as_json, lines=True, cut=False)
    finish({"out": str(out), "refused": len(report.near), **asdict(report)}, as_json=as_json)
    if not report.added and not report.known:
        say("aloe: nothing was added: see above why, row by row", style="red")
        raise typer.Exit(EXIT_CODE)


def _summarise(out: Path, report: "ImportReport") -> str:
    said = [f"{out}: {counted(report.added, 'persona')} added, {report.personas:,} now"]
    keeps = " (--keep-near keeps them)" if report.near else ""
    said.append(f"{counted(len(report.near), 'near-copy')} refused{keeps}")
    if report.repeated:
        said.append(f"{counted(len(report.repeated), 'repeated row')} left out")
    if report.unmatched:
        said.append(
            f"left out {counted(len(report.unmatched), 'profile')} at odds with every personality"
        )
    if report.unused:
        said.append(f"left out {counted(len(report.unused), 'personality')} without a profile")
    return "; ".join(said)


def _name_rows(report: "ImportReport") -> None:
    """Say which records were left out, a line each, up to a number of each sort."""
    bad = [f"set aside: {line}" for line in report.bad]
    copies = [
        f"near-copy: {each.row} is like {each.like} (similarity {each.similarity:.2f})"
        for each in report.near
    ]
    contradicting = [f"{place} contradicts every personality" for place in report.unmatched]
    unused = [f"{place} is joined with no profile" for place in report.unused]
    for lines in (bad, report.repeated, copies, contradicting, unused):
        for line in lines[:SHOWN]:
            say(line)
        if len(lines) > SHOWN:
            say(f"... and {len(lines) - SHOWN} more; --json lists all")
