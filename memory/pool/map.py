"""A picture of a pool: the two directions in which its personas differ most, one dot a persona.

Principal components of the vectors, drawn as a PNG or with braille dots in a terminal. Dots are
coloured by an axis, so that a colour that keeps to a corner shows an axis that the texts carry.
The PNG is written with zlib alone: a plotting library would be heavier than all the rest.
"""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aloe.files.writing import replace_bytes
from aloe.memory.embedder import Vectors

Pixels = npt.NDArray[np.uint8]

COLOURS = (
    (46, 110, 180), (220, 110, 40), (60, 150, 70), (190, 60, 70), (130, 90, 170), (130, 100, 80),
    (215, 120, 190), (120, 120, 120), (180, 180, 50), (50, 180, 190),
)  # fmt: skip
"""By group; further groups begin again."""

SIDE, MARGIN, RADIUS = 900, 40, 3.2
"""Pixels: side of the square, empty border, radius of a dot."""


def positions(vectors: Vectors) -> Vectors:
    """Return each row's place in the unit square: the first two principal components."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    flat = centred @ directions[:, ::-1][:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    placed: Vectors = ((flat - low) / np.maximum(high - low, 1e-9)).astype(np.float32)
    return placed


def draw(places: Vectors, groups: Sequence[int]) -> Pixels:
    """Return a picture of dots on white, each in the colour of its group."""
    canvas = np.full((SIDE, SIDE, 3), 255.0)
    reach = int(RADIUS) + 1
    grid = np.arange(-reach, reach + 1)
    for (x, y), group in zip(places, groups, strict=True):
        column = MARGIN + x * (SIDE - 2 * MARGIN)
        row = MARGIN + (1 - y) * (SIDE - 2 * MARGIN)
        rows, columns = grid[:, None] + int(row), grid[None, :] + int(column)
        distance = np.hypot(rows - row, columns - column)
        cover = 0.75 * np.clip(RADIUS + 0.5 - distance, 0, 1)[..., None]
        patch = canvas[rows[:, 0][0] : rows[-1, 0] + 1, columns[0, 0] : columns[0, -1] + 1]
        patch *= 1 - cover
        patch += cover * np.array(COLOURS[group % len(COLOURS)])
    return canvas.round().astype(np.uint8)


def write_png(path: Path, pixels: Pixels) -> None:
    """Write a picture as PNG.

    Raises:
        StoreError: the file cannot be written.
    """
    height, width, _ = pixels.shape
    lines = b"".join(b"\x00" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, body)
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    )
    replace_bytes(path, data)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def braille(places: Vectors, *, columns: int = 60, rows: int = 18) -> str:
    """Return the picture as braille characters, eight dots a character."""
    grid = np.zeros((rows * 4, columns * 2), dtype=bool)
    x = np.minimum((places[:, 0] * columns * 2).astype(int), columns * 2 - 1)
    y = np.minimum(((1 - places[:, 1]) * rows * 4).astype(int), rows * 4 - 1)
    grid[y, x] = True
    weights = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    cells = grid.reshape(rows, 4, columns, 2).transpose(0, 2, 1, 3)
    codes = 0x2800 + (cells * weights).sum(axis=(2, 3))
    return "\n".join("".join(map(chr, line)) for line in codes)
