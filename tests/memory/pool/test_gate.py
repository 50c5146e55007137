import random
import resource
import tracemalloc
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import BagOfWords
from pools import ANNA, BERT, CONFIG, admit

from aloe.errors import StoreError
from aloe.memory.embedder import Vectors, unit
from aloe.memory.personas import read_personas
from aloe.memory.pool import gate
from aloe.memory.pool.open import open_pool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "personas.jsonl"


def test_of_two_near_copies_in_one_batch_the_first_stays(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        fates = pool.gate("profile", [ANNA.profile, BERT.profile, ANNA.profile + " Yes."])
        assert [fate.accepted for fate in fates] == [True, True, False]
        later = pool.gate("profile", [BERT.profile])
        assert not later[0].accepted
        assert pool.gate("personality", [BERT.profile])[0].accepted


@pytest.mark.parametrize("size", [1, 2, 7, 256])
def test_candidates_fare_alike_in_blocks_of_any_size(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = ["one", "two", "three", "four", "five", "six", "seven"]
    texts = [f"I keep {a} {b} {c}" for a, b, c in product(numbers, numbers, numbers)]
    random.Random(3).shuffle(texts)
    texts = [*texts[:150], ANNA.profile, texts[5], ANNA.profile + " Yes."]
    (whole,) = _fates(tmp_path / "whole.jsonl", [texts])
    assert 20 < sum(fate.accepted for fate in whole) < 100
    monkeypatch.setattr(gate, "BLOCK", size)
    (blocks,) = _fates(tmp_path / "blocks.jsonl", [texts])
    pieces = _fates(tmp_path / "pieces.jsonl", [texts[:9], texts[9:]])
    for found in (blocks, [*pieces[0], *pieces[1]]):
        assert [fate.accepted for fate in found] == [fate.accepted for fate in whole]
        assert [fate.nearest and fate.nearest.similarity for fate in found] == [
            fate.nearest and pytest.approx(fate.nearest.similarity, abs=1e-5) for fate in whole
        ]


def _fates(path: Path, batches: list[list[str]]) -> list[list[gate.Fate]]:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
        return [pool.gate("profile", texts) for texts in batches]


def test_a_large_batch_takes_memory_for_its_rows_alone(path: Path) -> None:
    """All rows compared with all at once would take 64 MB for the similarities alone."""
    with open_pool(path, CONFIG, Scattered()) as pool:
        pool.gate("profile", ["."] * 10)
        tracemalloc.start()
        pool.gate("profile", [str(n) for n in range(4000)])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 32e6


class Scattered:
    name = "scattered"

    def embed(self, texts: Sequence[str]) -> Vectors:
        return unit(np.random.default_rng(len(texts)).standard_normal((len(texts), 384)))


def test_a_full_disk_keeps_what_was_saved(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
        size = path.stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for kind in ("profile", "personality"):
            pool.gate(kind, [getattr(BERT, kind)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
        try:
            with pytest.raises(StoreError, match="1 persona saved"):
                pool.admit([BERT])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == size
    assert read_personas(path) == [ANNA]


def test_a_store_that_fails_says_what_is_saved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise OSError("the server hung up")

    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
        monkeypatch.setattr(pool.indexes["profile"], "nearest", gone)
        with pytest.raises(
            StoreError, match=r"cannot be used \(the server hung up\); 1 persona saved"
        ):
            pool.gate("profile", [BERT.profile])
    assert read_personas(path) == [ANNA]
