"""Importing other tools' personas into a pool, and reporting what was skipped and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from aloe.config import PersonasConfig
from aloe.errors import InputError
from aloe.files.lines import Place
from aloe.memory.axes import KINDS, Kind
from aloe.memory.descriptions import Description, read_seeds
from aloe.memory.embedder import open_embedder
from aloe.memory.imports import (
    Columns,
    ImportedText,
    as_descriptions,
    match_personalities,
    read_foreign,
)
from aloe.memory.pool.blur import Blur, find_blur
from aloe.memory.pool.gate import Fate, PersonaPool
from aloe.memory.pool.open import open_pool
from aloe.memory.pool.wording_gate import WordingGate
from aloe.schema import Persona

NO_ROWS: Mapping[str, Sequence[Place]] = MappingProxyType({})

SAME_LIFE = "has the same profile as another row or one in the pool"

FEW = 3
"""Rows from which a file that says the same in all of them is taken for a mistake."""


@dataclass(frozen=True)
class NearCopy:
    """A row that the gate refuses."""

    row: str
    similarity: float
    """Cosine similarity in [-1, 1] to what it is a copy of."""
    like: str
    """Where that stands."""


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What became of the rows."""

    added: int
    personas: int
    """Size of the pool now."""
    known: int
    """Profiles that were in it before, word for word."""
    near: list[NearCopy]
    blurred: list[Blur]
    """Of which kinds of texts the embedder could tell nothing, so words alone decided."""
    repeated: list[str]
    unmatched: list[str]
    """Where the profiles stand that contradict every personality."""
    unused: list[str]
    """Where the personalities stand that no profile was joined with."""
    bad: list[str]
    """What is wrong with the records that were set aside."""


def import_personas(
    files: Sequence[Path],
    out: Path,
    config: PersonasConfig,
    columns: Columns,
    *,
    skip_bad: bool = False,
    keep_near: bool = False,
) -> ImportReport:
    """Import the personas in `files` into the pool at `out`.

    Every profile is joined with an imported personality that does not contradict it; where there is
    none, with one of the shipped seeds.

    Args:
        files: what to read; see `aloe.memory.imports`.
        out: the pool's personas.jsonl, new or not.
        config: embedder, threshold and store of the pool.
        columns: the columns that hold the texts, as the user names them.
        skip_bad: whether to set broken records aside.
        keep_near: whether to keep near-copies; an identical profile is never added twice.

    Raises:
        InputError: a record is broken, there are no profiles, or columns are not there.
        StoreError: the pool cannot be opened or written.
    """
    given = _read(files, columns, skip_bad=skip_bad)
    with open_pool(out, config, open_embedder(config.embedder)) as pool:
        before = len(pool)
        known = sum(pool.knows("profile", life.id) for life in given.lives())
        gate = _ImportGate(pool, given, keep_near=keep_near)
        loose = {kind: gate.new(kind, texts) for kind, texts in given.loose.items()}
        pairs = list(match_personalities(loose["profile"], loose["personality"]))
        met = {profile.id for _, (profile, _) in pairs}
        if left := [profile for profile in loose["profile"] if profile.id not in met]:
            pairs += match_personalities(left, _hold_seeds(pool))
        fresh = [persona for persona, _ in pairs if persona.id not in pool.ids]
        pool.admit([*fresh, *gate.new_wholes()])
        joined = {each.id for _, parts in pairs for each in parts}
        return ImportReport(
            added=len(pool) - before,
            personas=len(pool),
            known=known,
            near=gate.near,
            blurred=gate.blurred,
            repeated=given.repeated,
            unmatched=[str(given.places[p.id]) for p in loose["profile"] if p.id not in joined],
            unused=[str(given.places[p.id]) for p in loose["personality"] if p.id not in joined],
            bad=given.bad,
        )


@dataclass
class _Given:
    """What the files hold, each text once."""

    loose: dict[Kind, list[Description]] = field(
        default_factory=lambda: {kind: [] for kind in KINDS}
    )
    whole: dict[str, Persona] = field(default_factory=dict)
    """Whole personas by id."""
    places: dict[str, Place] = field(default_factory=dict)
    """Where each text stands first, by the id of its description."""
    rows: dict[str, Place] = field(default_factory=dict)
    """Where each whole persona stands, by id."""
    told: dict[tuple[str, str], Place] = field(default_factory=dict)
    """Where each whole persona stands, by its texts: another id makes no other person."""
    repeated: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def add(self, found: ImportedText) -> None:
        """Take what a record holds, or note that it was there before."""
        if first := self._find_first(found):
            self.repeated.append(f"{found.place} says the same as {first}")
            return
        for kind, each in as_descriptions(found.texts).items():
            self.places.setdefault(each.id, found.place)
            if found.persona is None:
                self.loose[kind].append(each)
        if found.persona:
            self.whole[found.persona.id] = found.persona
            self.rows.setdefault(found.persona.id, found.place)
            self.told[_texts(found.persona)] = found.place
            self.places.setdefault(_life(found.persona).id, found.place)

    def _find_first(self, found: ImportedText) -> Place | None:
        """Return where a record says all of this already; None if none does."""
        if found.persona:
            return self.told.get(_texts(found.persona))
        places = [self.places.get(each.id) for each in as_descriptions(found.texts).values()]
        return places[0] if all(places) else None

    def lives(self) -> list[Description]:
        """Return the profiles, each once."""
        lives = [*self.loose["profile"], *map(_life, self.whole.values())]
        return list({life.id: life for life in lives}.values())

    def check_id(self, found: ImportedText) -> None:
        """Make sure that nobody else has the id of a whole persona.

        Raises:
            InputError: somebody has.
        """
        if not (new := found.persona) or not (there := self.whole.get(new.id)):
            return
        if _texts(new) != _texts(there):
            raise found.place.error(
                f"has the id {new.id} of another persona ({self.rows[new.id]}); give it another, "
                "or leave ids out"
            )


def _read(files: Sequence[Path], columns: Columns, *, skip_bad: bool) -> _Given:
    given = _Given()

    def on_bad(error: InputError) -> None:
        if not skip_bad:
            raise error
        given.bad.append(str(error))

    there: dict[str, None] = {}
    for file in files:
        rows, repeated = 0, len(given.repeated)
        for rows, found in enumerate(read_foreign(file, on_bad, columns), 1):  # noqa: B007
            there |= dict.fromkeys(found.columns)
            try:
                given.check_id(found)
            except InputError as error:
                on_bad(error)
            else:
                given.add(found)
        if rows >= FEW and len(given.repeated) - repeated == rows - 1:
            raise InputError(file, f"all {rows} rows say the same; choose another with --column")
    if not given.loose["profile"] and not given.whole:
        first = f"; the first problem is {given.bad[0]}" if given.bad else ""
        raise InputError(files[0], f"there are no profiles in the files given{first}")
    _check_columns(files[0], columns, list(there))
    return given


def _check_columns(file: Path, columns: Columns, there: list[str]) -> None:
    """Make sure that the columns asked for are somewhere."""
    known = {name.strip().lower() for name in there}
    for name in (name for names in columns.values() for name in names):
        if name.strip().lower() not in known:
            raise InputError(file, f"has no column '{name}'; there are {', '.join(there)}")


def _texts(persona: Persona) -> tuple[str, str]:
    return persona.profile, persona.personality


def _life(persona: Persona) -> Description:
    return as_descriptions({"profile": persona.profile})["profile"]


class _ImportGate:
    """The gate of a pool, which remembers whom it refused."""

    def __init__(self, pool: PersonaPool, given: _Given, *, keep_near: bool) -> None:
        self.near: list[NearCopy] = []
        self.blurred: list[Blur] = []
        self._pool = pool
        self._wording = WordingGate(pool)
        self._given = given
        self._keep_near = keep_near

    def new(
        self, kind: Kind, wanted: list[Description], rows: Mapping[str, Sequence[Place]] = NO_ROWS
    ) -> list[Description]:
        """Return the descriptions that can be used.

        A personality that the pool knows word by word can be used again; a life cannot. Each row
        that is refused is noted; `rows` are those of a description, by id, where it has several.
        """
        if kind == "profile":
            wanted = [each for each in wanted if not self._is_there(each, rows)]
        if not wanted:
            return []
        texts = [description.text for description in wanted]
        if self._keep_near:
            self._pool.hold(kind, texts)
            return wanted
        kept = []
        for description, fate in zip(wanted, self._decide(kind, texts), strict=True):
            known = fate.nearest is not None and fate.nearest.id == description.id
            if fate.accepted or (known and kind == "personality"):
                kept.append(description.near(fate.nearest.similarity if fate.nearest else None))
            else:
                self._refuse(description, fate, rows)
        return kept

    def _decide(self, kind: Kind, texts: Sequence[str]) -> list[Fate]:
        vectors = self._pool.embedder.embed(texts)
        blur = find_blur(kind, texts, vectors, self._pool.threshold)
        if blur is None:
            return self._pool.gate(kind, texts, vectors)
        self.blurred.append(blur)
        return self._wording.gate(kind, texts, vectors)

    def new_wholes(self) -> Iterator[Persona]:
        """Yield the first whole persona of each new profile; a personality may return."""
        whole = self._given.whole.values()
        lives: dict[str, Description] = {}
        rows: dict[str, list[Place]] = {}
        for persona in whole:
            life = _life(persona)
            lives.setdefault(life.id, life)
            rows.setdefault(life.id, []).append(self._given.rows[persona.id])
        new = {life.id for life in self.new("profile", list(lives.values()), rows)}
        chosen: dict[str, Persona] = {}
        for persona in (each for each in whole if _life(each).id in new):
            place, profile = self._given.rows[persona.id], persona.profile
            if persona.id in self._pool.ids:
                self._given.repeated.append(f"{place} has the id {persona.id} of one in the pool")
            elif profile in chosen:
                self._given.repeated.append(f"{place} {SAME_LIFE}")
            else:
                chosen[profile] = persona
        if chosen:
            self._pool.hold("personality", sorted({p.personality for p in chosen.values()}))
        yield from chosen.values()

    def _rows(
        self, description: Description, rows: Mapping[str, Sequence[Place]]
    ) -> Sequence[Place]:
        return rows.get(description.id) or [self._given.places[description.id]]

    def _is_there(self, life: Description, rows: Mapping[str, Sequence[Place]]) -> bool:
        """Whether a life is in the pool word by word, or was in a row before; note it if so."""
        there = self._pool.knows("profile", life.id)
        if there:
            self._given.repeated += [f"{place} {SAME_LIFE}" for place in self._rows(life, rows)]
        return there

    def _refuse(
        self, description: Description, fate: Fate, rows: Mapping[str, Sequence[Place]]
    ) -> None:
        nearest = fate.nearest
        assert nearest is not None
        like = self._given.places.get(nearest.id)
        same = nearest.id == description.id
        self.near += [
            NearCopy(
                row=str(place),
                similarity=round(nearest.similarity, 4),
                like=str(like) if like and not same else "one in the pool or its seeds",
            )
            for place in self._rows(description, rows)
        ]


def _hold_seeds(pool: PersonaPool) -> list[Description]:
    seeds = read_seeds(None)["personality"]
    pool.hold("personality", [seed.text for seed in seeds])
    return seeds
