"""The header of a GGUF file, read fast.

The gguf package creates an array for every string of a vocabulary, which takes seconds for a large
one; a model about to be served needs its control tokens at once.
"""

import math
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
"""Type numbers of the format, and how `struct` calls them."""
STRING, ARRAY = 8, 9


def read_header(path: Path) -> dict[str, Any]:
    """Return the metadata of a GGUF file (version 2 or 3, little-endian), by key.

    Raises:
        ValueError: it is no such file, or one that was cut off.
    """
    with _opened(path) as data:
        return _fields(data)[0]


def read_tensor_types(path: Path) -> dict[str, int]:
    """Return the type numbers of the tensors in a GGUF file (`gguf.GGMLQuantizationType`), by name.

    Raises:
        ValueError: it is no such file, or one that was cut off.
    """
    with _opened(path) as data:
        return {name: kind for name, _, kind in _tensors(data)}


def count_weights(path: Path) -> int:
    """Return how many weights the tensors of a GGUF file hold together.

    Raises:
        ValueError: it is no such file, or one that was cut off.
    """
    with _opened(path) as data:
        return sum(math.prod(shape) for _, shape, _ in _tensors(data))


def _tensors(data: mmap.mmap) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Yield name, shape and type number of each tensor."""
    _, at = _fields(data)
    for _ in range(struct.unpack_from("<Q", data, 8)[0]):
        name, at = _value(data, at, STRING)
        (dimensions,) = struct.unpack_from("<I", data, at)
        *shape, kind = struct.unpack_from(f"<{dimensions}QI", data, at + 4)
        at += 4 + 8 * dimensions + 12  # the type, and where the tensor lies
        yield name, tuple(shape), kind


@contextmanager
def _opened(path: Path) -> Iterator[mmap.mmap]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
    except (struct.error, KeyError, ValueError):  # the last from an empty file
        raise ValueError(f"{path} is not a readable GGUF file") from None


def _fields(data: mmap.mmap) -> tuple[dict[str, Any], int]:
    """Return the metadata by key, and where the tensors' names begin."""
    magic, version, _tensors, fields = struct.unpack_from("<4sIQQ", data)
    if magic != b"GGUF" or version not in (2, 3):
        raise KeyError(magic)
    at, found = 24, {}
    for _ in range(fields):
        key, at = _value(data, at, STRING)
        (kind,) = struct.unpack_from("<I", data, at)
        found[key], at = _value(data, at + 4, kind)
    return found, at


def _value(data: mmap.mmap, at: int, kind: int) -> tuple[Any, int]:
    """Return the value at a place, and where the next one begins."""
    if kind == STRING:
        (length,) = struct.unpack_from("<Q", data, at)
        return data[at + 8 : at + 8 + length].decode("utf-8", "replace"), at + 8 + length
    if kind != ARRAY:
        (number,) = struct.unpack_from(form := "<" + NUMBERS[kind], data, at)
        return number, at + struct.calcsize(form)
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner in NUMBERS:
        numbers = struct.unpack_from(form := f"<{count}{NUMBERS[inner]}", data, at)
        return numbers, at + struct.calcsize(form)
    values = []
    for _ in range(count):
        value, at = _value(data, at, inner)
        values.append(value)
    return values, at
