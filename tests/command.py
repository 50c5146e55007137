"""What tests of the command line share: how a command ended, and waiting for a child process."""

import json
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ran:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The last line on stdout, which `--json` promises to be JSON."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found

    def is_one_line_about(self, *words: str) -> bool:
        """Whether this is the end of a command that a person got wrong."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        assert self.code == 2, self.err
        assert self.out == ""
        for word in words:
            assert word in self.err, self.err
        return True


def find_outputs(arguments: Sequence[object]) -> dict[Path, int | None]:
    """Return what a command line is told to write, and when that was last written."""
    given = pairwise(arguments)
    paths = [Path(str(value)) for name, value in given if name in OUTPUTS]
    return {path: when_written(path) for path in paths}


def when_written(path: Path) -> int | None:
    """Return when a file, or anything in a folder, was last written; None if it is not there."""
    if not path.exists():
        return None
    return max(each.stat().st_mtime_ns for each in (path, *path.rglob("*")))


OUTPUTS = ("--out", "--svg", "--map", "--record", "--report")
"""Options that name what a command writes."""

RunAloe = Callable[..., Ran]
StartAloe = Callable[..., "subprocess.Popen[str]"]


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until `condition` holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file of this process grow over `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
