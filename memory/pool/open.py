"""A pool opened for writing, with its store synced to personas.jsonl.

Vectors are written after the line of a persona, so after a kill the store lags behind. Ids are
content hashes of the texts, so what is missing or left over is a set difference.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aloe.config import PersonasConfig
from aloe.files.appending import cut_torn_line
from aloe.memory.axes import KINDS, Kind
from aloe.memory.embedder import Embedder
from aloe.memory.personas import iter_personas
from aloe.memory.pool.files import PoolFiles
from aloe.memory.pool.gate import PersonaPool
from aloe.memory.pool.index import DescriptionIndex
from aloe.memory.pool.store import (
    REMEDY,
    check_vectors,
    connect,
    explain_store_failure,
    open_collection,
)
from aloe.schema import Persona, digest

SYNC_BATCH = 1024
"""Descriptions embedded between two progress reports while a store is brought level."""


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
        StoreError: `path` holds something else than a pool, another process writes, or the store
            was made with another embedder or threshold.
        InputError: a line of `path` is broken.
    """
    files = PoolFiles(path)
    files.check_lines()
    with files.writing(), connect(files, config.store) as client:
        dimensions = embedder.embed(["."]).shape[1]
        writer = uuid.uuid4().hex if config.store else None
        with explain_store_failure(config.store or files.folder, REMEDY):
            indexes: dict[Kind, DescriptionIndex] = {
                kind: DescriptionIndex(
                    open_collection(client, kind, config, embedder, files), dimensions, writer
                )
                for kind in KINDS
            }
        pool = PersonaPool(files, embedder, config.threshold, indexes, server=config.store)
        texts = _Texts(path, seeds or {})
        wanted: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
        for kind, text in texts.of_seeds():
            wanted[kind].add(digest(text))
        longest: dict[Kind, str] = {}
        for persona in texts.personas():
            pool.register(persona)
            for kind in KINDS:
                wanted[kind].add(digest(getattr(persona, kind)))
                longest[kind] = max(longest.get(kind, ""), getattr(persona, kind), key=len)
        cut_torn_line(path)
        with explain_store_failure(config.store or files.folder, REMEDY):
            check_vectors(indexes, longest, embedder, config.store or str(files.chroma))
            _bring_level(pool, wanted, texts, on_embedded=on_embedded)
        try:
            yield pool
        finally:
            pool.withdraw()
        pool.store()


@dataclass(frozen=True)
class _Texts:
    """The texts that a store should hold, read again when needed: a large pool fits no memory."""

    path: Path
    seeds: Mapping[Kind, Iterable[str]]

    def of_seeds(self) -> Iterator[tuple[Kind, str]]:
        return ((kind, text) for kind, texts in self.seeds.items() for text in texts)

    def personas(self) -> Iterator[Persona]:
        return iter_personas(self.path, torn=True) if self.path.exists() else iter(())

    def __iter__(self) -> Iterator[tuple[Kind, str]]:
        yield from self.of_seeds()
        for persona in self.personas():
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
