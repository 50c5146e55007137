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

    Args:
        folder: where what is finished is kept, if that is to be said.
    """
    try:
        yield
    except KeyboardInterrupt:
        where = f" in {folder}" if folder else ""
        say(f"stopped; run the same command again to resume{where}")
        raise typer.Exit(INTERRUPTED) from None
