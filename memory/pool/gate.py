"""The gate of a pool: who is new, and who is a near-copy of somebody there.

Profiles and personalities are gated separately: no two users have the same life, and no two the
same personality in other words. A persona is admitted once its line is complete; the vectors
follow.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

import numpy as np

from aloe.files.appending import append_lines
from aloe.memory.axes import KINDS, Cell, Kind, find_cells
from aloe.memory.embedder import Embedder, Vectors
from aloe.memory.personas import as_line
from aloe.memory.pool.files import PoolFiles
from aloe.memory.pool.index import DescriptionIndex, Neighbour
from aloe.memory.pool.store import explain_store_failure
from aloe.number_format import counted
from aloe.schema import Persona, digest

ROUNDING = 1e-4
"""Similarities this little under the threshold count as reaching it: stored vectors are rounded,
and no later check, however it computes, may find a pair that the gate let through."""

STORE_EVERY = 256
"""A write to Chroma waits for the disk whatever its size, so vectors go there in lots. Those still
held are compared all the same, and after a kill they are made again."""

BLOCK = 256
"""Candidates compared with one another at a time: time and memory grow with the square of it."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What the gate says to one candidate."""

    accepted: bool
    nearest: Neighbour | None
    """The most similar description: stored, or accepted just before; None for the very first."""


class PersonaPool:
    """An open pool; made by `aloe.memory.pool.open.open_pool`."""

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

    def gate(self, kind: Kind, texts: Sequence[str], vectors: Vectors | None = None) -> list[Fate]:
        """Decide candidates in order; those accepted are held until admitted.

        A candidate is compared with the pool, with what is held, and with those before it in
        `texts`: of two near-copies in one batch the first stays.

        Args:
            kind: what they describe.
            texts: the candidates.
            vectors: one row a text, if they were embedded before.
        """
        vectors = self.embedder.embed(texts) if vectors is None else vectors
        fates: list[Fate] = []
        for start in range(0, len(texts), BLOCK):
            block = slice(start, start + BLOCK)
            fates += self._gate_block(kind, texts[block], vectors[block])
        return fates

    def _gate_block(self, kind: Kind, texts: Sequence[str], vectors: Vectors) -> list[Fate]:
        with self._explain():
            stored = self.indexes[kind].nearest(vectors, self.threshold - ROUNDING)
        held = _nearest_of(self._held[kind], vectors)
        among = vectors @ vectors.T
        fresh: dict[int, str] = {}
        fates = []
        for row, text in enumerate(texts):
            before = _nearest_before(among[row], fresh)
            nearest = _nearest(stored[row], held[row], before)
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
        with self._explain():
            lost = self.indexes[kind].claim(vectors, self.threshold - ROUNDING)
        self._claimed[kind] |= vectors.keys() - lost.keys()
        return lost

    def knows(self, kind: Kind, description: str) -> bool:
        """Return whether a description of this id is in the pool, or held until admitted."""
        return description in self.indexes[kind] or description in self._held[kind]

    def hold(self, kind: Kind, texts: Sequence[str], vectors: Vectors | None = None) -> None:
        """Hold texts that are to be admitted whatever they are near to, embedded before or now."""
        vectors = self.embedder.embed(texts) if vectors is None else vectors
        self._held[kind] |= {digest(t): v for t, v in zip(texts, vectors, strict=True)}

    def admit(self, personas: Sequence[Persona]) -> None:
        """Add personas whose descriptions the gate has accepted; vectors are stored in lots.

        Raises:
            StoreError: a line could not be written; what was written before is kept.
        """
        for persona in personas:
            self._append(persona)
            self.register(persona)
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
            with self._explain():
                self.indexes[kind].add({each: held.pop(each) for each in ids if each in held})
            self._claimed[kind].difference_update(ids)
            ids.clear()

    def withdraw(self) -> None:
        """Give up what was claimed on a server and not admitted, if the server is still there."""
        for kind, ids in self._claimed.items():
            with suppress(Exception):
                self.indexes[kind].remove(ids - set(self._unstored[kind]))
            ids.clear()

    def _explain(self) -> AbstractContextManager[None]:
        return explain_store_failure(
            self.server or self.files.folder,
            f"{counted(len(self), 'persona')} saved; the same command resumes from there",
        )

    def _append(self, persona: Persona) -> None:
        path = self.files.personas
        then = f"{counted(len(self), 'persona')} saved; the same command resumes from there"
        append_lines(path, as_line(persona), then=then)

    def register(self, persona: Persona) -> None:
        """Take note of a persona whose line is there."""
        self.ids.add(persona.id)
        self.cells.update(find_cells(persona.axes))


def _nearest_of(known: Mapping[str, Vectors], vectors: Vectors) -> list[Neighbour | None]:
    """Return for each vector the nearest of `known`; None if there are none."""
    if not known:
        return [None] * len(vectors)
    ids = list(known)
    rows = np.concatenate(list(known.values())).reshape(len(ids), -1)
    similarities = vectors @ rows.T
    best = similarities.argmax(axis=1)
    return [Neighbour(ids[i], float(row[i])) for i, row in zip(best, similarities, strict=True)]


def _nearest_before(similarities: Vectors, fresh: Mapping[int, str]) -> Neighbour | None:
    """Return the nearest of the rows in `fresh`; None if there are none."""
    if not fresh:
        return None
    rows = list(fresh)
    best = rows[int(similarities[rows].argmax())]
    return Neighbour(fresh[best], float(similarities[best]))


def _nearest(*neighbours: Neighbour | None) -> Neighbour | None:
    given = [each for each in neighbours if each]
    return max(given, key=lambda each: each.similarity) if given else None
