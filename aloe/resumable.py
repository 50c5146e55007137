"""What commands that can be resumed have in common."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from aloe.console import say
from aloe.errors import INTERRUPTED, TERMINATED, BudgetError
from aloe.loop import TerminatedError


@contextmanager
def resumable(folder: Path | None = None) -> Iterator[None]:
    """Say how to go on if the user or the system stops what is done meanwhile; end the command.

    Batches that a server works on are left to it, and named.

    Args:
        folder: where what is finished is kept, if that is to be said.
    """
    before = _handle_termination()
    try:
        yield
    except KeyboardInterrupt as stop:
        where = f" in {folder}" if folder else ""
        say(f"stopped; run the same command again to resume{where}")
        if folder and (left := _left_at_servers(folder)):
            say(
                f"{', '.join(left)} at the server: the same command picks up the answers, "
                f"`aloe batches {folder} --cancel` ends what is not done"
            )
        code = TERMINATED if isinstance(stop, TerminatedError) else INTERRUPTED
        raise typer.Exit(code) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def within_budget(folder: Path) -> Iterator[None]:
    """Say how to go on if the budget is spent meanwhile.

    Args:
        folder: folder or file where answers are kept.

    Raises:
        BudgetError: it is spent.
    """
    try:
        yield
    except BudgetError as error:
        raise BudgetError(
            f"{error}; answers are kept: to continue in {folder}, raise the cap and run the same "
            "command again"
        ) from None


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


def _left_at_servers(folder: Path) -> list[str]:
    """Return the batches of a run folder whose answers have not come."""
    from aloe.calls.batch_ledger import ledgers_in

    return [sent.id or sent.file for each in ledgers_in(folder) for sent in each.awaited()]
