import os
from pathlib import Path

import pytest

from aloe.cores import count_cores, count_free_cores


def test_cores_are_counted_as_the_system_allows() -> None:
    assert count_cores() == len(os.sched_getaffinity(0))
    assert 1 <= count_free_cores() <= count_cores()


def test_so_they_are_where_the_system_says_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert count_cores() == 8
    for load, free in ((0.2, 8), (3.7, 5), (30.0, 1)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert count_free_cores() == free


@pytest.mark.parametrize(
    ("running", "free"),
    [((1, 1, 1, 1), 4), ((5, 5, 2, 4), 3), ((9, 9, 9, 9), 1), ((0, 0, 0, 0), 4)],
)
def test_what_comes_and_goes_keeps_no_core_busy(
    monkeypatch: pytest.MonkeyPatch, running: tuple[int, ...], free: int
) -> None:
    looks = iter(running)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3})
    monkeypatch.setattr(Path, "exists", lambda _path: True)
    monkeypatch.setattr(
        Path, "read_text", lambda _path, **_: f"0.5 0.6 0.7 {next(looks)}/123 4567\n"
    )
    assert count_free_cores() == free
