"""The vectors of one kind of description: Chroma to find neighbours, an exact scan to be sure.

Chroma's index (HNSW, cosine) is persistent and fast, but approximate: now and then it misses the
nearest neighbour, and a missed near-duplicate stays in the pool for good. So a candidate that
Chroma considers new is checked against every vector. That scan is exact yet cheap: vectors are
rotated so that their first few coordinates carry most of their length, and by Cauchy-Schwarz

    cos(a, b) <= head(a) . head(b) + |tail(a)| |tail(b)|

so only the rows whose bound reaches the threshold are compared in full. A rotation changes no
cosine, whatever it was fitted on; the fit only decides how few rows are left. The length of the
tail is stored as one more coordinate, which makes the bound a single matrix product.

On a server that several machines fill, a writer stores first, then reads what has come in since and
scans that too (see `DescriptionIndex.claim`). Such a server occasionally fails on a query that
coincides with another writer's change of the same collection; the query is then repeated.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from aloe.memory.embedder import Vectors

HEAD = 96
"""Coordinates in the first, cheap comparison. Of 100,000 rows that resemble the shipped pool, 64
leave some 700 to be compared in full and 96 some 20, for a third more work before."""
FITTED_ON = 2048
"""Rows that the turn is fitted on; until there are `HEAD` of them the scan compares in full."""
PAGE = 1024
"""Rows that go to or come from Chroma in one piece: on the way they are lists of Python floats."""
TAIL = 256
"""Rows that are read in one piece in search of those that other writers have stored."""
STRIP = 4096
"""Rows whose bounds are worked out in one piece."""
SLACK = 1e-3
"""Added to the bound, so that rounding cannot hide a row."""
GRAPH = {"hnsw:M": 8, "hnsw:construction_ef": 40, "hnsw:search_ef": 32}
"""A thinner graph than Chroma's default: what it misses the exact scan finds, and its cost grows
less with the pool."""
QUESTIONS = 8
"""Times that a shared server is asked before its error counts."""

Answer = TypeVar("Answer")


class Neighbour(NamedTuple):
    """The nearest description of a candidate."""

    id: str
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """An orthonormal basis whose first `HEAD` axes carry most of the vectors' length."""

    basis: Vectors

    @classmethod
    def fit(cls, rows: Vectors) -> "Rotation":
        """Fit the basis on `rows`: the directions of greatest second moment."""
        _, directions = np.linalg.eigh(rows.T @ rows)
        return cls(basis=np.ascontiguousarray(directions[:, ::-1][:, :HEAD], dtype=np.float32))

    def head(self, rows: Vectors) -> Vectors:
        """Return the first coordinates of `rows` and, as the last, the length of the rest.

        The product of two such heads is never less than the cosine.
        """
        heads: Vectors = rows @ self.basis
        left = 1.0 - np.einsum("ij,ij->i", heads, heads)
        rest = np.sqrt(np.maximum(left, 0.0)).astype(np.float32)
        return np.column_stack((heads, rest))


class ExactScan:
    """All vectors of one kind in memory, for questions that must not be answered roughly.

    Rows are kept in half precision, which changes a similarity by some 0.00002 and halves the
    memory; arithmetic is in single precision.
    """

    def __init__(self, dimensions: int) -> None:
        self.ids: list[str] = []
        self._rows = np.zeros((0, dimensions), dtype=np.float16)
        self._heads = np.zeros((0, HEAD + 1), dtype=np.float32)
        self._rotation: Rotation | None = None
        self._fitted_at = 0

    def _full(self, rows: slice | npt.NDArray[np.intp]) -> Vectors:
        """Return rows in single precision."""
        return self._rows[rows].astype(np.float32)

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Append vectors; their ids must be new."""
        start, stop = len(self.ids), len(self.ids) + len(ids)
        if stop > len(self._rows):
            self._grow(max(stop, len(self._rows) * 5 // 4 + 64))
        self._rows[start:stop] = vectors
        self.ids.extend(ids)
        if stop >= HEAD and (self._rotation is None or stop >= 4 * self._fitted_at <= FITTED_ON):
            self._fit()
        elif self._rotation is not None:
            self._heads[start:stop] = self._rotation.head(vectors)

    def _grow(self, capacity: int) -> None:
        for name in ("_rows", "_heads"):
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), dtype=old.dtype)
            new[: len(self.ids)] = old[: len(self.ids)]
            setattr(self, name, new)

    def _fit(self) -> None:
        count = len(self.ids)
        step = max(1, count // FITTED_ON)
        self._rotation = Rotation.fit(self._full(slice(0, count, step)))
        self._fitted_at = count
        for start in range(0, count, PAGE):
            part = slice(start, min(start + PAGE, count))
            self._heads[part] = self._rotation.head(self._full(part))

    def at_least(self, vectors: Vectors, threshold: float) -> list[Neighbour | None]:
        """Return for each vector the nearest row of similarity >= `threshold`, None without."""
        if self._rotation is None:
            return [self._best(vector, np.arange(len(self.ids)), threshold) for vector in vectors]
        count, asked = len(self.ids), len(vectors)
        # The pool on the left: at 100,000 the other way round takes a sixth longer.
        heads = np.ascontiguousarray(self._rotation.head(vectors).T)
        places = []
        for start in range(0, count, STRIP):
            bounds = self._heads[start : min(start + STRIP, count)] @ heads
            places.append(start * asked + np.flatnonzero(bounds >= threshold - SLACK))
        rows, owners = np.divmod(np.concatenate(places), asked)
        return [
            self._best(vector, rows[owners == owner], threshold)
            for owner, vector in enumerate(vectors)
        ]

    def _best(
        self, vector: Vectors, candidates: npt.NDArray[np.intp], threshold: float
    ) -> Neighbour | None:
        if not len(candidates):
            return None
        similarities = self._full(candidates) @ vector
        best = int(similarities.argmax())
        if similarities[best] < threshold:
            return None
        return Neighbour(self.ids[candidates[best]], float(similarities[best]))


class DescriptionIndex:
    """The vectors of all profiles, or of all personalities.

    Args:
        collection: the Chroma collection that keeps them.
        dimensions: length of a vector.
        writer: name of this process on a store that others fill too; None on a store of our own.
    """

    def __init__(self, collection: Any, dimensions: int, writer: str | None = None) -> None:
        self.scan = ExactScan(dimensions)
        self._known: set[str] = set()
        self._nothing = np.zeros((0, dimensions), dtype=np.float32)
        self._collection = collection
        self._writer = writer

    def __contains__(self, description: str) -> bool:
        """Return whether a description of this id is stored, as far as is known here."""
        return description in self._known

    def stored(self) -> Iterator[tuple[list[str], Vectors]]:
        """Yield ids and vectors of all that is stored, in pages, oldest first."""
        for start in count(0, PAGE):
            ids, rows = self._rows(start, PAGE)
            if not ids:
                return
            yield ids, rows

    def _rows(self, start: int, limit: int | None = None) -> tuple[list[str], Vectors]:
        got = self._ask(
            lambda: self._collection.get(include=["embeddings"], offset=start, limit=limit)
        )
        return got["ids"], np.asarray(got["embeddings"], dtype=np.float32)

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the store's answer; a shared one is asked again where it fails inside."""
        if not self._writer:
            return question()
        from chromadb.errors import InternalError

        again = Retrying(
            retry=retry_if_exception_type(InternalError),
            stop=stop_after_attempt(QUESTIONS),
            wait=wait_random_exponential(0.02, max=2.0),
            reraise=True,
        )
        return again(question)

    def find(self, description: str) -> Vectors | None:
        """Return the stored vector of a description; None if there is none."""
        got = self._ask(lambda: self._collection.get(ids=[description], include=["embeddings"]))
        return np.asarray(got["embeddings"][0], dtype=np.float32) if got["ids"] else None

    def load(self, wanted: Set[str] | None) -> set[str]:
        """Read stored vectors into memory, the `wanted` or all; return the ids of all stored."""
        found: set[str] = set()
        for ids, rows in self.stored():
            found.update(ids)
            keep = [i for i, each in enumerate(ids) if wanted is None or each in wanted]
            self._remember([ids[i] for i in keep], rows[keep])
        return found

    def _remember(self, ids: Sequence[str], rows: Vectors) -> None:
        new = [i for i, each in enumerate(ids) if each not in self._known]
        if new:
            self.scan.add([ids[i] for i in new], rows[new])
            self._known.update(ids[i] for i in new)

    def add(self, vectors: Mapping[str, Vectors]) -> None:
        """Store vectors by id, whatever they are near to."""
        for page in _pages([each for each in vectors if each not in self._known]):
            rows = np.stack([vectors[each] for each in page])
            self._collection.upsert(ids=page, embeddings=rows)
            if self._writer:
                self._catch_up()
            self._remember(page, rows)

    def claim(self, vectors: Mapping[str, Vectors], threshold: float) -> dict[str, Neighbour]:
        """Store vectors, and withdraw those near to what other writers have stored meanwhile.

        Everyone writes first and looks afterwards, and all see the rows in the same order. So of
        two near-copies the one that came first stays, and whoever wrote the other sees it.

        Returns:
            For each id that was not stored, what it is too close to.
        """
        ids, rows = list(vectors), np.stack(list(vectors.values()))
        # Chroma's `add` leaves what is there already, so the first writer of an id keeps it.
        mark = [{"writer": self._writer} for _ in ids]
        self._collection.add(ids=ids, embeddings=rows, metadatas=mark)
        order, latest = self._catch_up(mine=vectors.keys())
        got = self._ask(lambda: self._collection.get(ids=ids, include=["metadatas"]))
        writers = dict(zip(got["ids"], got["metadatas"], strict=True))
        lost = {
            each: Neighbour(each, 1.0)
            for each in ids
            if (writers.get(each) or {}).get("writer") != self._writer
        }
        place = {each: number for number, each in enumerate(order)}
        late = {}
        for each, row in zip(ids, rows @ latest.T, strict=True):
            earlier = row[: place.get(each)]
            if each not in lost and len(earlier) and earlier.max() >= threshold:
                late[each] = Neighbour(order[int(earlier.argmax())], float(earlier.max()))
        self.remove(late)
        kept = [i for i, each in enumerate(ids) if each not in lost and each not in late]
        self._remember([ids[i] for i in kept], rows[kept])
        return lost | late

    def _catch_up(self, mine: Collection[str] = ()) -> tuple[list[str], Vectors]:
        """Read what others have stored since the last look; `mine` is not for the scan yet.

        Chroma gives rows in the order in which they came, so they are read from the end until one
        is known. A row that is deleted meanwhile moves others towards the start, never past it.

        Returns:
            Ids and vectors of the rows that were read, oldest first.
        """
        pages: list[tuple[list[str], Vectors]] = []
        start = self._ask(self._collection.count)
        limit, known = None, False
        while start and not known:
            start = max(0, start - TAIL)
            ids, rows = self._rows(start, limit)
            known = bool(ids) and ids[0] in self._known
            new = [i for i, each in enumerate(ids) if each not in mine]
            self._remember([ids[i] for i in new], rows[new])
            if ids:
                pages.insert(0, (ids, rows))
            limit = TAIL
        if not pages:
            return [], self._nothing
        return [each for ids, _ in pages for each in ids], np.concatenate([r for _, r in pages])

    def remove(self, ids: Iterable[str]) -> None:
        """Delete vectors from the collection; the scan keeps those that it has seen."""
        for page in _pages(list(ids)):
            self._collection.delete(ids=page)

    def nearest(self, vectors: Vectors, threshold: float) -> list[Neighbour | None]:
        """Return the nearest stored description of each vector; None if there are none.

        Exact wherever a description of similarity >= `threshold` exists among the rows known
        here; below that the nearest is Chroma's answer, which may be the second nearest.
        """
        if not len(vectors):
            return []
        got = self._ask(
            lambda: self._collection.query(
                query_embeddings=vectors, n_results=1, include=["distances"]
            )
        )
        found = [
            Neighbour(ids[0], 1.0 - float(distances[0])) if ids else None
            for ids, distances in zip(got["ids"], got["distances"], strict=True)
        ]
        unsure = [i for i, each in enumerate(found) if not each or each.similarity < threshold]
        for i, rival in zip(unsure, self.scan.at_least(vectors[unsure], threshold), strict=True):
            found[i] = rival or found[i]
        return found


def _pages(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + PAGE] for start in range(0, len(ids), PAGE))
