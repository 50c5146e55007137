"""Imports run one way and in no circle, files are short, and the command line starts light."""

import ast
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "aloe": set(),
    "memory": set(),
    "agents": {"memory"},
    "graphs": {"memory", "agents"},
    "benchmark": {"memory", "agents", "graphs"},
    "training": {"memory", "agents"},
}
"""The packages below each, lazy imports included; `aloe` itself is the ground of all."""

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

LINES = 350
"""No source is longer."""


def modules() -> dict[str, Path]:
    """Return every source by the name that it is imported by."""
    found = {}
    for package in MAY_IMPORT:
        for file in (ROOT / package).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            house = parts if package == "aloe" else ("aloe", *parts)
            found[".".join(house[:-1] if house[-1] == "__init__" else house)] = file
    return found


MODULES = modules()
del MODULES["aloe"]  # the library's front door, which names what stands in every package


def imports(file: Path) -> Iterator[str]:
    """Yield the dotted name of everything that `file` imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def package_of(module: str) -> str:
    """Return which package a module stands in: `aloe.agents.judge` in `agents`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else parts[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_one_way(package: str) -> None:
    mine = {name: file for name, file in MODULES.items() if package_of(name) == package}
    assert mine
    for file in mine.values():
        for name in imports(file):
            top = package_of(name)
            assert name.split(".")[0] not in set(MAY_IMPORT) - {"aloe"}, f"{file} imports {name}"
            assert top not in MAY_IMPORT or top in {"aloe", package, *MAY_IMPORT[package]}, (
                f"{file} imports {name}"
            )
            assert top not in FORBIDDEN.get(package, set()), f"{file} imports {name}"


def test_the_ground_does_not_import_the_command_line() -> None:
    for module, file in MODULES.items():
        if module != "aloe.__main__":
            assert not [name for name in imports(file) if name.startswith("aloe.cli")], file


def test_training_reads_nothing_of_memory_but_trees_and_how_their_labels_agree() -> None:
    for module, file in MODULES.items():
        if package_of(module) == "training":
            memory = [name for name in imports(file) if name.startswith("aloe.memory.")]
            store = ("aloe.memory.run_folder", "aloe.memory.out_files", "aloe.memory.conversations")
            allowed = (*store, "aloe.memory.label_agreement")
            assert all(name.startswith(allowed) for name in memory), file


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: set(resolved(file)) - {module} for module, file in MODULES.items()}
    assert circles(graph) == []


def resolved(file: Path) -> Iterator[str]:
    """Yield the modules of the project that a file imports."""
    for name in imports(file):
        if name in MODULES:
            yield name
        elif (parent := name.rpartition(".")[0]) in MODULES:
            yield parent


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other: take away what leads nowhere, then again.

    What is left lies on a circle or between two of them.
    """
    left = {module: set(targets) for module, targets in graph.items()}
    while done := {module for module, targets in left.items() if not targets & left.keys()}:
        left = {module: targets - done for module, targets in left.items() if module not in done}
    return [sorted(left)] if left else []


def test_a_circle_would_be_seen() -> None:
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_no_source_is_too_long_to_be_read_at_once() -> None:
    lines = {file: len(file.read_text("utf-8").splitlines()) for file in MODULES.values()}
    assert {f"{file.relative_to(ROOT)}: {n}" for file, n in lines.items() if n > LINES} == set()


def test_no_two_public_classes_share_a_name() -> None:
    homes = defaultdict(list)
    for module, file in MODULES.items():
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_numbers_with_a_sign_are_formatted_in_one_place() -> None:
    """A sign before a zero says what is not so: see `aloe.number_format`."""
    found = [
        f"{module}, line {node.lineno}"
        for module, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FormattedValue) and node.format_spec
        if ast.unparse(node.format_spec).startswith(("f'+", 'f"+'))
    ]
    assert found == []


def test_a_command_holds_flags_and_one_call() -> None:
    long = {}
    for module, file in MODULES.items():
        if ".commands." in module:
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.end_lineno:
                    length = node.end_lineno - node.lineno + 1
                    if length > 60:
                        long[f"{module}.{node.name}"] = length
    assert long == {}


def test_types_are_shipped() -> None:
    assert (ROOT / "aloe/py.typed").is_file()


def test_the_walk_sees_the_sources() -> None:
    names = set(imports(ROOT / "training/export.py"))
    assert {"aloe.schema.Tree", "collections.abc.Callable"} <= names
    packages = set(map(package_of, MODULES))
    assert packages == set(MAY_IMPORT)
    assert len(set(chain(MODULES.values()))) > 200


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
    assert [name for name in loaded if name.startswith("aloe.") and ".commands" in name] == []
