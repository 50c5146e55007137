"""How long the command line takes to answer: `make bench-cli`.

Every command is a process of its own, as a person starts it, in alternating rounds; the median
counts. Two of Python's own stand beside them: an empty one, and one that only imports typer, which
is the floor for anything written with it. Completion is what a shell runs at the Tab key.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from aloe.files.writing import replace_text

ALOE = str(Path(sys.executable).parent / "aloe")
LIMIT = 0.5
"""Seconds within which help and completion have to answer."""

COMMANDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "`python -c pass`": ([sys.executable, "-c", "pass"], {}),
    "`python -c 'import typer'`": ([sys.executable, "-c", "import typer"], {}),
    "`aloe --help`": ([ALOE, "--help"], {}),
    "`aloe simulate --help`": ([ALOE, "simulate", "--help"], {}),
    "`aloe --version`": ([ALOE, "--version"], {}),
    "completion of a command": (
        [ALOE],
        {"_ALOE_COMPLETE": "complete_bash", "COMP_WORDS": "aloe si", "COMP_CWORD": "1"},
    ),
    "completion of an option": (
        [ALOE],
        {"_ALOE_COMPLETE": "complete_bash", "COMP_WORDS": "aloe export --fo", "COMP_CWORD": "2"},
    ),
}


class Took(NamedTuple):
    """What one process took, in seconds."""

    wall: float
    cpu: float


def run(command: list[str], environment: Mapping[str, str]) -> Took:
    """Run one process to its end and return what it took."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, check=True, timeout=60
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(wall=wall, cpu=cpu)


def measure(rounds: int) -> dict[str, list[Took]]:
    """Return what every command took in every round; the first round only warms the disk."""
    found: dict[str, list[Took]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, (command, environment) in COMMANDS.items():
            took = run(command, environment)
            if number:
                found[name].append(took)
    return found


def markdown(found: Mapping[str, list[Took]]) -> str:
    """Return the page."""
    rounds = len(next(iter(found.values())))
    typical = {
        name: Took(*(median(column) for column in zip(*each, strict=True)))
        for name, each in found.items()
    }
    rows = "".join(
        f"| {name} | {each.wall:.2f} | {each.cpu:.2f} |\n" for name, each in typical.items()
    )
    slow = [name for name, each in typical.items() if each.wall >= LIMIT]
    verdict = f"Over {LIMIT} s: {', '.join(slow)}." if slow else f"All finish within {LIMIT} s."
    return (
        "# Start-up time of the command line\n\n"
        f"Written by `make bench-cli`: medians of {rounds} alternating rounds on "
        f"{os.cpu_count()} cores, {platform.machine()},\nPython {platform.python_version()}, "
        "timing each process from start to exit.\n\n"
        f"| | wall s | CPU s |\n|---|---|---|\n{rows}\n{verdict}\n"
    )


def main() -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("docs/performance/cli.md"))
    given = parser.parse_args()
    page = markdown(measure(given.rounds))
    print(page)
    replace_text(given.out, page)


if __name__ == "__main__":
    main()
