"""`aloe personas export | verifiable | split`: files of personas."""

import csv
import gzip
import io
import json
import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from aloe.console import finish, say, show
from aloe.errors import ConfigError
from aloe.files.tables import guard_formula
from aloe.memory.commands.persona_reports import PoolFile, load_vectors, read_pool
from aloe.number_format import counted
from aloe.options import ConfigFile, Json, Seed

if TYPE_CHECKING:
    from aloe.memory.splitting import Split
    from aloe.schema import Persona


class Format(StrEnum):
    """How personas are written."""

    jsonl = "jsonl"
    hub = "hub"
    csv = "csv"


def export(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="File to write; .gz compresses.")
    ],
    file: PoolFile = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="`jsonl`: everything. `hub`: {persona} lines. `csv`: texts and wishes. Told from "
            "the ending of FILE if not given.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="Only this many, drawn at random.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="csv: leave texts that begin with = + - or @ as they are.")
    ] = False,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Write a pool in another format, or a random sample of it.

    Ids and facts are derived from the texts, so a compressed file leaves them out. A spreadsheet
    runs a text that begins with =, +, - or @, so csv puts a ' before it.

    Example: `aloe personas export --count 100 --out personas.jsonl`
    """
    import random

    from aloe.files.writing import replace_bytes
    from aloe.memory.out_files import check_out

    form = _find_format(out, form)
    path, personas, _ = read_pool(file, None)
    check_out(out, [path])
    if count is not None and count > len(personas):
        there = path if file else "the shipped pool"
        raise ConfigError(
            f"--count {count}: {there} holds {counted(len(personas), 'persona')}; ask for fewer, "
            "or grow more with `aloe personas grow`"
        )
    if count is not None and count < len(personas):
        personas = random.Random(seed or 0).sample(personas, count)
    guard = form is Format.csv and not raw
    replace_bytes(out, _encoded(personas, form, compressed=out.suffix == ".gz", guard=guard))
    texts = (text for each in personas for text in _cells(each, sorted(each.axes)))
    if guard and (guarded := sum(guard_formula(text) != text for text in texts)):
        say(
            f"put a ' before {counted(guarded, 'text')} that a spreadsheet would run as a formula; "
            "--raw leaves it out"
        )
    show(
        Text(f"{out}: {counted(len(personas), 'persona')}."), as_json=as_json, lines=True, cut=False
    )
    finish({"out": str(out), "personas": len(personas)}, as_json=as_json)


def _find_format(out: Path, asked: Format | None) -> Format:
    """Return the format of a file, which its ending tells where none is asked for.

    Raises:
        ConfigError: the ending is that of another.
    """
    from aloe.files.records import LINES, TABLES

    ending = Path(out.name.lower().removesuffix(".gz")).suffix
    form = asked or (Format.csv if ending == ".csv" else Format.jsonl)
    right = {".csv"} if form is Format.csv else {*LINES, ".json"}
    if ending in {*LINES, *TABLES, ".json", ".parquet"} - right:
        held, better = ("a table", ".csv") if form is Format.csv else ("JSON, one a line", ".jsonl")
        raise ConfigError(f"--out {out} would hold {held}; name it FILE{better}")
    return form


def _encoded(
    personas: "Sequence[Persona]", form: Format, *, compressed: bool, guard: bool = False
) -> bytes:
    from aloe.files.writing import row_lines
    from aloe.memory.personas import as_lines

    if form is Format.csv:
        text = _csv(personas, guard=guard)
    elif form is Format.hub:
        rows = ({"persona": p.text} for p in personas)
        text = row_lines(rows)
    else:
        text = as_lines(personas, derived=not compressed)
    data = text.encode("utf-8")
    return gzip.compress(data, 9, mtime=0) if compressed else data


def _csv(personas: "Sequence[Persona]", *, guard: bool) -> str:
    axes = sorted({axis for persona in personas for axis in persona.axes})
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    cell = guard_formula if guard else str
    wishes = ["preferences"] if any(persona.preferences for persona in personas) else []
    rows.writerow(map(cell, ["id", "profile", "personality", *axes, *wishes]))
    for persona in personas:
        held = [json.dumps(persona.preferences) if persona.preferences else "" for _ in wishes]
        rows.writerow(map(cell, [*_cells(persona, axes), *held]))
    return text.getvalue()


def _cells(persona: "Persona", axes: list[str]) -> list[str]:
    described = (str(persona.axes.get(axis, "")) for axis in axes)
    return [persona.id, persona.profile, persona.personality, *described]


def compose_verifiable(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Output; .gz compresses.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many.")] = 10,
    wishes: Annotated[int, typer.Option("--wishes", min=1, help="Wishes per persona.")] = 4,
    about: Annotated[
        str | None,
        typer.Option("--about", help="Dimensions to draw from, such as emoji,lists,length."),
    ] = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Compose personas whose wishes about replies a program can check; no model writes them.

    Example: `aloe personas verifiable --count 20 --out personas.jsonl`
    """
    from aloe.files.writing import replace_bytes
    from aloe.memory.out_files import check_out
    from aloe.memory.verifiable.generation import generate_all

    form = _find_format(out, Format.jsonl)
    check_out(out, [])
    named = [name.strip() for name in about.split(",")] if about else None
    personas = generate_all(count, wishes=wishes, about=named, seed=seed or 0, sign="--")
    replace_bytes(out, _encoded(personas, form, compressed=out.suffix == ".gz"))
    show(
        Text(f"{out}: {counted(count, 'persona')} with {counted(wishes, 'wish')} each."),
        as_json=as_json,
        lines=True,
        cut=False,
    )
    finish({"out": str(out), "personas": count}, as_json=as_json)


def split(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="personas.jsonl to split.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the three files.")],
    shares: Annotated[
        str, typer.Option("--shares", help="Train, validation and test, such as 80,10,10.")
    ] = "80,10,10",
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Similarity above which two personas stay on one side."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="More training personas.")
    ] = None,
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Split a pool by cluster into DIR/train.jsonl, validation.jsonl and test.jsonl.

    No test or validation persona is closer than the threshold to a training persona; any that is
    (to those in `--against`, say) is rejected and named.

    Example: `aloe personas split personas.jsonl --out split --shares 80,10,10`
    """
    from aloe.config import load
    from aloe.memory import splitting
    from aloe.memory.out_files import check_out
    from aloe.memory.pool import blur
    from aloe.memory.pool.files import find_strange

    for written in (out / f"{part}.jsonl" for part in splitting.PARTS):
        check_out(written, [file, against] if against else [file])
        if strange := find_strange(written):
            raise ConfigError(f"--out holds other lines than personas ({strange}); name another")
    path, personas, settings = read_pool(file, config)
    drawn = load(config, {"seed": seed}).seed
    limit = settings.threshold if threshold is None else threshold
    splitting.check_threshold(limit)
    others = None
    wanted = _shares(shares)
    found = load_vectors(path, personas, settings)
    blurs = blur.find_blurs(personas, found, limit, named=threshold is not None)
    found = blur.replace_blurred(blurs, personas, found)
    if against:
        known = read_pool(against, config)
        others = blur.replace_blurred(blurs, known[1], load_vectors(*known))
    for each in blurs:
        say(each.describe("are kept on one side"))
    done = splitting.split(personas, found, wanted, limit, drawn, against=others)
    splitting.check_filled(done, wanted, limit)
    splitting.write_parts(out, personas, done)
    _show_split(out, [each.id for each in personas], done, limit, as_json=as_json)


def _show_split(
    out: Path, ids: Sequence[str], done: "Split", limit: float, *, as_json: bool
) -> None:
    for row, similarity in list(done.refused.items())[:20]:
        say(f"refused {ids[row]}: {similarity:.3f} to a training persona")
    sizes = {str(part): len(rows) for part, rows in done.rows.items()}
    said = ", ".join(f"{part} {size}" for part, size in sizes.items())
    show(
        Text(
            f"{out}: {said}; {counted(done.clusters, 'cluster')} at {limit}, the largest of "
            f"{done.largest}; {len(done.refused)} refused as too close to training"
        ),
        as_json=as_json,
    )
    finish(
        {
            "out": str(out),
            **sizes,
            "threshold": limit,
            "clusters": done.clusters,
            "largest_cluster": done.largest,
            "refused": [ids[row] for row in done.refused],
        },
        as_json=as_json,
    )


def _shares(text: str) -> dict[Any, float]:
    try:
        numbers = [float(each) for each in text.split(",")]
    except ValueError:
        numbers = []
    fit = len(numbers) == 3 and all(math.isfinite(each) and each >= 0 for each in numbers)
    if not fit or not numbers[0]:
        raise ConfigError(f"--shares '{text}' is not three numbers such as 80,10,10")
    return dict(zip(("train", "validation", "test"), numbers, strict=True))
