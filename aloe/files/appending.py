"""Append-only files, so that a run can be stopped at any point.

Lines are written whole and flushed. A kill may tear the last one; resuming cuts it off. A person
who wrote a file by hand may have left out its last line break; resuming adds it. A last line that
is neither was not written here, so nothing of it is cut.
"""

import codecs
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pydantic_core import from_json

from aloe.errors import InputError
from aloe.files.writing import explain_failure, unwritable

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
    before = None
    try:
        with path.open("a", encoding="utf-8") as file:
            before = file.tell()
            file.write(lines)
    except OSError as error:
        if before is not None:
            with suppress(OSError):
                os.truncate(path, before)
        raise unwritable(path, error, then) from None


def cut_torn_line(path: Path) -> None:
    """Cut off a torn last line of `path`; a whole record gets its line break.

    Reads only the end of the file, which need not exist.

    Raises:
        InputError: the last line is neither, so something else wrote it; nothing is changed.
        StoreError: the file cannot be written.
    """
    if not path.exists():
        return
    with explain_failure(path), path.open("rb+") as file:
        whole = _find_last_line(file)
        tail = file.read()
        if is_record(tail):
            file.write(b"\n")
        elif is_torn(tail):
            file.truncate(whole)
        elif tail.strip():
            raise InputError(
                path, "the last line is neither a record nor the beginning of one; delete or end it"
            )


def _find_last_line(file: BinaryIO) -> int:
    """Go behind the last line break of a file, and return where that is."""
    start = file.seek(0, os.SEEK_END)
    found = -1
    while start and found < 0:
        start = max(0, start - BLOCK)
        file.seek(start)
        found = file.read(BLOCK).rfind(b"\n")
    return file.seek(start + found + 1)


def is_record(line: bytes) -> bool:
    """Whether a line is a JSON object from its beginning to its end."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def is_torn(line: bytes) -> bool:
    """Whether a line is the beginning of a JSON object that has no end.

    What has come to an end is not torn, whatever follows it, nor is what no end could make JSON. A
    power failure may leave zeros for what it lost.
    """
    begun = line.removeprefix(codecs.BOM_UTF8).strip().rstrip(b"\0")
    if not begun.startswith(b"{"):
        return False
    try:
        from_json(begun)
    except ValueError as error:
        return str(error).startswith("EOF ")
    return False


def ends_whole(path: Path) -> bool:
    """Whether the last line of a file that is not empty has its line break."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
