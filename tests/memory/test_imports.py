from pathlib import Path

import pytest

from aloe.errors import InputError
from aloe.schema import Persona
from memory.imports import Texts, described, matched, read_foreign
from memory.verifiable import generate


def read(path: Path) -> tuple[list[Texts | Persona], list[str]]:
    bad: list[str] = []
    return list(read_foreign(path, lambda error: bad.append(str(error)))), bad


def test_strings_glued_together_are_two(tmp_path: Path) -> None:
    path = tmp_path / "profile.jsonl"
    path.write_text('"He is 30."\n"She is 40.""They are 50."\n\n"He is 60."\n')
    texts, bad = read(path)
    assert texts == [
        {"profile": "He is 30."},
        {"profile": "She is 40."},
        {"profile": "They are 50."},
        {"profile": "He is 60."},
    ]
    assert not bad


def test_the_files_name_tells_the_kind(tmp_path: Path) -> None:
    path = tmp_path / "personality.jsonl"
    path.write_text('"He is patient."\n')
    assert read(path)[0] == [{"personality": "He is patient."}]


def test_hub_lines_and_csv(tmp_path: Path) -> None:
    hub = tmp_path / "hub.jsonl"
    hub.write_text('{"persona": "A nurse in Leeds"}\n{"persona": "A vet", "id": 3}\n')
    assert read(hub)[0] == [{"profile": "A nurse in Leeds"}, {"profile": "A vet"}]
    table = tmp_path / "p.csv"
    table.write_text('Profile,Personality,x\n"I am 30, a vet.",I shout.,1\nI sail.,,2\n')
    whole, part = read(table)[0]
    assert isinstance(whole, Persona)
    assert (whole.profile, whole.personality) == ("I am 30, a vet.", "I shout.")
    assert whole.lineage["profile"].origin == "imported"
    assert part == {"profile": "I sail."}


def test_our_own_lines_lose_nothing(tmp_path: Path) -> None:
    ours = generate(4)
    path = tmp_path / "personas.jsonl"
    path.write_text(ours.model_dump_json(exclude_none=True) + "\n")
    assert read(path)[0] == [ours]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '"ok"\n"broken\n', "a.jsonl:2: is not JSON"),
        ("a.jsonl", '"ok"\n{"name": "x"}\n', "a.jsonl:2: holds no text"),
        ("a.jsonl", '"ok"\n7\n', "a.jsonl:2: holds no text"),
        ("a.jsonl", '"ok"\n"  "\n', "a.jsonl:2: holds no text"),
        ("a.csv", "profile\nok\n,\n", "a.csv:3: holds no text"),
    ],
)
def test_a_broken_line_is_named_and_the_rest_kept(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    texts, bad = read(path)
    assert texts == [{"profile": "ok"}]
    assert len(bad) == 1
    assert said in bad[0]


def test_a_csv_without_a_known_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name,age\nx,3\n")
    with pytest.raises(InputError, match=r"a\.csv:1: the CSV header needs one of"):
        read(path)


def test_profiles_get_a_personality_that_fits() -> None:
    profiles = [described({"profile": f"He is {n}. He sails."})["profile"] for n in range(20, 26)]
    profiles += [described({"profile": "It is hot."})["profile"]]
    tempers = [
        described({"personality": text})["personality"]
        for text in ("She shouts.", "He whispers.", "He jokes.")
    ]
    personas = [persona for persona, _ in matched(profiles, tempers)]
    assert len(personas) == 7
    assert {p.personality for p in personas[:6]} == {"He whispers.", "He jokes."}
    assert personas[0].lineage["profile"].origin == "imported"
