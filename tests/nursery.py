"""Starts the command line in child processes without paying for its imports each time.

Run as a program: it imports what a simulation needs once and then, for each line of JSON on stdin,
forks a child with these arguments, or waits for the last one (`null`), and answers with its process
id or its exit status.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import offline  # noqa: F401

MODULES = (
    "aloe.cli",
    "aloe.models.http_chat",
    "aloe.loop",
    "aloe.calls.history",
    "aloe.calls.replay",
    "aloe.graphs.simulation",
    "aloe.graphs.commands.simulate",
)


class Nursery:
    """The other end: what a test holds."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, *arguments: object) -> int:
        """Start the command line and return its process id."""
        return int(self._ask([str(each) for each in arguments]))

    def wait(self) -> int:
        """Wait for the last child and return its exit code, negative if a signal ended it."""
        return int(self._ask(None))

    def _ask(self, question: Any) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Run a nursery whose children write what they have to say to its stderr."""
    tests = Path(__file__).parent
    with subprocess.Popen(
        [sys.executable, __file__],
        env={**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Nursery(process)
        assert process.stdin
        process.stdin.close()


def _serve() -> None:
    for name in MODULES:
        importlib.import_module(name)
    child = 0
    for line in sys.stdin:
        arguments = json.loads(line)
        if arguments is None:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        child = os.fork()
        if child == 0:
            _run(arguments)
        print(child, flush=True)


def _run(arguments: list[str]) -> None:
    from aloe.cli import main

    os.dup2(2, 1)
    sys.argv = ["aloe", *arguments]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
