"""The vectors of one kind of description: Chroma to find neighbours, an exact scan to be sure.

Chroma's index (HNSW, cosine) is persistent and quick, but approximate: now and then it misses the
nearest neighbour, and a missed near-duplicate stays in the pool for good. So a candidate that
Chroma calls new is compared with every vector once more. That scan is exact and yet cheap: vectors
are turned so that their first few coordinates carry most of their length, and by Cauchy-Schwarz

    cos(a, b) <= head(a) . head(b) + |tail(a)| |tail(b)|

so only the rows whose bound reaches the threshold are compared in full. A turn changes no cosine,
whatever it was fitted on; the fit only decides how few rows are left.

With a server that several machines fill, the scan covers the rows this process knows of.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from memory.embedder import Vectors

HEAD = 64
"""Coordinates in the first, cheap comparison."""
FITTED_ON = 2048
"""Rows that the turn is fitted on; until there are `HEAD` of them the scan compares in full."""
PAGE = 4096
"""Rows that go to or come from Chroma in one piece."""
BLOCK = 1024
"""Rows on each side of one piece of an all-pairs comparison."""
SLACK = 1e-3
"""Added to the bound, so that rounding cannot hide a row."""


class Neighbour(NamedTuple):
    """The nearest description of a candidate."""

    id: str
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """An orthonormal basis whose first `HEAD` axes carry most of the vectors' length."""

    basis: Vectors

    @classmethod
    def fitted(cls, rows: Vectors) -> "Rotation":
        """Fit the basis on `rows`: the directions of greatest second moment."""
        _, directions = np.linalg.eigh(rows.T @ rows)
        return cls(basis=np.ascontiguousarray(directions[:, ::-1][:, :HEAD], dtype=np.float32))

    def head(self, rows: Vectors) -> tuple[Vectors, Vectors]:
        """Return the first coordinates of `rows` and the length of what they leave out."""
        heads: Vectors = rows @ self.basis
        left = 1.0 - np.einsum("ij,ij->i", heads, heads)
        return heads, np.sqrt(np.maximum(left, 0.0)).astype(np.float32)


class ExactScan:
    """All vectors of one kind in memory, for questions that must not be answered roughly.

    Rows are kept in half precision, which changes a similarity by some 0.00002 and halves the
    memory; arithmetic is in single precision.
    """

    def __init__(self, dimensions: int) -> None:
        self.ids: list[str] = []
        self._rows = np.zeros((0, dimensions), dtype=np.float16)
        self._heads = np.zeros((0, HEAD), dtype=np.float32)
        self._tails = np.zeros(0, dtype=np.float32)
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
            self._heads[start:stop], self._tails[start:stop] = self._rotation.head(vectors)

    def _grow(self, capacity: int) -> None:
        for name in ("_rows", "_heads", "_tails"):
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), dtype=old.dtype)
            new[: len(self.ids)] = old[: len(self.ids)]
            setattr(self, name, new)

    def _fit(self) -> None:
        count = len(self.ids)
        step = max(1, count // FITTED_ON)
        self._rotation = Rotation.fitted(self._full(slice(0, count, step)))
        self._fitted_at = count
        for start in range(0, count, PAGE):
            part = slice(start, min(start + PAGE, count))
            self._heads[part], self._tails[part] = self._rotation.head(self._full(part))

    def at_least(self, vectors: Vectors, threshold: float) -> list[Neighbour | None]:
        """Return for each vector the nearest row of similarity >= `threshold`, None without."""
        if self._rotation is None:
            return [self._best(vector, np.arange(len(self.ids)), threshold) for vector in vectors]
        count = len(self.ids)
        heads, tails = self._rotation.head(vectors)
        left = np.empty((len(vectors), count), dtype=bool)
        for start in range(0, count, PAGE):
            part = slice(start, min(start + PAGE, count))
            bound = heads @ self._heads[part].T
            bound += tails[:, None] * self._tails[part]
            np.greater_equal(bound, threshold - SLACK, out=left[:, part])
        return [
            self._best(vector, np.flatnonzero(rows), threshold)
            for vector, rows in zip(vectors, left, strict=True)
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

    def pairs(self, threshold: float) -> Iterator[tuple[str, str, float]]:
        """Yield every pair of rows of similarity >= `threshold`; compares all with all."""
        count = len(self.ids)
        for top in range(0, count, BLOCK):
            upper = self._full(slice(top, min(top + BLOCK, count)))
            for left in range(top, count, BLOCK):
                block = upper @ self._full(slice(left, min(left + BLOCK, count))).T
                near = block >= threshold
                if left == top:
                    near = np.triu(near, 1)
                for i, j in zip(*np.nonzero(near), strict=True):
                    yield self.ids[top + i], self.ids[left + j], float(block[i, j])


class DescriptionIndex:
    """The vectors of all profiles, or of all personalities.

    Args:
        collection: the Chroma collection that keeps them.
        dimensions: length of a vector.
    """

    def __init__(self, collection: Any, dimensions: int) -> None:
        self.scan = ExactScan(dimensions)
        self._collection = collection

    def stored_ids(self) -> set[str]:
        """Return the ids that the collection holds."""
        return set(self._collection.get(include=[])["ids"])

    def stored(self, ids: Iterable[str] | None = None) -> Iterator[tuple[str, Vectors]]:
        """Yield the stored vectors of `ids`, or all of them, with their ids."""
        for page in _pages(list(self.stored_ids() if ids is None else ids)):
            got = self._collection.get(ids=page, include=["embeddings"])
            rows = np.asarray(got["embeddings"], dtype=np.float32)
            yield from zip(got["ids"], rows, strict=True)

    def load(self, ids: Iterable[str]) -> None:
        """Read the vectors of `ids`, all of them stored, into memory."""
        for page in _pages(list(ids)):
            got = dict(self.stored(page))
            self.scan.add(list(got), np.stack(list(got.values())))

    def add(self, vectors: Mapping[str, Vectors]) -> None:
        """Store vectors by id."""
        for page in _pages(list(vectors)):
            rows = np.stack([vectors[each] for each in page])
            self._collection.upsert(ids=page, embeddings=rows)
            self.scan.add(page, rows)

    def remove(self, ids: Iterable[str]) -> None:
        """Delete vectors from the collection, before any are loaded."""
        for page in _pages(list(ids)):
            self._collection.delete(ids=page)

    def nearest(self, vectors: Vectors, threshold: float) -> list[Neighbour | None]:
        """Return the nearest stored description of each vector; None if there are none.

        Exact wherever a description of similarity >= `threshold` exists among the rows known
        here; below that the nearest is Chroma's answer, which may be the second nearest.
        """
        if not len(vectors):
            return []
        got = self._collection.query(query_embeddings=vectors, n_results=1, include=["distances"])
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
