from typing import Any

import numpy as np
import pytest
from chromadb.errors import InternalError

from aloe.memory.embedder import Vectors, unit
from aloe.memory.pool.index import HEAD, QUESTIONS, DescriptionIndex, ExactScan


def clustered_vectors(count: int, seed: int) -> Vectors:
    """Vectors in a narrow cone around few centres, as sentence embeddings are.

    They are rounded as the scan rounds them, so that brute force must give the same answers.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, 384))
    rows = unit(centres[rng.integers(12, size=count)] + rng.normal(size=(count, 384)) * 0.8 + 0.3)
    return rows.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("count", [1, HEAD - 1, HEAD, 700, 5000])
@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.75, 0.99])
def test_the_scan_agrees_with_brute_force(count: int, threshold: float) -> None:
    rows, asked = clustered_vectors(count, 1), clustered_vectors(40, 2)
    asked[:10] = unit(rows[np.arange(10) % count] + 0.02 * asked[:10])
    scan = ExactScan(384)
    for start in range(0, count, 97):
        part = rows[start : start + 97]
        scan.add([str(start + i) for i in range(len(part))], part)
    similarities = asked @ rows.T
    for found, row in zip(scan.at_least(asked, threshold), similarities, strict=True):
        if found is None:
            assert row.max() < threshold + 1e-6
        else:
            assert found.similarity == pytest.approx(row.max(), abs=1e-5)
            assert row[int(found.id)] == pytest.approx(row.max(), abs=1e-5)


class Forgetful:
    """A collection whose approximate search always misses the nearest row."""

    def count(self) -> int:
        return 2

    def upsert(self, **_: Any) -> None:
        pass

    def query(self, query_embeddings: Vectors, **_: Any) -> dict[str, Any]:
        return {
            "ids": [["far"]] * len(query_embeddings),
            "distances": [[0.9]] * len(query_embeddings),
        }


def test_what_the_approximate_search_misses_is_found() -> None:
    near, far = unit(np.eye(384)[:1] + 0.01), unit(np.eye(384)[1:2])
    index = DescriptionIndex(Forgetful(), 384)
    index.add({"near": near[0], "far": far[0]})
    (found,) = index.nearest(unit(np.eye(384)[:1]), 0.7)
    assert found is not None
    assert found.id == "near"
    (below,) = index.nearest(unit(np.ones((1, 384))), 0.7)
    assert below is not None
    assert below.id == "far"


class Shared:
    """A collection that several writers fill; `meanwhile` happens once, right after an `add`."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Any, Any]] = {}
        self.meanwhile: Any = None
        self.failures = 0
        self.late = False
        """Whether nothing is deleted yet."""

    def add(self, ids: list[str], embeddings: Vectors, metadatas: list[Any]) -> None:
        for each, row, mark in zip(ids, embeddings, metadatas, strict=True):
            self.rows.setdefault(each, (row, mark))
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()

    def get(self, ids: Any = None, offset: int = 0, limit: Any = None, **_: Any) -> dict[str, Any]:
        if self.failures:
            self.failures -= 1
            raise InternalError("Error finding id")
        names = [each for each in ids or self.rows if each in self.rows][offset:]
        names = names[:limit]
        return {
            "ids": names,
            "embeddings": [self.rows[each][0] for each in names],
            "metadatas": [self.rows[each][1] for each in names],
        }

    def count(self) -> int:
        return len(self.rows)

    def delete(self, ids: list[str]) -> None:
        for each in () if self.late else ids:
            del self.rows[each]


def test_of_near_copies_that_two_writers_store_at_once_the_first_stays() -> None:
    shared = Shared()
    one, other = (DescriptionIndex(shared, 384, writer=name) for name in ("one", "other"))
    near, far = unit(np.eye(384)[:1] + 0.01)[0], unit(np.eye(384)[1:2])[0]
    lost: list[Any] = []

    def second() -> None:
        # It has looked, and its withdrawal is still on its way when the first one looks.
        shared.late = True
        lost.append(other.claim({"copy": near, "far": far}, 0.7))

    shared.meanwhile = second
    assert one.claim({"first": np.eye(384, dtype=np.float32)[0]}, 0.7) == {}
    assert {each: found.id for each, found in lost[0].items()} == {"copy": "first"}
    (known,) = other.scan.at_least(near[None], 0.7)
    assert known is not None


def test_a_shared_store_that_fails_inside_is_asked_again() -> None:
    shared = Shared()
    index = DescriptionIndex(shared, 384, writer="one")
    shared.failures = 2
    assert index.claim({"a": np.eye(384, dtype=np.float32)[0]}, 0.7) == {}
    shared.failures = QUESTIONS
    with pytest.raises(InternalError):
        index.claim({"b": np.eye(384, dtype=np.float32)[1]}, 0.7)


def test_a_store_of_our_own_is_asked_once() -> None:
    shared = Shared()
    shared.failures = 1
    with pytest.raises(InternalError):
        list(DescriptionIndex(shared, 384).stored())
