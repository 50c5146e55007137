"""Data that a program hands over: stored where training reads it, and named in errors as given."""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aloe.errors import AloeError, ConfigError
from aloe.files.writing import model_lines
from aloe.schema import Tree

Data = Iterable[Tree | Mapping[str, Any]] | Tree | str | Path
"""Trees, rows (dicts or a `datasets.Dataset`), or where they are."""


@contextmanager
def store(data: Data) -> Iterator[Path]:
    """Yield the file or folder that holds `data`, for as long as it is read.

    Raises:
        ConfigError: it is none of these.
        AloeError: whatever is raised inside, about "row 3" instead of a line of a file.
    """
    if isinstance(data, str | Path):
        yield Path(data)
        return
    if isinstance(data, Mapping) or not isinstance(data, Iterable):
        raise _unfit(data)
    records: list[Any] = [data] if isinstance(data, Tree) else [*data]
    trees = [each for each in records if isinstance(each, Tree)]
    kind = "tree" if trees else "row"
    wrong = [each for each in records if not isinstance(each, Tree if trees else Mapping)]
    if wrong:
        raise _unfit(wrong[0])
    lines = model_lines(trees) or "".join(map(_line, records, range(1, len(records) + 1)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{kind}s.jsonl"
        file.write_text(lines, encoding="utf-8")
        try:
            yield file
        except AloeError as error:
            said = re.sub(rf"{re.escape(str(file))}:(\d+)", rf"{kind} \1", str(error))
            error.args = (said.replace(str(file), "data"),)
            raise


def _line(row: Mapping[str, Any], number: int) -> str:
    try:
        return json.dumps({**row}, ensure_ascii=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ConfigError(f"row {number}: holds what JSON cannot hold ({error})") from None


def _unfit(found: Any) -> ConfigError:
    more = "; give one of its splits" if isinstance(found, Mapping) and "train" in found else ""
    return ConfigError(
        "data: takes trees, rows (dicts or a datasets.Dataset) or a path, not "
        f"{type(found).__name__}{more}"
    )
