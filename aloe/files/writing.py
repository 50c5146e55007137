"""Files that appear whole or not at all, and one error for those that cannot be written."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aloe.errors import StoreError

if TYPE_CHECKING:
    from pydantic import BaseModel


def unwritable(what: Path | str, error: OSError, then: str = "") -> StoreError:
    """Return the error that says so; `then`: what is saved, and what can be done."""
    said = f"{what} cannot be written ({error.strerror or error})"
    return StoreError(f"{said}; {then}" if then else said)


@contextmanager
def explain_failure(what: Path | str, then: str = "") -> Iterator[None]:
    """Turn what the system raises inside into the one error, as `unwritable` makes it."""
    try:
        yield
    except OSError as error:
        raise unwritable(what, error, then) from None


def replace_text(path: Path, text: str) -> None:
    """Write a text in one step: readers see the old file or the new, never a part.

    Raises:
        StoreError: the file cannot be written.
    """
    replace_chunks(path, [text.encode()])


def model_lines(records: "Iterable[BaseModel]") -> str:
    """Return records as JSON, one a line."""
    return "".join(record.model_dump_json() + "\n" for record in records)


def row_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as JSON, one a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def replace_bytes(path: Path, data: bytes) -> None:
    """Write `data` in one step, as `replace_text` does."""
    replace_chunks(path, [data])


def save_picture(figure: Any, path: Path, **options: Any) -> None:
    """Write a figure of matplotlib in one step, as `replace_text` does.

    Args:
        figure: what is drawn.
        path: the file, whose ending names the format.
        options: of `savefig`.

    Raises:
        StoreError: the file cannot be written.
    """
    data = BytesIO()
    figure.savefig(data, format=path.suffix[1:], **options)
    replace_bytes(path, data.getvalue())


def replace_chunks(path: Path, chunks: Iterable[bytes]) -> int:
    """Write chunks in one step, as `replace_text` does; return how many there were."""
    target = path.resolve()  # a link goes on pointing there
    part = target.with_name(f"{target.name}.{os.getpid()}.part")  # another process has its own
    count = 0
    with explain_failure(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    count += 1
            part.replace(target)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    return count


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which takes the place of `folder`, empty or missing, in one step.

    Nothing is left of it if what is done inside fails. What a killed process left stays: nothing
    tells it from a folder of the user's, or from one that another process is filling.

    Raises:
        StoreError: the folder cannot be written, or is the one that this process works in.
    """
    with explain_failure(folder):
        target = folder.resolve()  # a link goes on pointing there
        if target == Path.cwd():  # relative paths would lead nowhere once it is replaced
            raise StoreError(f"{folder} is the folder that you are in; name another one")
        target.parent.mkdir(parents=True, exist_ok=True)
        with _make_beside(target) as made:
            part = Path(made) / "part"  # with the usual mode: the folder around it is private
            part.mkdir()
            yield part
            part.rename(target)


def _make_beside(target: Path) -> "TemporaryDirectory[str]":
    prefix = f"{target.name[:100]}."  # a name that is nearly too long has room for the rest
    return TemporaryDirectory(
        prefix=prefix, suffix=".part", dir=target.parent, ignore_cleanup_errors=True
    )
