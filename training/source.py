"""The file that training data are read from, opened once: of trees, of conversations or of rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from aloe.errors import InputError
from aloe.files.lines import Place, refuse
from aloe.files.records import read_records
from aloe.memory.conversations import is_conversation, read_paths, unite
from aloe.memory.run_folder import explain_lack, read_trees
from aloe.schema import Tree

Kind = Literal["trees", "conversations", "rows"]

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
"""Of the files that are looked for in a folder."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file and what it holds, to be read once."""

    file: Path
    kind: Kind
    """`conversations` have the layout of the paper's data."""
    records: Iterator[tuple[Place, Any]]
    """What it holds unless that is trees, which have a reader of their own."""

    def trees(self) -> Iterator[tuple[Place, Tree]]:
        """Yield the trees of a file of trees or conversations, each with its place.

        Raises:
            InputError: a line is broken, or two contradict each other.
        """
        if self.kind == "conversations":
            yield from unite(read_paths(self.records, refuse)).trees
            return
        for number, tree in enumerate(read_trees(self.file), 1):
            yield Place(self.file, line=number), tree


def open_source(file: Path) -> Source:
    """Return what is in a file, by its first record.

    Raises:
        InputError: the file cannot be read.
    """
    if file.name == "trees.jsonl":  # its last line may be torn
        return Source(file=file, kind="trees", records=iter(()))
    records = read_records(file)
    first = next(records, None)
    if first is None:
        return Source(file=file, kind="rows", records=records)
    _, record = first
    if isinstance(record, dict) and {"nodes", "verdicts"} <= record.keys():
        return Source(file=file, kind="trees", records=iter(()))
    kind: Kind = "conversations" if is_conversation(record) else "rows"
    return Source(file=file, kind=kind, records=chain([first], records))


def find_file(data: Path, row_format: str) -> Path:
    """Return the file to train on.

    Args:
        data: the file itself, or a run or dataset folder that holds it.
        row_format: name of the rows that are wanted.

    Raises:
        InputError: there is none.
    """
    if not data.exists():
        raise InputError(data, "does not exist")
    if data.is_file():
        return data
    if not data.is_dir():
        raise InputError(data, "is a pipe or a device, and has to be read more than once; "
                               "write it to a file first")  # fmt: skip
    stems = (row_format, "train", f"{row_format}/train")
    names = ["trees.jsonl", *(stem + suffix for stem in stems for suffix in SUFFIXES)]
    if found := next((data / name for name in names if (data / name).is_file()), None):
        return found
    known = ", ".join(f"{stem}.jsonl" for stem in ("trees", *stems))
    advice = f"holds none of {known} (or .jsonl.gz, .parquet); name a file"
    raise explain_lack(data, "trees.jsonl", advice)
