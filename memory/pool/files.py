"""The files of a pool: personas.jsonl, and what is needed to keep near-copies out.

    personas.jsonl      the pool itself: one admitted persona per line, appended and flushed
    personas.pool/      derived from it; can be deleted and is rebuilt at the next start
        chroma/         vectors of every profile and personality (not with a Chroma server)
        growth.jsonl    what became of every candidate, with the reason
        waiting.jsonl   what the gate has accepted and nobody is yet made of
        events.jsonl    every model call
        lock            held by the one process that may write

A persona is admitted once its line is complete. Vectors are written after the line, so a kill at
any moment leaves at most a torn last line, which is cut off, and a store that lags behind, which is
synced: ids are content hashes of the texts, so what is missing or left over is a set difference.
A last line that lacks only its line break, perhaps written by hand, is kept. Chroma's embedded
store allows one writer, hence the lock; several machines use one Chroma server
(`personas.store = "http://host:8000"`), each with its own JSONL file.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aloe.errors import InputError, StoreError
from aloe.files.appending import is_record, is_torn
from aloe.files.lock import acquire_lock
from aloe.files.records import parse_record
from aloe.schema import Persona

POOL = ".pool"
"""How the name of the folder beside a pool ends."""


class PoolFiles:
    """The paths of a pool.

    Args:
        path: its personas.jsonl.
    """

    def __init__(self, path: Path) -> None:
        self.personas = path
        self.folder = path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + POOL)
        self.chroma = self.folder / "chroma"
        self.growth = self.folder / "growth.jsonl"
        self.waiting = self.folder / "waiting.jsonl"
        self.events = self.folder / "events.jsonl"
        self.lock = self.folder / "lock"

    def check_lines(self) -> None:
        """Make sure that the pool can grow in its file, which is new or holds personas in lines.

        Raises:
            StoreError: the first line is something else; nothing is changed.
        """
        wanted = "a pool grows in a plain file of personas, one a line: name FILE.jsonl"
        if self.personas.is_dir() or self.personas.suffix == ".gz":
            raise StoreError(f"--out {self.personas}: {wanted}")
        if strange := find_strange(self.personas, torn=self.folder.exists()):
            raise StoreError(f"--out {strange}; {wanted}")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the pool for one process; a folder made for it goes again if nothing came of it.

        Raises:
            StoreError: another process holds it, or the folder cannot be written.
        """
        new = not self.folder.exists()
        with acquire_lock(self.lock, self._taken) as lock:
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            try:
                yield
            finally:
                kept = (self.personas, self.growth, self.waiting, self.events)
                if new and not any(each.exists() for each in kept):
                    shutil.rmtree(self.folder, ignore_errors=True)

    def _taken(self, process: str) -> str:
        return (
            f"{self.personas} is in use by process {process or '?'}: an embedded store has one "
            "writer; wait for it, or set personas.store to the URL of a Chroma server"
        )


def find_strange(path: Path, *, torn: bool = False) -> InputError | None:
    """Return what is wrong with the first line of a file as that of a persona; None if nothing is.

    `torn` says whether it may be no more than a beginning, which a kill left.
    """
    if not path.exists():
        return None
    with path.open("rb") as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        number, first = next(lines, (0, b""))
    if not first or (torn and is_torn(first) and not first.endswith(b"\n")):
        return None
    try:
        parse_record(Persona, path, number, first.decode("utf-8-sig", errors="replace"))
    except InputError as error:
        return error
    return None


def is_pool(path: Path) -> bool:
    """Whether a file is one in which a pool has grown."""
    return path.is_file() and path.suffix != ".gz" and PoolFiles(path.resolve()).folder.exists()


def count_saved(path: Path) -> int:
    """Return how many lines `path` holds once `cut_torn_line` has seen to the last one."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(
            not line.isspace() and (line.endswith(b"\n") or is_record(line)) for line in file
        )
