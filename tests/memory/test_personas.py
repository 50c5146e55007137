import gzip
from pathlib import Path

import pytest

from aloe.errors import InputError
from aloe.memory.personas import SHIPPED, as_lines, read_personas
from aloe.memory.verifiable.generation import reword
from aloe.schema import Fact, Persona, digest

ANNA = Persona.of("I am 30. I keep bees.", "I want short replies.", axes={"age": 30})
BERT = Persona.of("I am 61. I repair clocks.", "I like jokes.")
WISHES = Persona.of("I sail.", "I want no emoji.", preferences={"emoji": "none"})

STATED = reword(WISHES, "test")


def test_lines_come_back_plain_and_gzipped(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_text(as_lines([ANNA, BERT]) + "\n")
    packed.write_bytes(gzip.compress(as_lines([ANNA, BERT], derived=False).encode()))
    assert read_personas(plain) == read_personas(packed) == [ANNA, BERT]
    assert b'"facts"' not in gzip.decompress(packed.read_bytes())


def test_two_texts_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"profile": "I am 30. I sail.", "personality": "I shout."}\n')
    (found,) = read_personas(path)
    assert [fact.text for fact in found.facts] == ["I am 30.", "I sail.", "I shout."]
    assert [fact.kind for fact in found.facts] == ["fact", "fact", "trait"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no personas here"),
        ("{broken\n", r"a\.jsonl:1"),
        ('{"profile": "I am 30.", "personality": "", "age": 3}\n', r"a\.jsonl:1: age"),
        ('\n{"profile": "", "personality": ""}\n', r"a\.jsonl:2: the persona has no facts"),
        (as_lines([ANNA, BERT, ANNA]), r"a\.jsonl:3: persona \w+ appears twice"),
        (as_lines([ANNA]).replace('"schema_version":1', '"schema_version":99'), "99 is newer"),
        (as_lines([ANNA]).replace('"I am 30. I keep', '"I am 30. I race'), r":1: .*leave out id"),
        (
            as_lines([ANNA]).replace('keep bees."', 'keep bees. I have two daughters."'),
            r":1: .*other texts; leave out id and facts to get them anew",
        ),
        (as_lines([ANNA]).replace('replies."', 'replies. I hate emoji."'), r":1: .*leave out id"),
        (
            as_lines([STATED]).replace('"emoji":"none"', '"emoji":"some"'),
            r":1: preferences: emoji is 'some' there and 'none' in the personality; .*leave out",
        ),
        (
            as_lines([BERT, WISHES]).replace('"none"', '"never"'),
            r":2: .* emoji is 'some' or",
        ),
        (as_lines([WISHES]).replace('"emoji":', '"tone":'), r":1: .* about 'tone'"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_personas(path)


def test_who_has_no_personas_is_offered_those_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "personas.jsonl"
    path.touch()
    with pytest.raises(InputError, match=r"aloe personas export --out FILE.*aloe personas grow"):
        read_personas(path)


def test_other_broken_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_personas(tmp_path / "missing.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(as_lines([ANNA]).encode() + b"\xff\xfe\n")
    with pytest.raises(InputError, match=r"latin\.jsonl:2: is not UTF-8"):
        read_personas(tmp_path / "latin.jsonl")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(as_lines([ANNA]).encode())[:-9])
    with pytest.raises(InputError, match="gzip"):
        read_personas(tmp_path / "cut.jsonl.gz")


def test_the_shipped_pool_is_large_and_of_one_piece() -> None:
    pool = read_personas(SHIPPED)
    assert len(pool) >= 3310
    assert len({p.profile for p in pool}) == len({p.personality for p in pool}) == len(pool)
    assert {origin.origin for p in pool for origin in p.lineage.values()} == {"composed"}
    assert SHIPPED.stat().st_size < 1_000_000


def test_what_was_given_and_does_not_follow_is_kept(tmp_path: Path) -> None:
    alike = [Persona.of("I sail.", "I shout.", id=name) for name in ("alice", "bob")]
    own = Persona.of("He, a sailor, is 30.", "", facts=(Fact.of("fact", "I am 30."),))
    person = Persona.of("I sail.", "", id=digest("imported", "carol"))
    path = tmp_path / "a.jsonl"
    path.write_text(as_lines([*alike, own, person], derived=False))
    assert read_personas(path) == [*alike, own, person]
    assert path.read_text().count('"facts"') == 1
