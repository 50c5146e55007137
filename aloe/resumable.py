"""What commands that can be resumed have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from aloe.console import say
from aloe.errors import INTERRUPTED


@contextmanager
def resumable(folder: Path | None = None) -> Iterator[None]:
    """Say how to go on if the user stops what is done meanwhile, and end the command.

    Batches that a server works on are left to it, and named.

    Args:
        folder: where what is finished is kept, if that is to be said.
    """
    try:
        yield
    except KeyboardInterrupt:
        where = f" in {folder}" if folder else ""
        say(f"stopped; run the same command again to resume{where}")
        if folder and (left := _left_at_servers(folder)):
            say(
                f"{', '.join(left)} at the server: the same command picks up the answers, "
                f"`aloe batches {folder} --cancel` ends what is not done"
            )
        raise typer.Exit(INTERRUPTED) from None


def _left_at_servers(folder: Path) -> list[str]:
    """Return the batches of a run folder whose answers have not come."""
    from aloe.calls.batch_ledger import ledgers_in

    return [sent.id or sent.file for each in ledgers_in(folder) for sent in each.awaited()]
