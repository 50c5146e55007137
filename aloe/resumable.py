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
from aloe.loop import TerminatedError


@contextmanager
def resumable(folder: Path | None = None) -> Iterator[None]:
    """Say how to go on if the user or the system stops what is done meanwhile; end the command.

    Args:
        folder: where what is finished is kept, if that is to be said.
    """
    before = _handle_termination()
    try:
        yield
    except KeyboardInterrupt as stop:
        where = f" in {folder}" if folder else ""
        say(f"stopped; run the same command again to resume{where}")
        code = TERMINATED if isinstance(stop, TerminatedError) else INTERRUPTED
        raise typer.Exit(code) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _handle_termination() -> "signal._HANDLER":
    """Have SIGTERM end what runs as Ctrl-C does; None where it is somebody else's to handle."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return None
    try:
        return signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # not the main thread
        return None


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the second one ends it at once
    raise TerminatedError
