import numpy as np
import pytest
from bags import BagOfWords

from aloe.memory.pool import report
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

    first = report.gather_vectors(PEOPLE, Counting(), {})  # type: ignore[arg-type]
    assert Counting.asked == 8
    stored = {
        kind: {
            report.digest(getattr(p, kind)): row
            for p, row in zip(PEOPLE[:3], first[kind], strict=False)
        }
        for kind in ("profile", "personality")
    }
    again = report.gather_vectors(PEOPLE, Counting(), stored)  # type: ignore[arg-type]
    assert Counting.asked == 12  # one more of each kind shows who made what is stored
    np.testing.assert_array_equal(first["profile"], again["profile"])
    others = {kind: {each: -row for each, row in rows.items()} for kind, rows in stored.items()}
    anew = report.gather_vectors(PEOPLE, Counting(), others)  # type: ignore[arg-type]
    np.testing.assert_array_equal(first["profile"], anew["profile"])


def test_nearest_pairs_and_duplicates() -> None:
    found = report.gather_vectors(PEOPLE, BagOfWords(), {})
    nearest = report.find_nearest_pairs(PEOPLE, found, 1)
    assert {nearest[0].first.id, nearest[0].second.id} == {PEOPLE[0].id, PEOPLE[1].id}
    pairs = report.find_duplicates(PEOPLE, found, 0.9)
    assert [(p.kind, p.first, p.second) for p in pairs] == [("profile", PEOPLE[0], PEOPLE[1])]
    assert (
        report.find_duplicates(PEOPLE[1:], report.gather_vectors(PEOPLE[1:], BagOfWords(), {}), 0.9)
        == []
    )


def test_a_copy_under_another_id_is_a_duplicate_and_a_shared_life_is_not() -> None:
    bee, *_ = PEOPLE
    copies = [Persona.of(bee.profile, bee.personality, id=name) for name in ("u1", "u2")]
    people = [bee, *copies, Persona.of(bee.profile, "I hate lists.")]
    pairs = report.find_duplicates(people, report.gather_vectors(people, BagOfWords(), {}), 0.9)
    assert [(p.kind, p.first.id, p.second.id, p.similarity) for p in pairs] == [
        ("profile", bee.id, "u1", 1.0),
        ("profile", bee.id, "u2", 1.0),
    ]


def test_coverage_counts_against_the_mix() -> None:
    rows = {
        (cell.axis, cell.value): (cell.count, cell.share)
        for cell in report.measure_coverage(PEOPLE)
    }
    assert rows["age", "25-39"] == (2, pytest.approx(2 / 3))
    assert rows["age", "75-90"] == (1, pytest.approx(1 / 3))
    assert rows["place", "town"] == (0, 0.0)


def test_contradictions_are_found() -> None:
    assert report.find_contradictory(PEOPLE) == {PEOPLE[3].id: ("marriage",)}


def test_figures() -> None:
    figures = report.summarise(PEOPLE)
    assert figures["personas"] == 4
    assert figures["facts"] == 12
    assert figures["distinct_facts"] == 10
    assert figures["origins"] == {"unknown": 8}


def test_a_persona_without_a_text_has_vectors_too() -> None:
    people = [*PEOPLE, Persona.of("I am 40.", ""), Persona.of("", "I hum.")]
    found = report.gather_vectors(people, BagOfWords(), {})
    assert [len(rows) for rows in found.values()] == [6, 6]
