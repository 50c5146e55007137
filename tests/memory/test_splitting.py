import numpy as np
import pytest

from aloe.clusters import find_clusters
from aloe.errors import ConfigError
from aloe.memory.embedder import Vectors, unit
from aloe.memory.splitting import (
    PARTS,
    KindVectors,
    find_close_pairs,
    find_nearest_similarity,
    split,
)
from aloe.schema import Persona

SHARES = {"train": 80.0, "validation": 10.0, "test": 10.0}


def make_families(count: int, size: int, seed: int = 0) -> tuple[list[Persona], KindVectors]:
    """Return `count` families of `size` personas each; profiles of one family are near-copies."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(count, 384)), size, axis=0)
    profiles = unit(centres + 0.2 * rng.normal(size=centres.shape))
    personalities = unit(rng.normal(size=centres.shape))
    people = [Persona.of(f"I am number {n}.", f"I like {n}.") for n in range(count * size)]
    return people, {"profile": profiles, "personality": personalities}


def greatest_similarity(vectors: KindVectors, one: list[int], other: list[int]) -> float:
    return max(float((rows[one] @ rows[other].T).max()) for rows in vectors.values())


def test_families_stay_together_and_shares_are_met() -> None:
    people, vectors = make_families(50, 4)
    done = split(people, vectors, SHARES, 0.7, 1)  # type: ignore[arg-type]
    assert done.clusters == 50
    assert done.largest == 4
    assert not done.refused
    assert {part: len(rows) for part, rows in done.rows.items()} == {
        "train": 160,
        "validation": 20,
        "test": 20,
    }
    for part in ("validation", "test"):
        assert greatest_similarity(vectors, done.rows[part], done.rows["train"]) < 0.7  # type: ignore[index]
        families_here = {row // 4 for row in done.rows[part]}  # type: ignore[index]
        assert len(families_here) == 5


def test_a_shared_personality_is_a_leak_too() -> None:
    people, vectors = make_families(20, 1)
    personalities = vectors["personality"].copy()
    personalities[7] = personalities[13]
    done = split(people, {**vectors, "personality": personalities}, SHARES, 0.7, 1)  # type: ignore[arg-type]
    (side,) = {part for part in PARTS for row in (7, 13) if row in done.rows[part]}
    assert {7, 13} <= set(done.rows[side])


def test_what_is_close_to_other_training_personas_is_refused() -> None:
    people, vectors = make_families(40, 1)
    done = split(people, vectors, SHARES, 0.7, 1)  # type: ignore[arg-type]
    leaked = done.rows["test"][0]
    against = {
        "profile": unit(vectors["profile"][leaked : leaked + 1] + 0.001),
        "personality": unit(np.ones((1, 384))),
    }
    again = split(people, vectors, SHARES, 0.7, 1, against=against)  # type: ignore[arg-type]
    assert list(again.refused) == [leaked]
    assert again.refused[leaked] > 0.9
    assert leaked not in again.rows["test"]


def test_close_pairs_are_all_pairs_that_are_close_in_any_kind() -> None:
    _, vectors = make_families(220, 5, seed=3)
    full = np.maximum(*(np.triu(rows @ rows.T, 1) for rows in vectors.values()))
    wanted = {(int(i), int(j)) for i, j in zip(*np.nonzero(full >= 0.7), strict=True)}
    assert len(wanted) == 220 * 10
    assert set(find_close_pairs(vectors, 0.7)) == wanted


def test_clusters_are_connected_groups() -> None:
    assert find_clusters(6, [(0, 3), (3, 5), (1, 2)]) == [[0, 3, 5], [1, 2], [4]]
    assert find_clusters(0, []) == []


@pytest.mark.parametrize("count", [1, 700])
def test_nearest_similarity_is_exact(count: int) -> None:
    _, vectors = make_families(count, 1, seed=3)
    _, others = make_families(30, 1, seed=4)
    found: Vectors = find_nearest_similarity(vectors, others)
    wanted = np.maximum(
        (vectors["profile"] @ others["profile"].T).max(axis=1),
        (vectors["personality"] @ others["personality"].T).max(axis=1),
    )
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, 71, float("nan")])
def test_a_threshold_that_separates_nobody_is_refused(threshold: float) -> None:
    rows = np.eye(2, dtype=np.float32)
    with pytest.raises(ConfigError, match="above 0 and up to 1"):
        find_close_pairs({"profile": rows, "personality": rows}, threshold)
