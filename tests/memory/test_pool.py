import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import BagOfWords, OtherBag

from aloe.config import PersonasConfig
from aloe.errors import ConfigError, InputError, StoreError
from aloe.memory.axes import KINDS
from aloe.memory.personas import read_personas
from aloe.memory.pool.gate import PersonaPool, PoolFiles, open_pool, saved_size, stored_vectors
from aloe.schema import Persona, digest

CONFIG = PersonasConfig(threshold=0.8)

ANNA = Persona.of("I am 30. I keep bees in Crete.", "I want short replies.")
BERT = Persona.of("I am 61. I repair clocks in Osaka.", "I like jokes about cheese.")
CARO = Persona.of("I study law and live in Lagos.", "I hate lists of any length.")


def admit(pool: PersonaPool, *personas: Persona) -> None:
    for persona in personas:
        for kind in ("profile", "personality"):
            (fate,) = pool.gate(kind, [getattr(persona, kind)])
            assert fate.accepted
    pool.admit(personas)


def stored_ids(path: Path) -> dict[str, set[str]]:
    return {kind: set(found) for kind, found in stored_vectors(path, "bag-of-words").items()}


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


def test_of_two_near_copies_in_one_batch_the_first_stays(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        fates = pool.gate("profile", [ANNA.profile, BERT.profile, ANNA.profile + " Yes."])
        assert [fate.accepted for fate in fates] == [True, True, False]
        later = pool.gate("profile", [BERT.profile])
        assert not later[0].accepted
        assert pool.gate("personality", [BERT.profile])[0].accepted


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
    assert saved_size(path) == 1
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        assert pool.ids == {ANNA.id}
        admit(pool, CARO)
    assert read_personas(path) == [ANNA, CARO]


def test_a_broken_line_is_named(path: Path) -> None:
    path.write_text(ANNA.model_dump_json() + '\n{"profile": 3}\n')
    with (
        pytest.raises(InputError, match=r"personas\.jsonl:2"),
        open_pool(path, CONFIG, BagOfWords()),
    ):
        pass


def test_another_embedder_or_threshold_is_refused_with_both_names(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
    with (
        pytest.raises(StoreError, match=r"embedder bag-of-words, now it is other-bag"),
        open_pool(path, CONFIG, OtherBag()),
    ):
        pass
    with (
        pytest.raises(StoreError, match=r"threshold 0\.8, now it is 0\.9"),
        open_pool(path, PersonasConfig(threshold=0.9), BagOfWords()),
    ):
        pass
    assert read_personas(path) == [ANNA]


def test_the_second_process_is_told_who_writes(path: Path) -> None:
    holder = (
        "import sys; from pathlib import Path; from aloe.memory.pool.gate import PoolFiles\n"
        "with PoolFiles(Path(sys.argv[1])).writing(): print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", holder, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with (
        pytest.raises(StoreError, match=f"in use by process {child.pid}"),
        open_pool(path, CONFIG, BagOfWords()),
    ):
        pass
    child.communicate()
    with open_pool(path, CONFIG, BagOfWords()):
        pass


def test_a_full_disk_keeps_what_was_saved(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
        size = path.stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for kind in ("profile", "personality"):
            pool.gate(kind, [getattr(BERT, kind)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
        try:
            with pytest.raises(StoreError, match="its 1 personas are saved"):
                pool.admit([BERT])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == size
    assert read_personas(path) == [ANNA]


def test_a_broken_store_is_one_clear_error(path: Path) -> None:
    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
    (PoolFiles(path).chroma / "chroma.sqlite3").write_bytes(b"not a database")
    with (
        pytest.raises(StoreError, match=r"cannot be used .*not a database.* delete the folder"),
        open_pool(path, CONFIG, BagOfWords()),
    ):
        pass
    assert read_personas(path) == [ANNA]


def test_a_store_that_fails_says_what_is_saved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise OSError("the server hung up")

    with open_pool(path, CONFIG, BagOfWords()) as pool:
        admit(pool, ANNA)
        monkeypatch.setattr(pool.indexes["profile"], "nearest", gone)
        with pytest.raises(StoreError, match=r"cannot be used \(the server hung up\); the 1 "):
            pool.gate("profile", [BERT.profile])
    assert read_personas(path) == [ANNA]


def test_a_gzipped_pool_is_not_grown(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="plain file"),
        open_pool(tmp_path / "personas.jsonl.gz", CONFIG, BagOfWords()),
    ):
        pass


@pytest.fixture
def chroma_server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    arguments = ["run", "--path", str(tmp_path / "server"), "--host", "127.0.0.1", "--port"]
    with (tmp_path / "server.log").open("w") as log:
        child = subprocess.Popen(
            [str(program), *arguments, str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, "ANONYMIZED_TELEMETRY": "false"},
        )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    child.terminate()
    child.wait()


def test_two_pools_share_one_chroma_server(tmp_path: Path, chroma_server: str) -> None:
    config = PersonasConfig(threshold=0.8, store=chroma_server)
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    with (
        open_pool(one, config, BagOfWords()) as first,
        open_pool(other, config, BagOfWords()) as second,
    ):
        admit(first, ANNA)
        (fate,) = second.gate("profile", [ANNA.profile + " Indeed."])
        assert not fate.accepted
        admit(second, BERT)
        assert not first.gate("profile", [BERT.profile])[0].accepted
    with open_pool(one, config, BagOfWords()) as first:
        assert first.ids == {ANNA.id}
        assert not first.gate("profile", [BERT.profile])[0].accepted


def test_a_near_copy_stored_between_question_and_answer_is_seen(
    tmp_path: Path, chroma_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PersonasConfig(threshold=0.8, store=chroma_server)
    with (
        open_pool(tmp_path / "one.jsonl", config, BagOfWords()) as first,
        open_pool(tmp_path / "other.jsonl", config, BagOfWords()) as second,
    ):
        index = first.indexes["profile"]
        search = index.nearest

        def late(*given: Any) -> Any:
            found = search(*given)
            fates = second.gate("profile", [BERT.profile, CARO.profile])
            assert [fate.accepted for fate in fates] == [True, True]
            return found

        monkeypatch.setattr(index, "nearest", late)
        near, same, new = first.gate(
            "profile", [BERT.profile + " Indeed.", CARO.profile, ANNA.profile]
        )
        assert (near.accepted, same.accepted, new.accepted) == (False, False, True)
        assert near.nearest is not None
        assert near.nearest.id == digest(BERT.profile)
    # Neither admitted anything, so nothing is left in anybody's way.
    with open_pool(tmp_path / "third.jsonl", config, BagOfWords()) as third:
        assert third.gate("profile", [BERT.profile])[0].accepted


GROWER = """
import sys
from pathlib import Path
from bags import BagOfWords
from aloe.config import PersonasConfig
from aloe.schema import Persona
from aloe.memory.pool.gate import open_pool

path, store, said = sys.argv[1:]
config = PersonasConfig(threshold=0.8, store=store)
with open_pool(Path(path), config, BagOfWords()) as pool:
    print("open", flush=True)
    sys.stdin.readline()
    for n in range(30):
        life = f"I mend boat{n} in port{n} with rope{n} and sing song{n} {said}."
        temper = f"I hum tune{n} and want word{n} and hate joke{n} {said}."
        if all([pool.gate("profile", [life])[0].accepted,
                pool.gate("personality", [temper])[0].accepted]):
            pool.admit([Persona.of(life, temper)])
"""


def test_two_processes_on_one_server_admit_no_near_copies(
    tmp_path: Path, chroma_server: str
) -> None:
    paths = [tmp_path / "one.jsonl", tmp_path / "other.jsonl"]
    rooms = Path(__file__).parents[1]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", GROWER, str(path), chroma_server, said],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{rooms.parent}{os.pathsep}{rooms}"},
        )
        for path, said in zip(paths, ("loudly", "softly"), strict=True)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    codes = []
    for child in children:
        child.communicate(timeout=300)
        codes.append(child.returncode)
    assert codes == [0, 0]
    people = [person for path in paths if path.exists() for person in read_personas(path)]
    assert 1 <= len(people) <= 30
    for kind in KINDS:
        texts = sorted({getattr(person, kind) for person in people})
        vectors = BagOfWords().embed(texts)
        assert np.triu(vectors @ vectors.T, 1).max() < 0.8, kind


def test_a_missing_server_is_one_clear_error(path: Path) -> None:
    config = PersonasConfig(store="http://127.0.0.1:9")
    with (
        pytest.raises(StoreError, match=r"no Chroma server answers at http://127\.0\.0\.1:9"),
        open_pool(path, config, BagOfWords()),
    ):
        pass
    with (
        pytest.raises(ConfigError, match="is not a URL"),
        open_pool(path, PersonasConfig(store="host:8000"), BagOfWords()),
    ):
        pass
