"""`aloe personas import`: bringing in what others wrote, and saying what was left out and why."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from aloe.console import finish, say, show
from aloe.errors import InputError
from aloe.options import ConfigFile, Json

if TYPE_CHECKING:
    from aloe.files.lines import Place
    from aloe.memory.axes import Kind
    from aloe.memory.descriptions import Description
    from aloe.memory.imports import Columns, ImportedText
    from aloe.memory.pool.gate import Fate, PersonaPool
    from aloe.schema import Persona

SHOWN = 20
"""Rows of one sort that are named; the others are counted."""

FEW = 3
"""Rows from which a file that says the same in all of them is taken for a mistake."""


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="JSON, JSONL, CSV or Parquet, also gzipped."),
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
        bool, typer.Option("--skip-bad", help="Set broken records aside and keep the rest.")
    ] = False,
    keep_near: Annotated[
        bool, typer.Option("--keep-near", help="Keep near-duplicates too.")
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Import the original ALOE files, PersonaHub, Nemotron-Personas or any table of personas.

    Every profile is joined with an imported personality that does not contradict it; where there
    are none, with one of the shipped seeds.

    Example: `aloe personas import profile.jsonl personality.jsonl --out personas.jsonl`
    """
    from aloe import config as settings
    from aloe.memory.embedder import open_embedder
    from aloe.memory.imports import matched
    from aloe.memory.pool.open import open_pool
    from aloe.schema import digest

    personas = settings.load(config).personas
    columns = {"profile": column or [], "personality": personality_column or []}
    given = _read(files, columns, skip_bad=skip_bad)  # type: ignore[arg-type]
    with open_pool(out, personas, open_embedder(personas.embedder)) as pool:
        before = len(pool)
        gate = _Gate(pool, given, keep_near=keep_near)
        loose = {kind: gate.new(kind, texts) for kind, texts in given.loose.items()}
        pairs = list(matched(loose["profile"], loose["personality"] or _seed_tempers(pool)))
        fresh = [persona for persona, _ in pairs if persona.id not in pool.ids]
        pool.admit([*fresh, *gate.new_wholes(given.whole)])
        added = len(pool) - before
        total = len(pool)
    matched_ids = {digest(persona.profile) for persona, _ in pairs}
    alone = [str(given.places[p.id]) for p in loose["profile"] if p.id not in matched_ids]
    _name(given, gate.near, alone)
    said = [f"{out}: {added} personas added, {total} now", f"{len(gate.near)} near-copies refused"]
    said[-1] += " (--keep-near keeps them)" if gate.near else ""
    said += [f"{len(given.repeated)} repeated rows left out"] if given.repeated else []
    said += [f"{len(alone)} profiles left out that contradict every personality"] if alone else []
    show(Text("; ".join(said)), as_json=as_json)
    finish(
        {
            "out": str(out),
            "added": added,
            "personas": total,
            "refused": len(gate.near),
            "near": [asdict(each) for each in gate.near],
            "repeated": given.repeated,
            "unmatched": alone,
            "bad": given.bad,
        },
        as_json=as_json,
    )


@dataclass(frozen=True)
class _Near:
    """A row that the gate refuses."""

    row: str
    similarity: float
    """Cosine similarity in [-1, 1] to what it is a copy of."""
    like: str
    """Where that stands."""


@dataclass
class _Given:
    """What the files hold, each text once."""

    loose: "dict[Kind, list[Description]]"
    whole: "dict[str, Persona]"
    """Whole personas by id."""
    places: "dict[str, Place]" = field(default_factory=dict)
    """Where each text stands first, by the id of its description."""
    repeated: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def add(self, found: "ImportedText") -> None:
        """Take what a record holds, or note that it was there before."""
        from aloe.memory.imports import described

        descriptions = described(found.texts)
        known = [each.id in self.places for each in descriptions.values()]
        if all(known) and (found.persona is None or found.persona.id in self.whole):
            first = self.places[next(iter(descriptions.values())).id]
            self.repeated.append(f"{found.place} says the same as {first}")
            return
        for kind, each in descriptions.items():
            self.places.setdefault(each.id, found.place)
            if found.persona is None:
                self.loose[kind].append(each)
        if found.persona:
            self.whole[found.persona.id] = found.persona


def _read(files: Sequence[Path], columns: "Columns", *, skip_bad: bool) -> _Given:
    """Return what stands in the files.

    Raises:
        InputError: a record is broken, there are no profiles, or columns are not there.
    """
    from aloe.memory.axes import KINDS
    from aloe.memory.imports import read_foreign

    given = _Given({kind: [] for kind in KINDS}, {})

    def on_bad(error: InputError) -> None:
        if not skip_bad:
            raise error
        given.bad.append(str(error))

    there: dict[str, None] = {}
    for file in files:
        rows, repeated = 0, len(given.repeated)
        for rows, found in enumerate(read_foreign(file, on_bad, columns), 1):  # noqa: B007
            there |= dict.fromkeys(found.columns)
            given.add(found)
        if rows >= FEW and len(given.repeated) - repeated == rows - 1:
            raise InputError(file, f"all {rows} rows say the same; choose another with --column")
    if not given.loose["profile"] and not given.whole:
        first = f"; the first problem is {given.bad[0]}" if given.bad else ""
        raise InputError(files[0], f"there are no profiles in the files given{first}")
    _check_columns(files[0], columns, list(there))
    return given


def _check_columns(file: Path, columns: "Columns", there: list[str]) -> None:
    """Make sure that the columns asked for are somewhere."""
    known = {name.strip().lower() for name in there}
    for name in (name for names in columns.values() for name in names):
        if name.strip().lower() not in known:
            raise InputError(file, f"has no column '{name}'; there are {', '.join(there)}")


class _Gate:
    """The gate of a pool, which remembers whom it refused."""

    def __init__(self, pool: "PersonaPool", given: _Given, *, keep_near: bool) -> None:
        self.pool = pool
        self.given = given
        self.keep_near = keep_near
        self.near: list[_Near] = []

    def new(self, kind: "Kind", wanted: "list[Description]") -> "list[Description]":
        """Return the descriptions that can be used.

        A personality that the pool knows word by word can be used again; a life cannot.
        """
        if not wanted:
            return []
        texts = [description.text for description in wanted]
        if self.keep_near:
            self.pool.hold(kind, texts)
            return wanted
        kept = []
        for description, fate in zip(wanted, self.pool.gate(kind, texts), strict=True):
            known = fate.nearest is not None and fate.nearest.id == description.id
            if fate.accepted or (known and kind == "personality"):
                kept.append(description.near(fate.nearest.similarity if fate.nearest else None))
            else:
                self._refuse(description, fate)
        return kept

    def new_wholes(self, whole: "dict[str, Persona]") -> "Iterator[Persona]":
        """Yield the personas whose profile is new; a temper may return."""
        from aloe.memory.imports import described

        profiles = {p.profile: described({"profile": p.profile})["profile"] for p in whole.values()}
        new = {description.text for description in self.new("profile", list(profiles.values()))}
        chosen = [p for p in whole.values() if p.profile in new and p.id not in self.pool.ids]
        if chosen:
            self.pool.hold("personality", sorted({p.personality for p in chosen}))
        yield from chosen

    def _refuse(self, description: "Description", fate: "Fate") -> None:
        nearest = fate.nearest
        assert nearest is not None
        like = self.given.places.get(nearest.id)
        own = nearest.id == description.id
        self.near.append(
            _Near(
                row=str(self.given.places[description.id]),
                similarity=round(nearest.similarity, 4),
                like=str(like) if like and not own else "one in the pool or its seeds",
            )
        )


def _name(given: _Given, near: list[_Near], alone: list[str]) -> None:
    """Say which records were left out, a line each, up to a number of each sort."""
    bad = [f"set aside: {line}" for line in given.bad]
    copies = [f"near-copy: {n.row} is like {n.like} (similarity {n.similarity:.2f})" for n in near]
    contradicting = [f"{place} contradicts every personality" for place in alone]
    for lines in (bad, given.repeated, copies, contradicting):
        for line in lines[:SHOWN]:
            say(line)
        if len(lines) > SHOWN:
            say(f"... and {len(lines) - SHOWN} more; --json lists all")


def _seed_tempers(pool: "PersonaPool") -> "list[Description]":
    from aloe.memory.descriptions import read_seeds

    seeds = read_seeds(None)["personality"]
    pool.hold("personality", [seed.text for seed in seeds])
    return seeds
