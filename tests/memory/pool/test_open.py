import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from bags import BagOfWords
from pools import ANNA, BERT, CARO, CONFIG, admit

from aloe.errors import InputError, StoreError
from aloe.memory.embedder import Vectors, unit
from aloe.memory.personas import read_personas
from aloe.memory.pool.files import PoolFiles, count_saved
from aloe.memory.pool.open import open_pool
from aloe.memory.pool.store import read_vectors
from aloe.schema import Persona, digest


def stored_ids(path: Path) -> dict[str, set[str]]:
    return {kind: set(found) for kind, found in read_vectors(path, "bag-of-words").items()}


def text_ids(*personas: Persona) -> dict[str, set[str]]:
    return {
        "profile": {digest(p.profile) for p in personas},
        "personality": {digest(p.personality) for p in personas},
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "personas.jsonl"


def test_what_is_admitted_is_there_again(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA, BERT)
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        assert pool.ids == {ANNA.id, BERT.id}
        (fate,) = pool.gate("profile", ["I keep bees in Crete. I am 30."])
    assert not fate.accepted
    assert fate.nearest is not None
    assert fate.nearest.id == digest(ANNA.profile)
    assert read_personas(path) == [ANNA, BERT]


def test_seeds_are_kept_out_though_they_are_no_part(path: Path) -> None:
    seeds = {"profile": [ANNA.profile], "personality": []}
    with open_pool(path, CONFIG, BagOfWords(), seeds=seeds) as pool:
        assert len(pool) == 0
        assert not pool.gate("profile", [ANNA.profile])[0].accepted


def test_the_store_follows_the_lines(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA, BERT)
    path.write_text(ANNA.model_dump_json() + "\n" + CARO.model_dump_json() + "\n")
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        assert pool.ids == {ANNA.id, CARO.id}
        assert pool.gate("profile", [BERT.profile])[0].accepted
        assert not pool.gate("profile", [CARO.profile])[0].accepted
    assert stored_ids(path) == text_ids(ANNA, CARO)
    shutil.rmtree(PoolFiles(path).folder)
    with open_pool(path, CONFIG, BagOfWords()):
        pass
    assert stored_ids(path) == text_ids(ANNA, CARO)


def test_a_torn_line_is_cut_off(path: Path) -> None:
    path.write_text(ANNA.model_dump_json() + "\n" + BERT.model_dump_json()[:80])
    assert count_saved(path) == 1
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        assert pool.ids == {ANNA.id}
        admit(pool, CARO)
    assert read_personas(path) == [ANNA, CARO]


def test_a_last_line_without_a_line_break_is_kept(path: Path) -> None:
    path.write_text(ANNA.model_dump_json() + "\n" + BERT.model_dump_json())
    assert count_saved(path) == 2
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        assert pool.ids == {ANNA.id, BERT.id}
        admit(pool, CARO)
    assert read_personas(path) == [ANNA, BERT, CARO]


def test_a_broken_line_is_named(path: Path) -> None:
    path.write_text(ANNA.model_dump_json() + '\n{"profile": 3}\n')
    with (
        pytest.raises(InputError, match=r"personas\.jsonl:2"),
        open_pool(path, CONFIG, BagOfWords()),
    ):
        pass


PERSON = ANNA.model_dump(include={"profile", "personality"})
STRANGE = {
    "an array on one line": json.dumps([PERSON, PERSON]).encode(),
    "a pretty array": json.dumps([PERSON], indent=1).encode(),
    "a pretty object": json.dumps(PERSON, indent=1).encode(),
    "texts": b'"I bake."\n"I am 30."',
    "a table": b"profile,personality\nI bake.,I am calm.",
    "a table with an object at its end": b'profile,preferences\n{"emoji": "none',
    "lines of something else": b'{"id": "t", "nodes": []}\n{"id": "u", "no',
    "a beginning that no pool left": b'{"people": [{"profile": "I ba',
    "two values on a line": 2 * json.dumps(PERSON).encode(),
    "another encoding": (json.dumps(PERSON) + "\n").encode("utf-16"),
    "gzip": gzip.compress(json.dumps(PERSON).encode()),
}


@pytest.mark.parametrize("held", STRANGE.values(), ids=list(STRANGE))
def test_a_file_that_is_no_pool_is_refused_and_stays(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "people.json"
    path.write_bytes(held)
    with (
        pytest.raises(StoreError, match=r"^--out .*people\.json:1: .*name FILE\.jsonl$"),
        open_pool(path, CONFIG, BagOfWords()),
    ):
        pass
    assert path.read_bytes() == held
    assert list(tmp_path.iterdir()) == [path]


def test_what_stands_below_is_looked_at_before_a_torn_line_is_cut(path: Path) -> None:
    held = ANNA.model_dump_json() + '\n{"id": 3}\n{"id": "torn'
    path.write_text(held)
    with (
        pytest.raises(InputError, match=r"personas\.jsonl:2"),
        open_pool(path, CONFIG, BagOfWords()),
    ):
        pass
    assert path.read_text() == held


def test_a_kill_may_leave_no_more_than_the_beginning_of_the_first_line(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
    path.write_text(ANNA.model_dump_json()[:20])
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, BERT)
    assert read_personas(path) == [BERT]


def test_a_pool_that_stays_empty_leaves_no_folder(path: Path) -> None:
    for _ in range(2):
        with open_pool(path, CONFIG, BagOfWords()) as pool:
            assert pool.gate("profile", [ANNA.profile])[0].accepted
        assert not list(path.parent.iterdir())
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
    assert PoolFiles(path).folder.exists()


def test_a_gzipped_pool_is_not_grown(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="plain file"),
        open_pool(tmp_path / "personas.jsonl.gz", CONFIG, BagOfWords()),
    ):
        pass


class _Server(BagOfWords):
    """A model of a name that others have too."""

    def __init__(self, sign: int, dimensions: int = 384) -> None:
        self._sign, self._dimensions = sign, dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        return unit(self._sign * super().embed(texts)[:, ::-1][:, : self._dimensions])


def test_another_model_of_the_same_name_is_refused(path: Path) -> None:
    with open_pool(path, CONFIG, _Server(1)) as pool:
        admit(pool, ANNA, BERT)
    with open_pool(path, CONFIG, _Server(1)) as pool:
        assert not pool.gate("profile", [ANNA.profile])[0].accepted
    for other in (_Server(-1), _Server(1, 200)):
        with pytest.raises(StoreError, match=r"chroma was made with another embedder, though"):
            open_pool(path, CONFIG, other).__enter__()
