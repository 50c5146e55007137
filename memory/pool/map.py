"""A picture of a pool: the two directions in which personas differ most, one dot each.

Principal components of the vectors, drawn as a PNG or with braille dots in a terminal. Dots are
coloured by an axis, so a colour confined to one corner shows that the texts reflect it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aloe.extras import require
from aloe.files.writing import save_picture
from aloe.memory.embedder import Vectors

INCHES, DOTS_PER_INCH = 9, 100
"""Size of the picture: a square of 900 pixels."""
COLUMNS, ROWS = 60, 18
"""Size in braille characters."""


def project(vectors: Vectors) -> Vectors:
    """Return each row's place in the unit square: the first two principal components."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    flat = centred @ directions[:, ::-1][:, :2]
    low, high = flat.min(axis=0), flat.max(axis=0)
    placed: Vectors = ((flat - low) / np.maximum(high - low, 1e-9)).astype(np.float32)
    return placed


def check_drawing() -> None:
    """Make sure that a PNG can be drawn.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    require("a map as PNG", "matplotlib")


def draw_png(path: Path, places: Vectors, groups: Sequence[str]) -> None:
    """Draw a dot for everyone into a PNG file, with a colour and a line in the legend by group.

    Raises:
        ConfigError: matplotlib is not installed.
        StoreError: the file cannot be written.
    """
    check_drawing()
    import matplotlib
    from matplotlib.figure import Figure

    picture = Figure(figsize=(INCHES, INCHES), dpi=DOTS_PER_INCH, layout="constrained")
    axes = picture.add_subplot()
    colours = matplotlib.colormaps["tab20"]
    for number, group in enumerate(sorted(set(groups))):
        rows = [row for row, each in enumerate(groups) if each == group]
        x, y = places[rows].T
        axes.scatter(x, y, s=20, color=colours(number % 20), alpha=0.75, linewidths=0, label=group)
    axes.set_axis_off()
    picture.legend(loc="outside lower center", ncols=5, frameon=False)
    save_picture(picture, path)


def draw_braille(places: Vectors) -> str:
    """Return the picture as braille characters, eight dots a character."""
    grid = np.zeros((ROWS * 4, COLUMNS * 2), dtype=bool)
    x = np.minimum((places[:, 0] * COLUMNS * 2).astype(int), COLUMNS * 2 - 1)
    y = np.minimum(((1 - places[:, 1]) * ROWS * 4).astype(int), ROWS * 4 - 1)
    grid[y, x] = True
    weights = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    cells = grid.reshape(ROWS, 4, COLUMNS, 2).transpose(0, 2, 1, 3)
    codes = 0x2800 + (cells * weights).sum(axis=(2, 3))
    return "\n".join("".join(map(chr, line)) for line in codes)
