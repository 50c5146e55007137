"""The persona pool: personas.jsonl, and beside it what is needed to keep near-copies out.

    personas.jsonl      the truth: one admitted persona a line, appended and flushed
    personas.pool/      follows it, and can be deleted: it is made again at the next start
        chroma/         vectors of every profile and personality (not with a Chroma server)
        growth.jsonl    the fate of every candidate, with the reason
        events.jsonl    every model call
        lock            held by the one process that may write

A persona is admitted when its line is whole. Vectors are written after the line; so a kill at any
moment leaves at most a torn last line, which is cut off, and a store that lags behind, which is
brought level: ids are content hashes of the texts, so what is missing or left over is a set
difference. Chroma's embedded store allows one writer, hence the lock; several machines use one
Chroma server (`personas.store = "http://host:8000"`), each with a JSONL file of its own.

Profiles and personalities are gated apart: no two users live the same life, and no two have the
same temper in other words.
"""

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from aloe.config import PersonasConfig
from aloe.errors import AloeError, ConfigError, InputError, StoreError
from aloe.files.journal import append_lines, cut_torn_line
from aloe.files.lines import read_lines
from aloe.files.lock import acquire_lock
from aloe.memory.axes import KINDS, Cell, Kind, cells
from aloe.memory.embedder import Embedder, Vectors
from aloe.memory.personas import as_line, parse_persona
from aloe.memory.pool.index import GRAPH, DescriptionIndex, Neighbour
from aloe.schema import Persona, digest

ROUNDING = 1e-4
"""Similarities this little under the threshold count as reaching it: stored vectors are rounded,
and no later check, however it computes, may find a pair that the gate let through."""

STORE_EVERY = 256
"""A write to Chroma waits for the disk whatever its size, so vectors go there in lots. Those still
held are compared all the same, and after a kill they are made again."""

_REMEDY = (
    "the personas are in their own file and untouched; make room, start the server, or delete the "
    "folder: it is made again"
)

SYNC_BATCH = 1024
"""Descriptions embedded between two progress reports while a store is brought level."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What the gate says to one candidate."""

    accepted: bool
    nearest: Neighbour | None
    """The most similar description: stored, or accepted just before; None for the very first."""


class PoolFiles:
    """The paths of a pool.

    Args:
        path: its personas.jsonl.
    """

    def __init__(self, path: Path) -> None:
        self.personas = path
        self.folder = path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".pool")
        self.chroma = self.folder / "chroma"
        self.growth = self.folder / "growth.jsonl"
        self.events = self.folder / "events.jsonl"
        self.lock = self.folder / "lock"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the pool for one process.

        Raises:
            StoreError: another process holds it, or the folder cannot be written.
        """
        with acquire_lock(self.lock, self._taken) as lock:
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _taken(self, process: str) -> str:
        return (
            f"{self.personas} is in use by process {process or '?'}: an embedded store has one "
            "writer; wait for it, or set personas.store to the URL of a Chroma server"
        )


class PersonaPool:
    """An open pool; made by `open_pool`."""

    def __init__(
        self,
        files: PoolFiles,
        embedder: Embedder,
        threshold: float,
        indexes: Mapping[Kind, DescriptionIndex],
        *,
        server: str | None = None,
    ) -> None:
        self.files = files
        self.embedder = embedder
        self.threshold = threshold
        self.indexes = indexes
        self.server = server
        """URL of the store if other processes fill it too."""
        self.ids: set[str] = set()
        self.cells: Counter[Cell] = Counter()
        """How many personas fall into each cell of the axes."""
        self.store_every = 1 if server else STORE_EVERY
        """Admitted personas after which their vectors are stored."""
        self._held: dict[Kind, dict[str, Vectors]] = {kind: {} for kind in KINDS}
        self._unstored: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
        self._claimed: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
        """On a shared store: what is stored and not admitted yet."""

    def __len__(self) -> int:
        """Return the number of personas."""
        return len(self.ids)

    def gate(self, kind: Kind, texts: Sequence[str]) -> list[Fate]:
        """Embed candidates and decide each, in order; those accepted are held until admitted.

        A candidate is compared with the pool, with what is held, and with those before it in
        `texts`: of two near-copies in one batch the first stays.
        """
        vectors = self.embedder.embed(texts)
        with self._saying_what_is_saved():
            stored = self.indexes[kind].nearest(vectors, self.threshold - ROUNDING)
        held = _nearest_of(self._held[kind], vectors)
        among = vectors @ vectors.T
        fresh: dict[int, str] = {}
        fates = []
        for row, text in enumerate(texts):
            before = (Neighbour(each, float(among[row, at])) for at, each in fresh.items())
            nearest = _nearest(stored[row], held[row], *before)
            accepted = nearest is None or nearest.similarity < self.threshold - ROUNDING
            if accepted:
                fresh[row] = digest(text)
            fates.append(Fate(accepted=accepted, nearest=nearest))
        new = {each: vectors[row] for row, each in fresh.items()}
        if self.server and new:
            lost = self._claim(kind, new)
            for row, each in fresh.items():
                if each in lost:
                    fates[row] = Fate(accepted=False, nearest=lost[each])
        else:
            self._held[kind] |= new
        return fates

    def _claim(self, kind: Kind, vectors: Mapping[str, Vectors]) -> dict[str, Neighbour]:
        """Store what the gate accepts at once, so that other machines see it."""
        with self._saying_what_is_saved():
            lost = self.indexes[kind].claim(vectors, self.threshold - ROUNDING)
        self._claimed[kind] |= vectors.keys() - lost.keys()
        return lost

    def hold(self, kind: Kind, texts: Sequence[str]) -> None:
        """Embed texts that are to be admitted whatever they are near to."""
        vectors = self.embedder.embed(texts)
        self._held[kind] |= {digest(t): v for t, v in zip(texts, vectors, strict=True)}

    def admit(self, personas: Sequence[Persona]) -> None:
        """Add personas whose descriptions the gate has accepted; vectors are stored in lots.

        Raises:
            StoreError: a line could not be written; what was written before is kept.
        """
        for persona in personas:
            self._append(persona)
            self._count(persona)
            for kind in KINDS:
                self._unstored[kind].append(digest(getattr(persona, kind)))
        if len(self._unstored["profile"]) >= self.store_every:
            self.store()

    def store(self) -> None:
        """Hand the vectors of admitted personas to the store.

        Raises:
            StoreError: the store cannot be written.
        """
        for kind, ids in self._unstored.items():
            held = self._held[kind]
            with self._saying_what_is_saved():
                self.indexes[kind].add({each: held.pop(each) for each in ids if each in held})
            self._claimed[kind].difference_update(ids)
            ids.clear()

    def withdraw(self) -> None:
        """Give up what was claimed on a server and not admitted, if the server is still there."""
        for kind, ids in self._claimed.items():
            with suppress(Exception):
                self.indexes[kind].remove(ids - set(self._unstored[kind]))
            ids.clear()

    def _saying_what_is_saved(self) -> AbstractContextManager[None]:
        return _clearly(
            self.server or self.files.folder,
            f"the {len(self)} personas are saved, and the same command goes on from there",
        )

    def _append(self, persona: Persona) -> None:
        path = self.files.personas
        then = f"its {len(self)} personas are saved, and the same command goes on from there"
        append_lines(path, as_line(persona), then=then)

    def _count(self, persona: Persona) -> None:
        self.ids.add(persona.id)
        self.cells.update(cells(persona.axes))


@contextmanager
def _clearly(store: str | Path, then: str) -> Iterator[None]:
    """Turn what Chroma raises (a full disk, a broken file, a server that is gone) into one error.

    Args:
        store: folder or URL.
        then: what is saved and what can be done.
    """
    try:
        yield
    except AloeError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise StoreError(f"{store} cannot be used ({said}); {then}") from None


def _nearest_of(known: Mapping[str, Vectors], vectors: Vectors) -> list[Neighbour | None]:
    """Return for each vector the nearest of `known`; None if there are none."""
    if not known:
        return [None] * len(vectors)
    ids = list(known)
    similarities = vectors @ np.stack([known[each] for each in ids]).T
    best = similarities.argmax(axis=1)
    return [Neighbour(ids[i], float(row[i])) for i, row in zip(best, similarities, strict=True)]


def _nearest(*neighbours: Neighbour | None) -> Neighbour | None:
    given = [each for each in neighbours if each]
    return max(given, key=lambda each: each.similarity) if given else None


@contextmanager
def open_pool(
    path: Path,
    config: PersonasConfig,
    embedder: Embedder,
    *,
    seeds: Mapping[Kind, Iterable[str]] | None = None,
    on_embedded: Callable[[int, int], None] = lambda _done, _wanted: None,
) -> Iterator[PersonaPool]:
    """Open the pool at `path` (new or not) for writing, with its store brought level.

    Args:
        path: personas.jsonl.
        config: threshold and store.
        embedder: what makes the vectors.
        seeds: texts that candidates may not repeat, though they are no part of the pool.
        on_embedded: called with (done, wanted) while missing vectors are made.

    Raises:
        StoreError: another process writes, or the store was made with another embedder or
            threshold.
        InputError: a line of `path` is broken.
    """
    files = PoolFiles(path)
    if path.is_dir() or path.suffix == ".gz":
        raise StoreError(f"{path}: a pool grows in a plain file; name it FILE.jsonl")
    with files.writing(), _client(files, config.store) as client:
        cut_torn_line(path)
        dimensions = embedder.embed(["."]).shape[1]
        writer = uuid.uuid4().hex if config.store else None
        with _clearly(config.store or files.folder, _REMEDY):
            indexes: dict[Kind, DescriptionIndex] = {
                kind: DescriptionIndex(
                    _collection(client, kind, config, embedder, files), dimensions, writer
                )
                for kind in KINDS
            }
        pool = PersonaPool(files, embedder, config.threshold, indexes, server=config.store)
        texts = _Texts(path, seeds or {})
        wanted: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
        for kind, text in texts.of_seeds():
            wanted[kind].add(digest(text))
        for persona in _stored_personas(path):
            pool._count(persona)
            for kind in KINDS:
                wanted[kind].add(digest(getattr(persona, kind)))
        with _clearly(config.store or files.folder, _REMEDY):
            _bring_level(pool, wanted, texts, on_embedded=on_embedded)
        try:
            yield pool
        finally:
            pool.withdraw()
        pool.store()


def saved_size(path: Path) -> int:
    """Return how many whole lines `path` holds, without reading what they say."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") and not line.isspace() for line in file)


def stored_vectors(path: Path, embedder: str) -> dict[Kind, dict[str, Vectors]]:
    """Return the vectors kept beside a pool, by text id; none if another embedder made them.

    Raises:
        StoreError: another process is writing the pool.
    """
    files = PoolFiles(path)
    found: dict[Kind, dict[str, Vectors]] = {kind: {} for kind in KINDS}
    if not files.chroma.exists():
        return found
    with files.writing(), _clearly(files.folder, _REMEDY), _client(files, None) as client:
        for collection in client.list_collections():
            if collection.name not in KINDS or collection.metadata.get("embedder") != embedder:
                continue
            index = DescriptionIndex(collection, 0)
            for ids, rows in index.stored():
                found[collection.name].update(zip(ids, rows, strict=True))
    return found


def _stored_personas(path: Path) -> Iterator[Persona]:
    if not path.exists():
        return
    seen: set[str] = set()
    for number, line in read_lines(path):
        persona = parse_persona(path, number, line)
        if persona.id in seen:
            raise InputError(path, f"persona {persona.id} is there twice", line=number)
        seen.add(persona.id)
        yield persona


@dataclass(frozen=True)
class _Texts:
    """The texts that a store should hold, read again when needed: a large pool fits no memory."""

    path: Path
    seeds: Mapping[Kind, Iterable[str]]

    def of_seeds(self) -> Iterator[tuple[Kind, str]]:
        return ((kind, text) for kind, texts in self.seeds.items() for text in texts)

    def __iter__(self) -> Iterator[tuple[Kind, str]]:
        yield from self.of_seeds()
        for persona in _stored_personas(self.path):
            yield from ((kind, getattr(persona, kind)) for kind in KINDS)


def _bring_level(
    pool: PersonaPool,
    wanted: Mapping[Kind, set[str]],
    texts: _Texts,
    *,
    on_embedded: Callable[[int, int], None],
) -> None:
    """Make the store hold exactly what is wanted; a shared one keeps what others put there."""
    missing: dict[Kind, set[str]] = {}
    for kind in KINDS:
        index = pool.indexes[kind]
        stored = index.load(None if pool.server else wanted[kind])
        missing[kind] = wanted[kind] - stored
        if not pool.server:
            index.remove(stored - wanted[kind])
    total = sum(map(len, missing.values()))
    waiting: dict[Kind, dict[str, str]] = {kind: {} for kind in KINDS}
    for kind, text in texts if total else ():
        if (each := digest(text)) in missing[kind]:
            missing[kind].remove(each)
            waiting[kind][each] = text
        if len(waiting[kind]) == SYNC_BATCH:
            _embed(pool, kind, waiting[kind])
            on_embedded(total - sum(map(len, missing.values())), total)
    for kind in KINDS:
        _embed(pool, kind, waiting[kind])


def _embed(pool: PersonaPool, kind: Kind, waiting: dict[str, str]) -> None:
    """Store the vectors of the texts in `waiting`, and empty it."""
    if waiting:
        vectors = pool.embedder.embed(list(waiting.values()))
        pool.indexes[kind].add(dict(zip(waiting, vectors, strict=True)))
        waiting.clear()


@contextmanager
def _client(files: PoolFiles, url: str | None) -> Iterator[Any]:
    client = _connected(files, url)
    try:
        yield client
    finally:
        client.close()
        if url:
            # Closing a client leaves its two HTTP connections open.
            for each in (client, client._admin_client):
                each._server._session.close()


def _connected(files: PoolFiles, url: str | None) -> Any:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    if url is None:
        with _clearly(files.folder, _REMEDY):
            return chromadb.PersistentClient(path=str(files.chroma), settings=settings)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"personas.store = '{url}' is not a URL such as http://host:8000")
    ssl = parts.scheme == "https"
    port = parts.port or (443 if ssl else 8000)
    try:
        return chromadb.HttpClient(host=parts.hostname, port=port, ssl=ssl, settings=settings)
    except Exception as error:
        raise StoreError(
            f"no Chroma server answers at {url} ({type(error).__name__}); start one with "
            "`chroma run`, or leave personas.store out"
        ) from None


def _collection(
    client: Any, kind: Kind, config: PersonasConfig, embedder: Embedder, files: PoolFiles
) -> Any:
    """Return the collection of `kind`, made if need be; never with Chroma's own embedder."""
    made_with = {"embedder": embedder.name, "threshold": config.threshold}
    collection = client.get_or_create_collection(
        kind, embedding_function=None, metadata={"hnsw:space": "cosine", **GRAPH, **made_with}
    )
    stored = collection.metadata or {}
    where = config.store or files.folder
    for what, now in made_with.items():
        if stored.get(what) != now:
            raise StoreError(
                f"{where} was made with {what} {stored.get(what)}, now it is {now}; go back to "
                "that, name another --out, or delete it to embed again"
            )
    return collection
