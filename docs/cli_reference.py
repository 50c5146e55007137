"""The page on the command line, made of the commands themselves when the site is built.

What the page says is what `--help` says, so there is nothing to keep up to date.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

from aloe.cli import COMMANDS, load

TITLE = "Command line"
START = """# Command line

What `--help` of each command says. Results go to stdout, everything else to stderr; an error is one
line and exit code 2, a spent budget exit code 3, Ctrl-C exit code 130, SIGTERM 143. Every command
takes `--help` and `--traceback`, which shows where code of yours failed.
"""
SHARED = ("traceback", "help")
"""Parameters that every command has."""


def write_page() -> str:
    """Return the page as Markdown."""
    shown = (name for name, command in COMMANDS.items() if not command.hidden)
    return "\n".join([START, *(line for name in shown for line in _write(name, load(name), 2))])


def _write(name: str, command: Any, depth: int) -> Iterator[str]:
    """Yield the lines about a command, and those about the commands in it."""
    yield f"{'#' * depth} aloe {name}\n"
    yield _unwrap(command.help or "") + "\n"
    inner = getattr(command, "commands", {})
    params = [each for each in command.params if each.name not in SHARED and not _is_hidden(each)]
    if not inner:
        yield f"```text\n{write_usage(name, params)}\n```\n"
    if params:
        yield "| parameter | default | meaning |\n|---|---|---|"
        yield from map(write_row, params)
        yield ""
    for each, sub in inner.items():
        yield from _write(f"{name} {each}", sub, depth + 1)


def write_usage(name: str, params: list[Any]) -> str:
    """Return what is typed: the command and all that it has to be given."""
    return " ".join(["aloe", name, *(_name(each) for each in params if each.required), "[OPTIONS]"])


def write_row(param: Any) -> str:
    """Return a row of the table: the parameter with its value, its default and its help."""
    meaning = " ".join(filter(None, [_unwrap(param.help or ""), _limits(param)]))
    meaning = meaning.replace("[", "\\[")  # no links: what stands in brackets may be left out
    cells = (f"`{_name(param)}`", _default(param), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _name(param: Any) -> str:
    """Return what stands for an argument, or an option with what follows it."""
    if _is_argument(param):
        return str(param.metavar or param.name.upper())
    options = " / ".join([*param.opts, *param.secondary_opts])
    return f"{options} {_value(param)}".rstrip()


def _is_argument(param: Any) -> bool:
    return not param.opts[0].startswith("-")


def _is_hidden(param: Any) -> bool:
    return bool(getattr(param, "hidden", False))


def _unwrap(text: str) -> str:
    """Return a docstring with each paragraph on one line."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))


def _value(param: Any) -> str:
    """Return what an option is followed by; nothing if it is a flag."""
    if param.is_flag or getattr(param, "count", False):
        return ""
    kind = param.type_descriptor.annotation
    if param.metavar:
        return str(param.metavar)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(each.value) for each in kind)
    if choices := [each for each in get_args(kind) if isinstance(each, str)]:
        return "|".join(choices)
    return {int: "INT", float: "FLOAT"}.get(kind, "TEXT")


def _default(param: Any) -> str:
    if param.required:
        return "required"
    value = param.default
    if value is None or value is False or value == () or callable(value):
        return ""
    if value is True:
        return "on"
    value = value.value if isinstance(value, Enum) else value
    return f"`{', '.join(map(str, value)) if isinstance(value, list | tuple) else value}`"


def _limits(param: Any) -> str:
    """Say within which limits a number has to be, and that an option can be given several times."""
    low, high = getattr(param, "min", None), getattr(param, "max", None)
    said = []
    if low is not None and high is not None:
        said.append(f"From {low} to {high}.")
    elif low is not None:
        said.append(f"{low} or more.")
    elif high is not None:
        said.append(f"{high} at most.")
    if param.multiple:
        said.append("Can be given several times.")
    return " ".join(said)
