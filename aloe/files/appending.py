"""Append-only files, so that a run can be stopped at any point.

Lines are written whole and flushed. A kill may tear the last one; resuming cuts it off.
"""

import os
from contextlib import suppress
from pathlib import Path

from aloe.files.writing import unwritable

BLOCK = 65536
"""Bytes read at a time in search of the last line break."""


def append_lines(path: Path, lines: str, *, then: str = "") -> None:
    """Add lines, each with its line break; what a full disk leaves of them is taken back.

    Args:
        path: the file; its folder must exist.
        lines: what to add.
        then: what the error says is saved, and what can be done.

    Raises:
        StoreError: they could not be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(lines)
    except OSError as error:
        with suppress(OSError):
            cut_torn_line(path)
        raise unwritable(path, error, then) from None


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last line break of `path`, if anything does; reads only the end."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = start = file.seek(0, os.SEEK_END)
        whole = 0
        while start and not whole:
            start = max(0, start - BLOCK)
            file.seek(start)
            found = file.read(BLOCK).rfind(b"\n")
            whole = start + found + 1 if found >= 0 else 0
        if whole < end:
            file.truncate(whole)


def ends_whole(path: Path) -> bool:
    """Whether the last line of a file that is not empty has its line break."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
