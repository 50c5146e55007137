"""`aloe personas import | export | split`: bringing personas in, and handing them on."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from aloe.commands.options import ConfigFile, Json, Seed
from aloe.commands.persona_reports import PoolFile, opened, vectors
from aloe.console import finish, say, show, stderr
from aloe.errors import ConfigError, InputError, StoreError

if TYPE_CHECKING:
    from aloe.schema import Persona
    from memory.axes import Kind
    from memory.descriptions import Description
    from memory.pool import PersonaPool


class Format(StrEnum):
    """How personas are written."""

    jsonl = "jsonl"
    hub = "hub"
    csv = "csv"


def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to; .gz compresses.")],
    file: PoolFile = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="`jsonl`: all of it. `hub`: {persona} lines. `csv`: texts."),
    ] = Format.jsonl,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="Only this many, drawn at random.")
    ] = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Write a pool in another form, or draw a few personas from it.

    Ids and facts follow from the texts, so a compressed file leaves them out.

    Example: `aloe personas export --count 100 --out personas.jsonl`
    """
    import random

    _, personas, _ = opened(file, None)
    if count is not None and count < len(personas):
        personas = random.Random(seed or 0).sample(personas, count)
    write_bytes(out, _encoded(personas, form, compressed=out.suffix == ".gz"))
    show(Text(f"{out}: {len(personas)} personas."), as_json=as_json)
    finish({"out": str(out), "personas": len(personas)}, as_json=as_json)


def _encoded(personas: "Sequence[Persona]", form: Format, *, compressed: bool) -> bytes:
    from memory.personas import as_lines

    if form is Format.csv:
        text = _csv(personas)
    elif form is Format.hub:
        rows = ({"persona": p.text} for p in personas)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        text = as_lines(personas, derived=not compressed)
    data = text.encode("utf-8")
    return gzip.compress(data, 9, mtime=0) if compressed else data


def _csv(personas: "Sequence[Persona]") -> str:
    axes = sorted({axis for persona in personas for axis in persona.axes})
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "profile", "personality", *axes])
    for p in personas:
        rows.writerow([p.id, p.profile, p.personality, *(p.axes.get(axis, "") for axis in axes)])
    return text.getvalue()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step: readers see the old file or the new, never a part.

    Raises:
        StoreError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StoreError(f"{path} cannot be written ({error.strerror})") from None


def split(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="personas.jsonl to split.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the three files.")],
    shares: Annotated[
        str, typer.Option("--shares", help="Train, validation and test, such as 80,10,10.")
    ] = "80,10,10",
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Similarity from which two personas stay together."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="More training personas.")
    ] = None,
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Split a pool by cluster into DIR/train.jsonl, validation.jsonl and test.jsonl.

    No test or validation persona is closer than the threshold to a training persona; one that is
    (to those in `--against`, say) is refused and named.

    Example: `aloe personas split personas.jsonl --out split --shares 80,10,10`
    """
    from memory import splitting
    from memory.personas import as_lines

    path, personas, settings = opened(file, config)
    limit = settings.threshold if threshold is None else threshold
    found = vectors(path, personas, settings)
    others = None
    if against:
        their_path, theirs, _ = opened(against, config)
        others = vectors(their_path, theirs, settings)
    wanted = _shares(shares)
    done = splitting.split(personas, found, wanted, limit, seed or 0, against=others)
    empty = [part for part, rows in done.rows.items() if wanted[part] and not rows]
    if empty:
        raise ConfigError(
            f"no persona is left for {' and '.join(empty)}: at similarity {limit} the largest "
            f"cluster holds {done.largest} of {len(personas)} and {len(done.refused)} are too "
            "close to training; raise --threshold"
        )
    for part, rows in done.rows.items():
        lines = as_lines(personas[row] for row in rows)
        write_bytes(out / f"{part}.jsonl", lines.encode("utf-8"))
    sizes = {str(part): len(rows) for part, rows in done.rows.items()}
    for row, similarity in list(done.refused.items())[:20]:
        stderr().print(
            f"refused {personas[row].id}: {similarity:.3f} to a training persona", highlight=False
        )
    said = ", ".join(f"{part} {size}" for part, size in sizes.items())
    show(
        Text(
            f"{out}: {said}; {done.clusters} clusters at {limit}, the largest of {done.largest}; "
            f"{len(done.refused)} refused as too close to training"
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
            "refused": [personas[row].id for row in done.refused],
        },
        as_json=as_json,
    )


def _shares(text: str) -> dict[Any, float]:
    try:
        numbers = [float(each) for each in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or min(numbers, default=-1) < 0 or not numbers[0]:
        raise ConfigError(f"--shares '{text}' is not three numbers such as 80,10,10")
    return dict(zip(("train", "validation", "test"), numbers, strict=True))


def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSONL or CSV files.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="personas.jsonl to fill.")],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Set broken lines aside and keep the rest.")
    ] = False,
    keep_near: Annotated[
        bool, typer.Option("--keep-near", help="Keep near-duplicates too.")
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Import the original ALOE files, PersonaHub-style JSONL or CSV through the same gate.

    Every profile is joined with an imported personality that does not contradict it; where there
    are none, with one of the shipped seeds.

    Example: `aloe personas import profile.jsonl personality.jsonl --out personas.jsonl`
    """
    from aloe import config as settings
    from memory.embedder import open_embedder
    from memory.imports import matched
    from memory.pool import open_pool

    personas = settings.load(config).personas
    bad: list[str] = []
    loose, whole = _read(files, bad, skip_bad=skip_bad)
    refused = 0
    with open_pool(out, personas, open_embedder(personas.embedder)) as pool:
        before = len(pool)
        for kind in loose:
            loose[kind], near = _new(pool, kind, loose[kind], keep_near=keep_near)
            refused += near
        pairs = list(matched(loose["profile"], loose["personality"] or _seed_tempers(pool)))
        fresh = [persona for persona, _ in pairs if persona.id not in pool.ids]
        kept_whole, near = _new_wholes(pool, whole, keep_near=keep_near)
        refused += near
        pool.admit([*fresh, *kept_whole])
        added = len(pool) - before
        total = len(pool)
    for line in bad:
        say(f"set aside: {line}")
    show(
        Text(f"{out}: {added} personas added, {total} now; {refused} near-duplicates refused"),
        as_json=as_json,
    )
    finish(
        {"out": str(out), "added": added, "personas": total, "refused": refused, "bad": bad},
        as_json=as_json,
    )


def _read(
    files: Sequence[Path], bad: list[str], *, skip_bad: bool
) -> "tuple[dict[Kind, list[Description]], list[Persona]]":
    """Return single profiles and personalities by kind, and whole personas."""
    from aloe.schema import Persona
    from memory.axes import KINDS
    from memory.imports import described, read_foreign

    def on_bad(error: InputError) -> None:
        if not skip_bad:
            raise error
        bad.append(str(error))

    loose: dict[Kind, list[Description]] = {kind: [] for kind in KINDS}
    whole: list[Persona] = []
    for file in files:
        for found in read_foreign(file, on_bad):
            if isinstance(found, Persona):
                whole.append(found)
                continue
            for kind, description in described(found).items():
                loose[kind].append(description)
    if not loose["profile"] and not whole:
        raise InputError(files[0], "there are no profiles in the files given")
    return loose, whole


def _new(
    pool: "PersonaPool", kind: "Kind", given: "list[Description]", *, keep_near: bool
) -> "tuple[list[Description], int]":
    """Return the descriptions that can be used, and how many the gate refuses.

    A personality that the pool knows word by word can be used again; a life cannot.
    """
    if not given:
        return [], 0
    texts = [description.text for description in given]
    if keep_near:
        pool.hold(kind, texts)
        return given, 0
    fates = pool.gate(kind, texts)
    kept = []
    for description, fate in zip(given, fates, strict=True):
        known = fate.nearest is not None and fate.nearest.id == description.id
        if fate.accepted or (known and kind == "personality"):
            kept.append(description.near(fate.nearest.similarity if fate.nearest else None))
    return kept, len(given) - len(kept)


def _new_wholes(
    pool: "PersonaPool", whole: "list[Persona]", *, keep_near: bool
) -> "tuple[list[Persona], int]":
    """Return the personas whose profile is new, and how many are not; a temper may return."""
    from memory.imports import described

    profiles = [described({"profile": persona.profile})["profile"] for persona in whole]
    kept, refused = _new(pool, "profile", profiles, keep_near=keep_near)
    new = {description.text for description in kept}
    chosen = {p.id: p for p in whole if p.profile in new and p.id not in pool.ids}
    if chosen:
        pool.hold("personality", sorted({p.personality for p in chosen.values()}))
    return list(chosen.values()), refused


def _seed_tempers(pool: "PersonaPool") -> "list[Description]":
    from memory.descriptions import read_seeds

    seeds = read_seeds(None)["personality"]
    pool.hold("personality", [seed.text for seed in seeds])
    return seeds
