import resource
from pathlib import Path
from typing import Any

import pytest
from bags import BagOfWords
from pools import ANNA, BERT, CONFIG, admit

from aloe.errors import StoreError
from aloe.memory.personas import read_personas
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
