"""Rows of a table: CSV with any usual separator, and Parquet.

CSV does not describe itself. The separator is the one that gives the first rows as many cells as
the header. Any other row is refused, because text with an unquoted separator or line break would
otherwise be cut silently. A misplaced quotation mark casts doubt on everything after it, so it ends
the reading. Blanks behind separators belong to the text unless the header has them too, so that no
row changes how another is read.
"""

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aloe.errors import InputError
from aloe.extras import needs
from aloe.files.lines import OnBad, Place
from aloe.secrets import one_line

if TYPE_CHECKING:
    from _csv import Reader

SEPARATORS = ",;\t|"
FORMULAS = frozenset("=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
                     "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
"""With what a formula begins."""

_SAMPLE = 200
"""Lines looked at to find the separator."""
_TOLD = re.compile(r"sep=(.)")
"""The line by which Excel is told the separator."""
_LONGEST = 2**31 - 1
"""Characters of a cell; the csv module stops at 131,072 unless told otherwise."""
_BATCH = 1024
"""Rows of a Parquet file in memory at a time."""

_BLANK = (
    "a blank stands before a quotation mark; leave it out, or put a blank behind every separator "
    "of the header too"
)
_STRAY = "a quotation mark is out of place; inside a quoted text each is doubled, and one ends it"


def csv_rows(
    path: Path, lines: Iterator[tuple[int, str]], on_bad: OnBad
) -> Iterator[tuple[Place, dict[str, str]]]:
    """Yield the rows of a table with a header, each with the line where it begins.

    Cells under a blank name are left out.

    Args:
        path: the file, for errors.
        lines: its lines with their numbers, at least one.
        on_bad: called with the error of each row that is not as wide as the header, or has a blank
            before a quotation mark.

    Raises:
        InputError: a quotation mark is out of place, or two columns have one name.
    """
    csv.field_size_limit(_LONGEST)
    sample = list(islice(lines, _SAMPLE))
    if told := _TOLD.fullmatch(sample[0][1].strip("\r\n\ufeff")):
        del sample[0]
    texts = [text for _, text in sample]
    separator = told[1] if told else _separator(texts)
    spaced = _is_spaced(texts, separator)
    raw: list[str] = []
    """The lines of the row that is read."""
    reader = csv.reader(
        _noted(chain(texts, (text for _, text in lines)), raw),
        delimiter=separator,
        skipinitialspace=spaced,
        strict=True,
    )
    rows = _cells(reader, path, sample[0][0] if sample else 1, raw)
    head, cells = next(rows, (Place(path), []))
    names = [name.strip() for name in cells]
    _check_names(names, head)
    for place, cells in rows:
        doubtful = not spaced and _blank_before_quote(cells, raw, separator)
        if problem := _BLANK if doubtful else _misfit(cells, names, separator):
            on_bad(place.error(problem))
        else:
            yield place, {k: cell for k, cell in zip(names, cells, strict=False) if k}


def guard_formula(cell: str) -> str:
    """Return a cell so that a spreadsheet shows it and runs nothing: a formula gets a ' before it.

    Excel, LibreOffice and Google Sheets take what begins with =, +, - or @ for one, some of them
    also after blanks or in the wide letters of East Asia.
    """
    return f"'{cell}" if cell.lstrip()[:1] in FORMULAS else cell


def _check_names(names: list[str], head: Place) -> None:
    """Make sure that no two columns have the same name.

    Raises:
        InputError: two have.
    """
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise head.error(f"two columns are called '{twice[0]}'; rename one")


def _separator(sample: list[str]) -> str:
    """Return the separator by which most rows are as wide as a header of several columns."""

    def fit(separator: str) -> tuple[float, int]:
        header, *rows = [row for row in csv.reader(sample, delimiter=separator) if row] or [[]]
        whole = rows[:-1] or rows  # the last one may be cut
        fitting = sum(len(row) == len(header) for row in whole)
        share = (1 + fitting) / (1 + len(whole)) if len(header) > 1 else 0.0
        return share, len(header)

    return max(SEPARATORS, key=fit)


def _is_spaced(sample: list[str], separator: str) -> bool:
    """Whether the header has blanks behind separators, which then belong to no cell."""
    header: list[str] = next(filter(None, csv.reader(sample, delimiter=separator)), [])
    return any(name.startswith(" ") for name in header[1:])


def _noted(lines: Iterator[str], raw: list[str]) -> Iterator[str]:
    """Yield lines, and add each to `raw`."""
    for line in lines:
        raw.append(line)
        yield line


def _blank_before_quote(cells: list[str], raw: list[str], separator: str) -> bool:
    """Whether a cell may be a quoted text with a blank before it, which makes the quotes text."""
    doubtful = any(re.match(' +"', cell) for cell in cells)
    return doubtful and bool(re.search(f'{re.escape(separator)} +"', "".join(raw)))


def _cells(
    reader: "Reader", path: Path, first: int, raw: list[str]
) -> Iterator[tuple[Place, list[str]]]:
    """Yield the cells of every row that is not blank, its lines in `raw`; `first` is the first."""
    while True:
        raw.clear()
        place = Place(path, line=first + reader.line_num)
        try:
            cells = next(reader, None)
        except csv.Error:
            raise place.error(_STRAY) from None
        if cells is None:
            return
        if cells:
            yield place, cells


def _misfit(cells: list[str], names: list[str], separator: str) -> str | None:
    """Return what is wrong with the width of a row; blank cells at its end do no harm."""
    there, named = len(cells), len(names)
    if there == named or (there > named and not any(map(str.strip, cells[named:]))):
        return None
    shown = "tab" if separator == "\t" else f"'{separator}'"
    inside = f"a {shown}" if there > named else "a line break"
    return (
        f"has {there} {'cell' if there == 1 else 'cells'}, the header has {named}; "
        f"put every text with {inside} in it between double quotes"
    )


def parquet_rows(path: Path, file: io.BufferedReader) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the rows of an open Parquet file.

    Raises:
        InputError: it is broken, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(path, needs("is Parquet, which", "pyarrow")) from None
    try:
        plain = isinstance(file.raw, io.FileIO)
        source = file if plain else pyarrow.BufferReader(file.read())  # gzip cannot seek quickly
        table = parquet.ParquetFile(source)
        _check_names(table.schema_arrow.names, Place(path))
        rows = (row for batch in table.iter_batches(_BATCH) for row in batch.to_pylist())
        for number, row in enumerate(rows, 1):
            yield Place(path, row=number), row
    except OverflowError as error:  # a date beyond the year 9999, a span beyond Python's
        problem = f"has a date or time that cannot be read ({error}); leave its column out"
        raise InputError(path, problem) from None
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(path, f"is broken Parquet ({one_line(error)})") from None
