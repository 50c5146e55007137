import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from aloe.errors import StoreError
from aloe.memory.pool import map as maps


def test_the_map_is_a_png_with_a_dot_for_everyone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    places = maps.positions(rng.normal(size=(50, 384)).astype(np.float32))
    assert places.min() == 0
    assert places.max() == pytest.approx(1)
    path = tmp_path / "deep" / "map.png"
    maps.write_png(path, maps.draw(places, [n % 12 for n in range(50)]))
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (maps.SIDE, maps.SIDE)
    start = data.index(b"IDAT") + 4
    pixels = np.frombuffer(zlib.decompress(data[start:-16]), dtype=np.uint8)
    rows = pixels.reshape(maps.SIDE, 1 + 3 * maps.SIDE)[:, 1:].reshape(maps.SIDE, maps.SIDE, 3)
    coloured = (rows != 255).any(axis=2)
    assert 50 * 15 < coloured.sum() < 50 * 60
    drawn = maps.braille(places)
    assert 20 <= sum(char > "\u2800" for char in drawn) <= 50


def test_a_map_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        maps.write_png(tmp_path / "file" / "map.png", np.zeros((2, 2, 3), dtype=np.uint8))
