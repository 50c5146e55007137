import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from bags import BagOfWords

from aloe.errors import StoreError
from aloe.memory.pool import map as maps
from aloe.memory.pool import report
from aloe.memory.pool.growth import GrowthLog, Outcome, read_growth
from aloe.schema import Persona

PEOPLE = [
    Persona.of("I am 30. I keep bees.", "I want short replies.", axes={"age": 30, "place": "city"}),
    Persona.of("I am 31. I keep bees.", "I like jokes.", axes={"age": 31, "place": "village"}),
    Persona.of("I am 80. My wife reads.", "I hate lists.", axes={"age": 80, "place": "city"}),
    Persona.of("I have never been married. My wife reads.", "I whisper.", axes={}),
]


def test_vectors_are_made_only_where_none_are_stored() -> None:
    class Counting(BagOfWords):
        asked = 0

        def embed(self, texts: object) -> object:  # type: ignore[override]
            Counting.asked += len(texts)  # type: ignore[arg-type]
            return super().embed(texts)  # type: ignore[arg-type]

    first = report.vectors_of(PEOPLE, Counting(), {})  # type: ignore[arg-type]
    assert Counting.asked == 8
    stored = {
        kind: {
            report.digest(getattr(p, kind)): row
            for p, row in zip(PEOPLE[:3], first[kind], strict=False)
        }
        for kind in ("profile", "personality")
    }
    again = report.vectors_of(PEOPLE, Counting(), stored)  # type: ignore[arg-type]
    assert Counting.asked == 10
    np.testing.assert_array_equal(first["profile"], again["profile"])


def test_nearest_pairs_and_duplicates() -> None:
    found = report.vectors_of(PEOPLE, BagOfWords(), {})
    nearest = report.nearest_pairs(PEOPLE, found, 1)
    assert {nearest[0].first.id, nearest[0].second.id} == {PEOPLE[0].id, PEOPLE[1].id}
    pairs = report.duplicates(PEOPLE, found, 0.9)
    assert [(p.kind, p.first, p.second) for p in pairs] == [("profile", PEOPLE[0], PEOPLE[1])]
    assert report.duplicates(PEOPLE[1:], report.vectors_of(PEOPLE[1:], BagOfWords(), {}), 0.9) == []


def test_coverage_counts_against_the_mix() -> None:
    rows = {(axis, value): (n, share) for axis, value, n, share, _ in report.coverage(PEOPLE)}
    assert rows["age", "25-39"] == (2, pytest.approx(2 / 3))
    assert rows["age", "75-90"] == (1, pytest.approx(1 / 3))
    assert rows["place", "town"] == (0, 0.0)


def test_contradictions_are_found() -> None:
    assert report.contradictory(PEOPLE) == {PEOPLE[3].id: ("marriage",)}


def test_figures() -> None:
    figures = report.summary(PEOPLE)
    assert figures["personas"] == 4
    assert figures["facts"] == 12
    assert figures["distinct_facts"] == 10
    assert figures["origins"] == {"unknown": 8}


def test_the_growth_log_survives_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "growth.jsonl"
    log = GrowthLog(path, window=4)
    fates = [(), ("duplicate",), (), ("too_short", "language"), (), ()]
    log.write(
        [
            Outcome(number=n, kind="profile", axes={}, reasons=why, text="x" if why else None)
            for n, why in enumerate(fates)
        ]
    )
    assert log.acceptance == 3 / 4
    with path.open("a") as file:
        file.write('{"number": 6, "kin')
    again = GrowthLog(path, window=4)
    assert (again.judged, again.accepted, again.next_number) == (6, 4, 6)
    assert again.refusals == {"duplicate": 1, "too_short": 1, "language": 1}
    assert again.acceptance is None
    assert report.saturation(list(read_growth(path)))[-1] == (6, 1.0)


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
