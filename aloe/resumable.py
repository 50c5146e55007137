"""What commands that can be resumed have in common."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from aloe.console import say
from aloe.errors import INTERRUPTED, TERMINATED


@contextmanager
def resumable(folder: Path | None = None) -> Iterator[None]:
    """Say how to go on if the user or the system stops what is done meanwhile; end the command.

    Args:
        folder: where what is finished is kept, if that is to be said.
    """
    code = INTERRUPTED

    def terminate(number: int, frame: FrameType | None) -> None:
        """End as Ctrl-C does, so that a job that is put off its machine closes its files."""
        nonlocal code
        code = TERMINATED
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the second one ends it at once
        interrupt = signal.getsignal(signal.SIGINT)
        (interrupt if callable(interrupt) else _interrupt)(number, frame)

    before = _handle_termination(terminate)
    try:
        yield
    except KeyboardInterrupt:
        where = f" in {folder}" if folder else ""
        say(f"stopped; run the same command again to resume{where}")
        raise typer.Exit(code) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Stop where Ctrl-C is ignored, as in the background of a script."""
    raise KeyboardInterrupt


def _handle_termination(handler: "signal._HANDLER") -> "signal._HANDLER":
    """Have SIGTERM handled; return who did before, None where it is somebody else's to handle."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return None
    try:
        return signal.signal(signal.SIGTERM, handler)
    except ValueError:  # not the main thread
        return None
