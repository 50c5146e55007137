"""Copies of things that are slow to make, in the user's cache folder; all may be deleted."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from aloe.errors import AloeError


def keep_copy(name: str, make: Callable[[Path], None]) -> Path | None:
    """Return the file or folder of a name, made first if it is not there.

    Args:
        name: says all that decides what is in it.
        make: is given a path to write it to; what it leaves appears whole or not at all.

    Returns:
        None where nothing can be kept: there is no room, or no home.

    Raises:
        AloeError: as `make` does.
    """
    copy: Path | None = None
    try:
        copy = _folder() / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
                made = Path(scratch) / name
                make(made)
                made.replace(copy)
    except AloeError:
        raise
    except Exception:  # of a full disk every library tells in an error class of its own
        if copy is None or not copy.exists():  # else another process was first
            return None
    return copy


def _folder() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "aloe"
