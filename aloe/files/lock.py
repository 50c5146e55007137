"""One writer at a time: a lock file that a process holds while it writes.

The system releases it when its holders end, however they end, so a killed run leaves nothing to
clean up. Child processes that inherit the open file hold it as well.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from aloe.errors import StoreError
from aloe.files.writing import explain_failure


@contextmanager
def acquire_lock(path: Path, taken: Callable[[str], str]) -> Iterator[TextIO]:
    """Hold the file at `path`, which is made with its folder; give it open.

    Args:
        path: the file.
        taken: given what its holder has written there, says who is in the way.

    Raises:
        StoreError: another process holds it, or the folder cannot be written.
    """
    with explain_failure(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise StoreError(taken(lock.read().strip())) from None
        yield lock


def is_locked(path: Path) -> bool:
    """Whether a process holds the file now."""
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
