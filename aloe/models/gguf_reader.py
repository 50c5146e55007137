"""The gguf package's reader, at a fraction of its time.

It slices a memory map for each string of a vocabulary, and numpy keeps books on every slice of a
memory map; on a plain array over the same memory there is nothing to keep. transformers then opens
the file three times for one model: for its settings, its weights and its tokenizer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any


def open_reader(path: str | Path) -> Any:
    """Return a `gguf.GGUFReader` of the file.

    Raises:
        ImportError: the gguf package is missing.
        OSError: there is no such file.
        ValueError: it is no GGUF file.
    """
    return _reader_class()(path)


@contextmanager
def shared_reader() -> Iterator[None]:
    """Let whoever opens the same GGUF file again in here, transformers for one, get one reader."""
    try:
        import gguf
    except ImportError:  # whoever needs it will say so
        yield
        return
    theirs = gguf.GGUFReader
    opened = lru_cache(maxsize=1)(_reader_class())
    gguf.GGUFReader = opened
    try:
        yield
    finally:
        gguf.GGUFReader = theirs


@lru_cache
def _reader_class() -> Any:
    import gguf
    import numpy as np

    class Reader(gguf.GGUFReader):  # type: ignore[misc, name-defined, unused-ignore]
        @property
        def data(self) -> Any:
            return self._data

        @data.setter
        def data(self, mapped: Any) -> None:
            self._data = np.asarray(mapped)

    return Reader
