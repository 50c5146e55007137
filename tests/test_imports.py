"""The rooms import one way, and the command line starts without the heavy packages."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ROOMS = {
    "aloe": {"aloe"},
    "memory": {"aloe", "memory"},
    "agents": {"aloe", "memory", "agents"},
    "graphs": {"aloe", "memory", "agents", "graphs"},
    "benchmark": {"aloe", "memory", "agents", "graphs", "benchmark"},
    "training": {"aloe", "memory", "training"},
}
"""What each room may import."""

FORBIDDEN = {
    "memory": {"torch", "langgraph"},
    "agents": {"torch", "langgraph"},
    "graphs": {"torch"},
    "training": {"langgraph"},
}

HEAVY = [
    "asyncio",
    "chromadb",
    "datasets",
    "langchain_community",
    "langchain_openai",
    "langgraph",
    "numpy",
    "onnxruntime",
    "openai",
    "opentelemetry",
    "pydantic",
    "textual",
    "torch",
    "transformers",
    "trl",
    "xllamacpp",
]


def imports(file: Path) -> Iterator[str]:
    """Yield the dotted name of everything that `file` imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively; rooms are imported by name"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def files(room: str) -> Iterator[Path]:
    """Yield the sources of a room.

    The command line and the programs that measure (`bench_*`) see every room and are in none.
    """
    for file in (ROOT / room).rglob("*.py"):
        of_commands = file == ROOT / "aloe/cli.py" or file.parent == ROOT / "aloe/commands"
        if not of_commands and not file.name.startswith("bench_"):
            yield file


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_one_way(room: str) -> None:
    for file in files(room):
        for name in imports(file):
            top = name.split(".")[0]
            if file != ROOT / "aloe/__main__.py":
                assert top not in ROOMS or top in ROOMS[room], f"{file} imports {name}"
                assert not name.startswith(("aloe.cli", "aloe.commands")), f"{file}: {name}"
            assert top not in FORBIDDEN.get(room, set()), f"{file} imports {name}"


def test_training_reads_nothing_of_memory_but_the_tree_store() -> None:
    for file in files("training"):
        for name in imports(file):
            of_trees = name.startswith(("memory.trees", "memory.conversations"))
            assert not name.startswith("memory") or of_trees, file


def test_the_walk_sees_the_sources() -> None:
    assert {"aloe.schema.Tree", "collections.abc.Callable"} <= set(
        imports(ROOT / "training/export.py")
    )
    assert all(any(files(room)) for room in ROOMS)


def test_the_command_line_starts_light() -> None:
    code = "import json, sys, aloe.cli; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    assert "typer" in loaded
    assert [name for name in HEAVY if name in loaded] == []
