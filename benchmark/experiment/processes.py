"""Commands of the program, each in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence

from aloe.benchmark.experiment.steps import RunCommand
from aloe.errors import INTERRUPTED, TERMINATED, AloeError


def make_command_runner(lock: int, *, quiet: bool) -> RunCommand:
    """Return what runs a command in a process that holds the experiment's folder as well.

    Args:
        lock: the file that holds the folder (`Stages.hold`).
        quiet: whether commands show nothing of their progress.
    """

    def run(arguments: Sequence[str]) -> None:
        command = [sys.executable, "-m", "aloe", *arguments]
        if quiet and arguments[0] != "export":
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
