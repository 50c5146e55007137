"""Commands of the program, each in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence

from aloe.benchmark.experiment.steps import RunCommand
from aloe.errors import INTERRUPTED, TERMINATED, AloeError

SILENT = (("export",), ("relabel",), ("train", "merge"))
"""Commands that show no progress, and so cannot be told to leave it out."""


def is_silent(arguments: Sequence[str]) -> bool:
    """Whether a command shows no progress."""
    return any(tuple(arguments[: len(each)]) == each for each in SILENT)


def make_command_runner(lock: int, *, quiet: bool) -> RunCommand:
    """Return what runs a command in a process that holds the experiment's folder as well.

    Args:
        lock: the file that holds the folder (`Stages.hold`).
        quiet: whether commands show nothing of their progress.
    """

    def run(arguments: Sequence[str]) -> None:
        command = [sys.executable, "-m", "aloe", *arguments]
        if quiet and not is_silent(arguments):
            command.append("--quiet")
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, pass_fds=(lock,), check=False)
        if ended.returncode in (INTERRUPTED, TERMINATED):
            raise KeyboardInterrupt
        if ended.returncode:
            raise AloeError(
                f"`aloe {' '.join(arguments)}` ended with exit code {ended.returncode}; the reason "
                "is above; the same command resumes from there"
            )

    return run
