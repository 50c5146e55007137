import os
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
from pools import ANNA, BERT, CARO, CONFIG, admit

from aloe.config import PersonasConfig
from aloe.errors import ConfigError, StoreError
from aloe.memory.axes import KINDS
from aloe.memory.personas import read_personas
from aloe.memory.pool.files import PoolFiles
from aloe.memory.pool.open import open_pool
from aloe.schema import digest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "personas.jsonl"


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
from aloe.memory.pool.open import open_pool

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
    tests = Path(__file__).parents[2]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", GROWER, str(path), chroma_server, said],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"},
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
