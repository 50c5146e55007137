"""`aloe personas show | stats | check | calibrate`: looking at a pool without changing it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from aloe.console import finish, say_written, show, stderr
from aloe.errors import InputError
from aloe.number_format import counted
from aloe.options import ConfigFile, Json, ending
from aloe.views.folding import Table

if TYPE_CHECKING:
    from aloe.config import PersonasConfig
    from aloe.memory.axes import Kind
    from aloe.memory.embedder import Vectors
    from aloe.memory.pool.report import CellCoverage, NearPair, PoolReport
    from aloe.schema import Lineage, Persona

FOUND = 1
"""Exit code of `check` when it finds something."""
LISTED = 20
"""Findings that `check` prints of each sort."""
NUMERIC = {"count", "share", "target", "candidates", "accepted of the last stretch"}
"""Columns of numbers."""

PoolFile = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="personas.jsonl or .jsonl.gz [the shipped pool]."),
]


def read_pool(
    file: Path | None, config: Path | None
) -> tuple[Path, "list[Persona]", "PersonasConfig"]:
    """Return the pool that a command looks at, and the settings."""
    from aloe import config as settings
    from aloe.memory.personas import SHIPPED, read_personas

    path = file or SHIPPED
    return path, read_personas(path), settings.load(config).personas


def load_vectors(
    path: Path, personas: "Sequence[Persona]", settings: "PersonasConfig"
) -> "dict[Kind, Vectors]":
    """Return the vectors of a pool, from beside it or made now."""
    from aloe.memory.embedder import open_embedder
    from aloe.memory.pool.report import gather_vectors
    from aloe.memory.pool.store import read_vectors

    embedder = open_embedder(settings.embedder)
    stored = read_vectors(path, embedder.name)
    missing = 2 * len(personas) - sum(map(len, stored.values()))
    if missing > 500:
        stderr().print(f"embedding about {missing} descriptions ...", highlight=False)
    return gather_vectors(personas, embedder, stored)


def show_personas(
    file: PoolFile = None,
    persona: Annotated[
        str | None, typer.Option("--id", help="Only this persona (the start of its id is enough).")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many to show.")] = 5,
    as_json: Json = False,
) -> None:
    """Show personas: their facts and traits, axes and lineage.

    Example: `aloe personas show personas.jsonl --count 3`
    """
    path, personas, _ = read_pool(file, None)
    if persona:
        personas = [each for each in personas if each.id.startswith(persona)]
        if not personas:
            raise InputError(path, f"no persona's id starts with '{persona}'")
    shown = personas[:count]
    show(Group(*(_card(each) for each in shown)), as_json=as_json)
    result = [each.model_dump(mode="json", exclude_none=True) for each in shown]
    finish({"personas": result}, as_json=as_json)


def _card(persona: "Persona") -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for fact in persona.facts:
        table.add_row(Text(fact.id[:8], style="dim"), fact.kind, fact.text)
    for name, value in persona.preferences.items():
        table.add_row("", "wish", f"{name}: {value}")
    axes = ", ".join(f"{axis} {value}" for axis, value in persona.axes.items())
    lines: list[RenderableType] = [table, Text(axes, style="italic")]
    for kind, origin in persona.lineage.items():
        lines.append(Text(f"{kind}: {_describe_lineage(origin)}", style="dim"))
    return Panel(Group(*lines), title=Text(persona.id), title_align="left")


MADE = {
    "seed": "a seed of the pool",
    "grown": "written",
    "composed": "composed by rule",
    "imported": "imported",
}
"""Where descriptions come from, in words."""


def _describe_lineage(lineage: "Lineage") -> str:
    """Return where a description came from, in words; hashes are for machines (`--json`)."""
    made = MADE[lineage.origin]
    if lineage.model:
        made += f" by {lineage.model}"
    if lineage.parents:
        made += f" after {counted(len(lineage.parents), 'example')}"
    if lineage.seed is not None:
        made += f" (seed {lineage.seed})"
    if lineage.nearest is not None:
        made += f"; most similar one: {lineage.nearest:.2f}"
    return made


def stats(
    file: PoolFile = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Nearest pairs of each kind.")] = 5,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--map", metavar="FILE.png", callback=ending(".png"), help="Draw a 2-D map as PNG."
        ),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Axis that colours the map.")] = "region",
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Report size, coverage, saturation, contradictions, nearest pairs and a map of a pool.

    Example: `aloe personas stats personas.jsonl --map pool.png --by age`
    """
    from aloe.memory.pool import map as maps
    from aloe.memory.pool import report
    from aloe.memory.pool.files import PoolFiles
    from aloe.memory.pool.growth import read_growth, read_waiting

    if picture:
        maps.check_drawing()
    path, personas, settings = read_pool(file, config)
    found = load_vectors(path, personas, settings)
    outcomes = list(read_growth(PoolFiles(path).growth))
    measured = report.measure_pool(personas, found, outcomes, count)
    waiting = len(read_waiting(PoolFiles(path).waiting))
    drawn, colours = _map(personas, found, by, picture)
    parts = [_figures(measured), _coverage(measured.coverage), _pairs(measured.nearest)]
    if measured.saturation:
        parts.append(_saturation(measured.saturation))
    parts.append(Panel(drawn, title="map (principal components of the profiles)"))
    if waiting:
        parts.append(Text(f"accepted and in no persona yet: {waiting}"))
    if picture:
        parts.append(Text(f"the picture is coloured by {by}: {', '.join(colours)}"))
    show(Group(*parts), as_json=as_json)
    if picture:
        say_written(picture)
    result = {**_stats_json(measured), "waiting": waiting}
    finish({**result, "map": str(picture) if picture else None}, as_json=as_json)


def _stats_json(measured: "PoolReport") -> dict[str, Any]:
    return {
        **measured.figures,
        "contradictory": measured.contradictory,
        "coverage": [asdict(cell) for cell in measured.coverage],
        "nearest": [_pair_json(pair) for pair in measured.nearest],
        "saturation": [{"candidates": n, "accepted": round(a, 4)} for n, a in measured.saturation],
    }


def _figures(measured: "PoolReport") -> RenderableType:
    figures = measured.figures
    origins = ", ".join(f"{n} {name}" for name, n in figures["origins"].items())
    return Text(
        f"{counted(figures['personas'], 'persona')} of {counted(figures['profiles'], 'profile')} "
        f"and {counted(figures['personalities'], 'personality')} "
        f"({figures['verifiable']} verifiable)\n"
        f"{counted(figures['facts'], 'fact')}, {figures['distinct_facts']} of them distinct; "
        f"{figures['facts_mean']} facts and {figures['words_mean']} words a persona\n"
        f"descriptions: {origins}; self-contradictory: {measured.contradictory}"
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name in NUMERIC else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _coverage(cells: "Sequence[CellCoverage]") -> Table:
    rows = ((c.axis, c.value, str(c.count), f"{c.share:.1%}", f"{c.target:.1%}") for c in cells)
    return _table("coverage", ("axis", "value", "count", "share", "target"), rows)


def _pairs(pairs: "Sequence[NearPair]") -> Table:
    rows = (
        (f"{p.similarity:.3f}", p.kind, getattr(p.first, p.kind), getattr(p.second, p.kind))
        for p in pairs
    )
    return _table("nearest pairs", ("similarity", "kind", "one", "other"), rows)


def _pair_json(pair: "NearPair") -> dict[str, Any]:
    return {
        "kind": pair.kind,
        "first": pair.first.id,
        "second": pair.second.id,
        "similarity": round(pair.similarity, 4),
    }


def _saturation(curve: Sequence[tuple[int, float]]) -> Table:
    rows = ((str(n), f"{share:.0%}", "█" * round(share * 30)) for n, share in curve)
    return _table("saturation", ("candidates", "accepted of the last stretch", ""), rows)


def _map(
    personas: "Sequence[Persona]", found: "dict[Kind, Vectors]", by: str, picture: Path | None
) -> tuple[str, list[str]]:
    """Return the map for the terminal and the groups by colour; write the PNG if one is wanted."""
    from aloe.memory.axes import find_cells
    from aloe.memory.pool import map as maps

    places = maps.project(found["profile"])
    groups = [dict(find_cells(persona.axes)).get(by, "unknown") for persona in personas]
    if picture:
        maps.draw_png(picture, places, groups)
    return maps.draw_braille(places), sorted(set(groups))


def check(
    file: PoolFile = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Similarity that counts as the same.")
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Check a pool: an exact all-pairs search for near-duplicates, contradictions, broken rules.

    Exits with 1 if anything is found.

    Example: `aloe personas check personas.jsonl`
    """
    from aloe.memory.pool import report
    from aloe.memory.pool.blur import find_blurs, replace_blurred
    from aloe.memory.splitting import check_threshold

    path, personas, settings = read_pool(file, config)
    limit = settings.threshold if threshold is None else threshold
    check_threshold(limit)
    found = load_vectors(path, personas, settings)
    blurs = find_blurs(personas, found, limit, named=threshold is not None)
    pairs = report.find_duplicates(personas, replace_blurred(blurs, personas, found), limit)
    contradictions = report.find_contradictory(personas)
    unsound = report.count_broken_rules(personas)
    lines = [
        f"the {pair.kind} of {pair.first.id} is a near-copy of that of {pair.second.id} "
        f"({pair.similarity:.3f})"
        for pair in pairs[:LISTED]
    ]
    lines += [f"{p} contradicts itself on {', '.join(t)}" for p, t in _first(contradictions)]
    lines += [f"{count} times {rule}" for rule, count in unsound.most_common()]
    lines += [blur.describe("were looked for") for blur in blurs]
    lines.append(
        f"{counted(len(personas), 'persona')}: {counted(len(pairs), 'pair')} at {limit} or more "
        f"(all pairs compared), {len(contradictions)} self-contradictory, "
        f"{counted(unsound.total(), 'broken rule')}"
    )
    show(Text("\n".join(lines)), as_json=as_json)
    finish(
        {
            "personas": len(personas),
            "threshold": limit,
            "pairs": [_pair_json(pair) for pair in pairs],
            "blurred": [asdict(blur) for blur in blurs],
            "contradictory": {p: list(t) for p, t in contradictions.items()},
            "unsound": dict(unsound),
        },
        as_json=as_json,
    )
    if pairs or contradictions or unsound:
        raise typer.Exit(FOUND)


def _first(found: dict[str, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    return list(found.items())[:LISTED]


def calibrate(
    pairs: Annotated[
        Path | None, typer.Option("--pairs", metavar="FILE", help="Your own labelled pairs.")
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show the errors of each threshold on labelled pairs, and which one to use.

    Example: `aloe personas calibrate --pairs my-pairs.jsonl`
    """
    from aloe import config as settings
    from aloe.memory.axes import KINDS
    from aloe.memory.embedder import open_embedder
    from aloe.memory.pool import calibration

    personas = settings.load(config).personas
    labelled = calibration.read_pairs(pairs or calibration.PAIRS)
    similar = calibration.measure_similarities(labelled, open_embedder(personas.embedder))
    best = calibration.calibrate(labelled, similar)
    grid = sorted({round(0.5 + 0.05 * step, 2) for step in range(10)} | {best})
    rows = [
        calibration.count_errors(t, kind, labelled, similar)
        for t in grid
        for kind in KINDS
        if any(pair.kind == kind for pair in labelled)
    ]
    table = _table(
        "errors by threshold",
        ("threshold", "kind", "near-copies let in", "new ones refused"),
        (
            (
                f"{row.threshold:.2f}{' <' if row.threshold == best else ''}",
                row.kind,
                f"{row.missed} of {row.same}",
                f"{row.refused} of {row.different}",
            )
            for row in rows
        ),
    )
    said = Text(
        f"{best} is the lowest threshold that refuses at most {calibration.MAX_REFUSED:.0%} of "
        f"different people; the setting is personas.threshold = {personas.threshold}"
    )
    show(Group(table, said), as_json=as_json)
    finish({"threshold": best, "set": personas.threshold, "pairs": len(labelled)}, as_json=as_json)
