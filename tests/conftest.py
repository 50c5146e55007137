"""Fixtures that several rooms share; see `offline`, `server` and `builders` for what they give."""

import offline  # noqa: F401, I001  (first: nothing may open a socket before it)

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bags import BAGS
from batch_server import BatchServer, serving_batches
from builders import persona_lines
from command import Ran, RunAloe, StartAloe, find_outputs, when_written
from hypothesis import settings
from server import ChatServer, serving
from snapshots import snapshot  # noqa: F401

ROOT = Path(__file__).parent.parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a script
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:  # torch's threads beside another worker's only wait
    os.environ.setdefault("OMP_NUM_THREADS", "1")

for name in list(os.environ):  # what a developer has set must not change a test
    if name.lower().endswith("_proxy") or name.startswith("OPENAI_"):
        del os.environ[name]

settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots",
        action="store_true",
        help="Write the pictures in tests/snapshots, and check the whole shipped pool anew.",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files with the most slow tests first, so that no worker is left alone with one."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep what the program remembers of its user away from the developer's own."""
    folder = tmp_path_factory.mktemp("state")
    os.environ["XDG_STATE_HOME"] = str(folder)
    return folder


@pytest.fixture
def personas_file(tmp_path: Path) -> Path:
    path = tmp_path / "personas.jsonl"
    path.write_text(persona_lines(), encoding="utf-8")
    return path


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Write a module of a user's own into the working folder, for a purpose; return its name."""

    def write(purpose: str, source: str) -> str:
        name = f"own_{purpose}_{abs(hash(tmp_path))}"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path])  # which loading it adds to
        return name

    return write


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


@pytest.fixture
def batches() -> Iterator[BatchServer]:
    with serving_batches() as running:
        yield running


@pytest.fixture
def aloe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunAloe:
    """Run the command line in this process, with consoles of its own as in a new one."""
    from aloe import console
    from aloe.cli import main

    def run(*arguments: object) -> Ran:
        console.stdout.cache_clear()
        console.stderr.cache_clear()
        monkeypatch.setattr(sys, "argv", ["aloe", *map(str, arguments)])
        capsys.readouterr()
        written = find_outputs(arguments)
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        captured = capsys.readouterr()
        for path, before in written.items():
            if code == 0 and when_written(path) != before:  # whoever writes says so
                assert str(path) in captured.out + captured.err, f"{path} was written silently"
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartAloe]:
    """Start the command line in a child process, in `tmp_path` and off the network."""
    children: list[subprocess.Popen[str]] = []

    def run(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
        code = "import offline; from aloe.cli import main; main()"
        child = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield run
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.communicate()


@pytest.fixture
def bag_settings(tmp_path: Path) -> Path:
    """Return a file of settings with a light embedder."""
    path = tmp_path / "bag_settings.toml"
    path.write_text(f'[personas]\nembedder = "{BAGS}"\nthreshold = 0.8\nbatch = 8\n')
    return path


@pytest.fixture
def composed_pool(tmp_path: Path, bag_settings: Path, aloe: RunAloe) -> Path:
    """Return a pool of 30 composed personas."""
    path = tmp_path / "pool.jsonl"
    ran = aloe(
        *("personas", "grow", "--compose", "--count", 30, "--out", path),
        *("--config", bag_settings, "--batch", 8, "--quiet"),
    )
    assert ran.code == 0, ran.err
    return path
