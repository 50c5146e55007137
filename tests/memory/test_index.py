from typing import Any

import numpy as np
import pytest

from memory.embedder import Vectors, unit
from memory.index import HEAD, DescriptionIndex, ExactScan


def clustered(count: int, seed: int) -> Vectors:
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
    rows, asked = clustered(count, 1), clustered(40, 2)
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


def test_pairs_are_all_pairs() -> None:
    rows = clustered(1100, 3)
    scan = ExactScan(384)
    scan.add([str(i) for i in range(1100)], rows)
    full = np.triu(rows @ rows.T, 1)
    wanted = {(str(i), str(j)) for i, j in zip(*np.nonzero(full >= 0.6), strict=True)}
    assert wanted
    assert {(one, other) for one, other, _ in scan.pairs(0.6)} == wanted


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
