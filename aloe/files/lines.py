"""The text of a file, line by line, whatever its encoding and whether or not it is gzipped.

The first bytes say what a file is; its name does not matter. Text is UTF-8, or UTF-16 or UTF-32
with a byte-order mark. Other encodings cannot be distinguished, so they are refused rather than
guessed, and the error says how to convert the file.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe.errors import InputError, locate

_GZIP = b"\x1f\x8b"

RATIO = 50
"""How many times its size a gzipped file may hold: records take 5 to 20, a trap up to 1,000."""
LITTLE = 64 * 2**20
"""Bytes that it may hold whatever its size."""

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Encodings by byte-order mark, the longest mark first."""

_NO_TEXT = {
    _GZIP: "is gzipped twice; unpack it once",
    b"PK\x03\x04": "is a zip archive or a workbook; unpack it, or save its sheet as CSV",
    b"BZh": "is compressed with bzip2; unpack it, or compress it with gzip",
    b"\xfd7zXZ": "is compressed with xz; unpack it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; unpack it, or compress it with gzip",
}
"""What is wrong with a file that begins with these bytes."""


@dataclass(frozen=True)
class Place:
    """Where in a file something stands: its line, or its row where lines say nothing."""

    path: Path
    line: int | None = None
    """Counted from 1."""
    row: int | None = None
    """Counted from 1; the header of a table is no row."""

    def __str__(self) -> str:
        return locate(self.path, self.line, self.row)

    def error(self, problem: str) -> InputError:
        """Return the error that something here is wrong."""
        return InputError(self.path, problem, line=self.line, row=self.row)


OnBad = Callable[[InputError], None]
"""Called with the error of each record that cannot be used; raises it, or lets the next ones be."""


def refuse(error: InputError) -> None:
    """Raise `error`: the `OnBad` of whoever wants a file whole or not at all."""
    raise error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file that are not blank, stripped, with their numbers from 1.

    Raises:
        InputError: the file is missing or holds no text that can be read.
    """
    with open_bytes(path) as file:
        for number, line in decode_lines(path, file):
            if line := line.removeprefix("\ufeff").strip():
                yield number, line


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file for reading bytes, unpacked if it is gzipped.

    Raises:
        InputError: it cannot be read, also if that shows only later, while it is read.
    """
    try:
        with path.open("rb") as file:
            if file.peek(2).startswith(_GZIP):
                size = path.stat().st_size
                with gzip.GzipFile(fileobj=file) as packed:
                    yield io.BufferedReader(_Unpacking(path, packed, max(LITTLE, RATIO * size)))
            else:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(path, "the gzip data is broken; compress the file again") from None
    except IsADirectoryError:
        raise InputError(path, "is a folder; name a file") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from None


class _Unpacking(io.RawIOBase):
    """The bytes of a gzipped file, up to a limit."""

    def __init__(self, path: Path, packed: gzip.GzipFile, limit: int) -> None:
        self._path, self._packed, self._left = path, packed, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._packed.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise InputError(
                self._path, f"unpacks to more than {RATIO} times its size; unpack it by hand"
            )
        return count


def decode_lines(path: Path, file: io.BufferedReader) -> Iterator[tuple[int, str]]:
    r"""Yield the lines of an open file with their numbers; a line ends in \n, \r\n or \r.

    Raises:
        InputError: the file holds no text that can be read.
    """
    encoding = _encoding(path, file.peek())
    number = 0
    try:
        with io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="") as text:
            for number, line in enumerate(text, 1):
                if not line.isascii():
                    line.encode()
                yield number, line
    except UnicodeEncodeError:
        problem = "is not UTF-8 text; save it as UTF-8 (`iconv -f WINDOWS-1252 -t UTF-8`, perhaps)"
        raise InputError(path, problem, line=number) from None
    except UnicodeDecodeError:
        problem = f"is broken {encoding.upper()} text; save the file as UTF-8"
        raise InputError(path, problem, line=number + 1) from None


def _encoding(path: Path, head: bytes) -> str:
    """Return the encoding of a text that begins with `head`.

    Raises:
        InputError: this is no text.
    """
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    for magic, problem in _NO_TEXT.items():
        if head.startswith(magic):
            raise InputError(path, problem)
    if re.search(rb"\x00", head):
        raise InputError(path, "is a binary file or UTF-16 without a mark; save it as UTF-8 text")
    return "utf-8-sig"
