"""A flag that changes nothing misleads: whoever gives it believes that it did something."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import aloe as package

ROOT = Path(package.__file__).parent.parent
COMMANDS = [
    node
    for folder in ("aloe", "memory", "agents", "graphs", "training", "benchmark")
    for file in sorted((ROOT / folder / "commands").glob("*.py"))
    for node in ast.parse(file.read_text("utf-8")).body
    if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
]


def thrown_away(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the arguments that nothing is made of: never read, or only loaded to be checked."""
    idle = {
        name.id
        for node in ast.walk(function)
        if isinstance(node, ast.Expr) and ast.unparse(node).startswith("settings.load(")
        for name in ast.walk(node)
        if isinstance(name, ast.Name)
    }
    read = [
        n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    ]
    for argument in (*function.args.args, *function.args.kwonlyargs):
        if argument.arg not in read or (argument.arg in idle and read.count(argument.arg) == 1):
            yield argument.arg


@pytest.mark.parametrize("command", COMMANDS, ids=lambda node: node.name)
def test_every_flag_of_a_command_does_something(command: ast.FunctionDef) -> None:
    assert list(thrown_away(command)) == []


@pytest.mark.parametrize(
    "body", ["del seed", "settings.load(seed)", "pass"], ids=["deleted", "checked", "unread"]
)
def test_a_flag_without_effect_is_seen(body: str) -> None:
    (function,) = ast.parse(f"def command(seed, out):\n    {body}\n    print(out)\n").body
    assert isinstance(function, ast.FunctionDef)
    assert list(thrown_away(function)) == ["seed"]
