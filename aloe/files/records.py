"""Records out of a file: the one reader of personas, rows, pairs and cases.

People bring what their tools write. `read_records` accepts JSON Lines (even with several values on
a line), pretty-printed JSON, an array, an object of columns or one wrapping a list of rows, CSV and
similar formats, and Parquet. It never repairs anything: doubtful input is reported with its place.
`read_models` reads what this program wrote itself, one JSON object a line and nothing else.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from aloe.errors import InputError
from aloe.files.appending import ends_whole, is_torn
from aloe.files.hub import is_hub, read_hub
from aloe.files.lines import OnBad, Place, decode_lines, open_bytes, read_lines, refuse
from aloe.files.tables import csv_rows, parquet_rows

Model = TypeVar("Model", bound=BaseModel)

LINES = frozenset({".jsonl", ".ndjson", ".jsonlines"})
"""Endings of files that hold one record a line."""
TABLES = frozenset({".csv", ".tsv", ".tab"})


class _TwiceError(Exception):
    """An object has two values of one name."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, in which each name must occur only once."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return made


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_BLANK = " \t\r\n\ufeff"
"""What may stand between JSON values; a byte-order mark does where files were put together."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


_Found = tuple[Place, Any, bool]
"""A value, and whether the text it came from may contain half a character."""


def read_records(path: Path, on_bad: OnBad = refuse) -> Iterator[tuple[Place, Any]]:
    """Yield the records of a file, plain or gzipped, each with its place.

    A record is an object, a string or whatever else JSON has; a row of a table is an object.

    Args:
        path: the file, or a data set of the hub (`aloe.files.hub`). What a file holds decides how
            it is read; its name only where that leaves two ways: `.csv` and `.tsv` are tables, and
            one object in a `.jsonl` file is one record.
        on_bad: called with the error of each record that is broken while others can still be read.

    Raises:
        InputError: the file cannot be read, or `on_bad` raises.
    """
    if is_hub(path):
        yield from read_hub(path)
        return
    with open_bytes(path) as file:
        if file.peek(4).startswith(b"PAR1"):
            yield from parquet_rows(path, file)
            return
        lines = decode_lines(path, file)
        if (first := next((each for each in lines if _stripped(each[1])), None)) is None:
            return
        lines = chain([first], lines)
        if _is_table(path, _stripped(first[1])):
            yield from csv_rows(path, lines, on_bad)
        else:
            yield from _sound(_unwrapped(path, _json_values(path, lines, on_bad)), on_bad)


def read_models(
    path: Path, model: type[Model], *, what: str = "", torn: bool = False
) -> Iterator[tuple[int, Model]]:
    """Yield the objects of a JSONL file, plain or gzipped, with their line numbers.

    Args:
        path: the file.
        model: what each line holds.
        what: what an error begins with, such as "not a score".
        torn: whether the last line is passed over if a kill has left only its beginning.

    Raises:
        InputError: the file cannot be read, or a line is broken.
    """
    lines = read_lines(path)
    for number, line in lines:
        try:
            record = parse_record(model, path, number, line, what=what)
        except InputError:
            if (
                torn
                and is_torn(line.encode())
                and not ends_whole(path)
                and next(lines, None) is None
            ):
                return
            raise
        yield number, record


def parse_record(
    model: type[Model], path: Path, number: int, line: str, *, what: str = ""
) -> Model:
    """Return the object that a line of JSON holds.

    Args:
        model: its type.
        path: the file, for the error.
        number: the line, for the error.
        line: the text.
        what: what the error begins with, such as "not a score".

    Raises:
        InputError: naming file, line, key and what is wrong.
    """
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        problem = error.errors()[0]
        missing = problem["type"] == "missing" and len(problem["loc"]) == 1
        if missing and (other := recognise(line, model)):
            said = ": ".join(filter(None, (what, f"this is {other}")))
            raise InputError(path, said, line=number) from None
        raise InputError(path, describe(error, what), line=number) from None


KINDS = {
    "a tree of a run (`aloe simulate`)": {"persona", "nodes", "verdicts"},
    "a call of a run (events.jsonl)": {"role", "outcome", "latency"},
    "a score of a benchmark (scores.jsonl)": {"dialogue", "turn", "scores"},
    "a training row (`aloe export`)": {"prompt", "chosen", "rejected"},
    "a training row (`aloe export --format sft`)": {"prompt", "completion"},
    "a persona (`aloe personas`)": {"profile", "personality", "facts"},
}
"""Lines that the program writes, by keys that only they have together."""


def recognise(line: str, wanted: type[BaseModel]) -> str | None:
    """Return what of the program's own, other than a `wanted`, a line is; None if nothing."""
    try:
        keys = set(json.loads(line))
    except (ValueError, TypeError):
        return None
    known = wanted.model_fields.keys()
    found = (name for name, own in KINDS.items() if own <= keys and not own <= known)
    return next(found, None)


def describe(error: ValidationError, what: str = "") -> str:
    """Return the first problem with its key, after `what` the whole is called for it."""
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    return ": ".join(filter(None, (what, key, problem["msg"].removeprefix("Value error, "))))


def _stripped(line: str) -> str:
    """Return a line without what JSON takes for blank, and without a byte-order mark."""
    return line.strip(_BLANK)


def _suffix(path: Path) -> str:
    """Return the ending that tells what is in a file, in lower case; `.gz` does not."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _is_table(path: Path, text: str) -> bool:
    """Whether a file that begins with the line `text` holds CSV rather than JSON."""
    suffix = _suffix(path)
    if text[0] in "{[" or suffix in LINES | {".json"}:
        return False
    if suffix in TABLES:
        return True
    try:
        list(_decoded(text))
    except _BrokenJsonError:
        return True
    return False


def _json_values(path: Path, lines: Iterator[tuple[int, str]], on_bad: OnBad) -> Iterator[_Found]:
    """Yield every JSON value at the top level; a line that is broken yields none of its values."""
    for number, line in lines:
        place, text = Place(path, line=number), _stripped(line)
        try:
            values = list(_decoded(text))
        except _BrokenJsonError as error:
            if error.position < len(text):
                on_bad(place.error(f"is not JSON: {error}"))
                continue
            rest = (each.rstrip("\r\n") for _, each in lines)
            yield from _spread(place, "\n".join((text, *rest)), on_bad)
            return
        doubtful = bool(_SURROGATE.search(text))
        yield from ((place, value, doubtful) for _, value in values)


def _spread(place: Place, text: str, on_bad: OnBad) -> Iterator[_Found]:
    """Yield the values of a text in which they go on over several lines.

    Where one of them is broken nobody can tell where the next begins, so that is no matter of
    `on_bad`, except at the end of the text.
    """
    line, counted, doubtful = place.line or 1, 0, bool(_SURROGATE.search(text))
    try:
        for start, value in _decoded(text):
            line, counted = line + text.count("\n", counted, start), start
            yield Place(place.path, line=line), value, doubtful
    except _BrokenJsonError as error:
        begins = line + text.count("\n", counted, error.start)
        if error.position >= len(text.rstrip()):
            on_bad(InputError(place.path, "begins a JSON value that has no end", line=begins))
            return
        broken = begins + text.count("\n", error.start, error.position)
        said = f"is not JSON: {error}, in the value that begins at line {begins}"
        raise InputError(place.path, said, line=broken) from None


class _BrokenJsonError(Exception):
    """A value is no JSON; `start` is where it begins, `position` where it goes wrong."""

    def __init__(self, problem: str, start: int, position: int) -> None:
        super().__init__(problem)
        self.start = start
        self.position = position


def _decoded(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the JSON values in a text with the positions where they begin.

    Raises:
        _BrokenJsonError: one of them is broken, or too large to be read.
    """
    start = _after_blanks(text, 0)
    while start < len(text):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise _BrokenJsonError(error.msg, start, error.pos) from None
        except ValueError:
            raise _BrokenJsonError("a number has thousands of digits", start, start) from None
        except _TwiceError as error:
            said = f"an object has two values called '{error}'"
            raise _BrokenJsonError(said, start, start) from None
        except RecursionError:
            raise _BrokenJsonError("it is nested too deeply", start, start) from None
        yield start, value
        start = _after_blanks(text, end)


def _after_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANK:
        position += 1
    return position


def _sound(found: Iterator[_Found], on_bad: OnBad) -> Iterator[tuple[Place, Any]]:
    r"""Yield the values that can be written again; one half of a `\ud83d\ude00` cannot."""
    for place, value, doubtful in found:
        if doubtful and (half := _half(value)):
            on_bad(place.error(f"holds {half}, half of a character; write it whole or delete it"))
        else:
            yield place, value


def _half(value: Any) -> str | None:
    r"""Return the first lone surrogate in a value as it is written, such as `\ud83d`."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"\\u{ord(error.object[error.start]):x}"
    return None


def _unwrapped(path: Path, found: Iterator[_Found]) -> Iterator[_Found]:
    """Yield the values, or the rows inside if there is but one and it holds rows."""
    first = next(found, None)
    if first is None:
        return
    second = next(found, None)
    _, value, doubtful = first
    rows = None if second else _rows(path, value)
    if rows is not None:
        for number, row in enumerate(rows, 1):
            yield Place(path, row=number), row, doubtful
        return
    yield first
    if second:
        yield second
        yield from found


def _rows(path: Path, value: Any) -> list[Any] | None:
    """Return the rows that a value holds: an array, columns, or a name before an array.

    None if the value is a record itself, as the messages of a conversation are.

    Raises:
        InputError: it holds columns of different lengths or rows.
    """
    if isinstance(value, list):
        return None if _is_conversation(value) else value
    if not isinstance(value, dict) or not value or _suffix(path) in LINES:
        return None
    columns = {name: _column(cells) for name, cells in value.items()}
    lists = {name: cells for name, cells in columns.items() if cells is not None}
    if len(lists) < len(value):
        return None
    only, *others = lists.values()
    if not others and all(isinstance(each, dict) for each in only):
        return only
    if len({len(cells) for cells in lists.values()}) > 1:
        sizes = ", ".join(f"{name} {len(cells)}" for name, cells in lists.items())
        raise InputError(path, f"its columns differ in length: {sizes}")
    if len({frozenset(cells) for cells in value.values() if isinstance(cells, dict)}) > 1:
        raise InputError(path, "its columns have different row numbers")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _column(cells: Any) -> list[Any] | None:
    """Return the cells of a column: a list, or an object whose keys are row numbers."""
    if isinstance(cells, dict) and cells and all(map(str.isdecimal, cells)):
        return [cells[key] for key in sorted(cells, key=int)]
    return cells if isinstance(cells, list) and not _is_conversation(cells) else None


def _is_conversation(value: list[Any]) -> bool:
    """Whether a list holds messages, which are parts of a record and no records."""
    said = ({"role", "content"}, {"from", "value"})
    return bool(value) and all(
        isinstance(each, dict) and any(each.keys() >= keys for keys in said) for each in value
    )
