import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.image import imread

from aloe.errors import ConfigError, StoreError
from aloe.memory.pool import map as maps

PLACES = maps.project(np.random.default_rng(0).normal(size=(50, 384)).astype(np.float32))
GROUPS = [f"group {n % 12:02}" for n in range(50)]


def test_the_map_is_a_png_with_a_dot_for_everyone(tmp_path: Path) -> None:
    assert PLACES.min() == 0
    assert PLACES.max() == pytest.approx(1)
    path = tmp_path / "deep" / "map.png"
    maps.draw_png(path, PLACES, GROUPS)
    pixels = imread(path)[..., :3]
    assert pixels.shape == (900, 900, 3)
    for colour in colormaps["tab20"].colors[:12]:
        faded = 0.75 * np.array(colour) + 0.25
        assert (np.abs(pixels - faded).max(axis=2) < 0.01).sum() > 4 * 15, colour
    few = tmp_path / "few.png"
    maps.draw_png(few, PLACES[:3], GROUPS[:3])
    assert (imread(few)[..., :3] < 1).any(axis=2).sum() < (pixels < 1).any(axis=2).sum()
    drawn = maps.draw_braille(PLACES)
    assert 20 <= sum(char > "\u2800" for char in drawn) <= 50


def test_without_matplotlib_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"needs matplotlib: pip install 'aloe-align\[plots\]'"):
        maps.draw_png(tmp_path / "map.png", PLACES, GROUPS)
    assert list(tmp_path.iterdir()) == []


def test_a_map_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        maps.draw_png(tmp_path / "file" / "map.png", PLACES[:2], GROUPS[:2])
