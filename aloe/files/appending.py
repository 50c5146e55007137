"""Append-only files, so that a run can be stopped at any point.

Lines are written whole and flushed. A kill may tear the last one; resuming cuts it off. A person
who wrote a file by hand may have left out its last line break; resuming adds it.
"""

import json
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
            _cut_last_line(path, keep_record=False)
        raise unwritable(path, error, then) from None


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last line break of `path`; a whole record gets its line break.

    Reads only the end of the file, which need not exist.
    """
    if path.exists():
        _cut_last_line(path, keep_record=True)


def _cut_last_line(path: Path, *, keep_record: bool) -> None:
    with path.open("rb+") as file:
        end = start = file.seek(0, os.SEEK_END)
        whole = 0
        while start and not whole:
            start = max(0, start - BLOCK)
            file.seek(start)
            found = file.read(BLOCK).rfind(b"\n")
            whole = start + found + 1 if found >= 0 else 0
        if whole == end:
            return
        file.seek(whole)
        if keep_record and is_record(file.read()):
            file.write(b"\n")
        else:
            file.truncate(whole)


def is_record(line: bytes) -> bool:
    """Whether a line is a JSON object from its beginning to its end."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def ends_whole(path: Path) -> bool:
    """Whether the last line of a file that is not empty has its line break."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
