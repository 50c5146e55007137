import json
from pathlib import Path

import pytest

from aloe.errors import InputError
from aloe.memory.imports import Columns, Texts, as_descriptions, match_personalities, read_foreign
from aloe.memory.verifiable.generation import generate
from aloe.schema import Persona


def read(path: Path, columns: Columns | None = None) -> tuple[list[Texts | Persona], list[str]]:
    bad: list[str] = []
    found = read_foreign(path, lambda error: bad.append(str(error)), columns)
    return [each.persona or each.texts for each in found], bad


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


def test_a_cell_without_a_value_does_not_make_our_line_a_strangers(tmp_path: Path) -> None:
    ours = generate(4)
    path = tmp_path / "personas.jsonl"
    path.write_text(json.dumps({**ours.model_dump(mode="json"), "axes": None}) + "\n")
    assert read(path) == ([ours.model_copy(update={"axes": {}})], [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"profile": "I keep bees in Graz."}, "id and facts of other texts"),
        ({"facts": []}, "the persona has no facts"),
        ({"preferences": {"volume": "loud"}}, "there is no wish about 'volume'"),
        ({"preferences": {"length": None}}, "preferences.length: Input should be a valid string"),
        ({"age": 30}, "age: Extra inputs are not permitted"),
    ],
)
def test_our_own_line_that_no_reader_accepts_is_a_bad_record(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    lines = [generate(4).model_dump(mode="json") | changes, generate(5).model_dump(mode="json")]
    path = tmp_path / "personas.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found, bad = read(path)
    assert found == [generate(5)]
    assert len(bad) == 1
    assert bad[0].startswith(f"{path}:1: ")
    assert said in bad[0]


def test_an_id_alone_does_not_make_a_record_ours(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id,profile,personality,age\n7,I am a vet.,I shout.,30\n")
    (persona,), bad = read(path)
    assert isinstance(persona, Persona)
    assert persona == Persona.of("I am a vet.", "I shout.", lineage=persona.lineage)
    assert not bad


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '"ok"\n"broken\n', "a.jsonl:2: is not JSON"),
        ("a.jsonl", '"ok"\n{"name": "x"}\n', "a.jsonl:2: has no column known to hold text"),
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "name,age\nx,3\n"),
        ("a.json", '{"name": ["x"], "age": [3]}'),
        ("a.json", '[{"name": "x", "age": "3"}]'),
    ],
)
def test_a_file_without_a_known_column_says_what_it_has(
    tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    found, bad = read(path)
    assert found == []
    assert len(bad) == 1
    assert "its columns are name, age: choose with --column" in bad[0]
    assert read(path, {"profile": ["Name"]}) == ([{"profile": "x"}], [])


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        (["input persona", "synthesized text", "description"], "input persona"),
        (["id", "Persona", "description"], "Persona"),
        (["persona", "persona_id"], "persona"),
        (["inputPersona", "text"], "inputPersona"),
        (["uuid", "Description"], "Description"),
        (["my_profile", "text", "description"], "my_profile"),
    ],
)
def test_the_fitting_column_is_taken(tmp_path: Path, columns: list[str], taken: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({name: f"I am {name}." for name in columns}))
    assert read(path) == ([{"profile": f"I am {taken}."}], [])


NEMOTRON = ("professional_persona", "sports_persona", "persona", "hobbies_and_interests_list")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (NEMOTRON, "hold the profile: professional_persona, sports_persona, persona; choose"),
        (("profile", "persona"), "may hold the profile: profile, persona; choose with --column"),
        (("description", "text"), "may hold the profile: description, text"),
        (("persona", "personality", "personality_notes"), "choose with --personality-column"),
    ],
)
def test_of_several_columns_one_is_asked_for(
    tmp_path: Path, columns: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",".join(columns) + "\n" + ",".join("I sail." for _ in columns) + "\n")
    with pytest.raises(InputError, match=rf"a\.csv:2: several columns .*{said}"):
        read(path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"profile": "I sail.", "personality": {"tone": "blunt"}}, "as 'personality'; write"),
        ({"profile": "I sail.", "personality": ["blunt", 3]}, "as 'personality'; write"),
        ({"profile": "I sail.", "personality": 3}, "--personality-column"),
        ({"profile": "I sail.", "Personality traits": {"open": 1}}, "as 'personality traits'"),
        ({"persona": {"job": "nurse"}, "text": "row 17, reviewed"}, "as 'persona'; write"),
    ],
)
def test_a_known_column_that_holds_no_text_is_never_passed_over(
    tmp_path: Path, row: dict[str, object], said: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({"profile": "I row."}) + "\n")
    found, bad = read(path)
    assert found == [{"profile": "I row."}]
    assert len(bad) == 1
    assert bad[0].startswith(f"{path}:1: holds ")
    assert said in bad[0]


@pytest.mark.parametrize(
    "beside",
    [{"personality score": 0.7}, {"profile vector": [0.1, 1]}, {"profile data": {"a": 1}}],
)
def test_figures_and_more_beside_a_text_do_no_harm(
    tmp_path: Path, beside: dict[str, object]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"profile": "I sail.", **beside}) + "\n")
    assert read(path) == ([{"profile": "I sail."}], [])


def test_a_chosen_column_stands_for_a_known_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"persona": {"job": "nurse"}, "about": "I nurse."}) + "\n")
    chosen: Columns = {"profile": ["about"], "personality": []}
    assert read(path, chosen) == ([{"profile": "I nurse."}], [])


def test_chosen_columns_are_joined_in_the_order_given(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {name: f"I am {name}" for name in NEMOTRON} | {NEMOTRON[3]: ["chess", "golf"]}
    path.write_text(json.dumps(row | {"sports_persona": None}) + "\n" + json.dumps(row))
    columns: Columns = {"profile": ["persona", "hobbies_and_interests_list", "sports_persona"]}
    assert read(path, columns)[0] == [
        {"profile": "I am persona\nchess\ngolf"},
        {"profile": "I am persona\nchess\ngolf\nI am sports_persona"},
    ]
    (whole, _), _ = read(path, {"profile": ["persona"], "personality": ["professional_persona"]})
    assert isinstance(whole, Persona)


def test_a_chosen_column_is_never_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"job": "I mend nets.", "years": 61, "temper": None},
        {"job": "I teach.", "years": 34.0, "temper": {"tone": "dry"}},
        {"job": "I bake.", "years": True},
        {"job": "I sail.", "years": float("nan"), "temper": ["I shout.", 3]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts, bad = read(path, {"profile": ["job", "Years"]})
    assert texts == [
        {"profile": "I mend nets.\n61"}, {"profile": "I teach.\n34"}, {"profile": "I sail."}
    ]  # fmt: skip
    assert [line.removeprefix(f"{path}:") for line in bad] == [
        "3: holds a yes or no and no text as 'years'"
    ]
    texts, bad = read(path, {"profile": ["job"], "personality": ["temper"]})
    assert texts == [{"profile": "I mend nets."}, {"profile": "I bake."}]
    assert [line.removeprefix(f"{path}:") for line in bad] == [
        "2: holds an object and no text as 'temper'",
        "4: holds a list and no text as 'temper'",
    ]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"persona": "I sail.", "description": "I ski."}, indent=1).replace(",", ""),
        '"persona": "I sail."\n',
        '["persona" "description"]',
    ],
)
def test_names_of_columns_never_become_personas(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    try:
        found, bad = read(path)
    except InputError as error:
        found, bad = [], [str(error)]
    assert (found, len(bad)) == ([], 1)


def test_profiles_get_a_personality_that_fits() -> None:
    profiles = [
        as_descriptions({"profile": f"He is {n}. He sails."})["profile"] for n in range(20, 26)
    ]
    profiles += [as_descriptions({"profile": "It is hot."})["profile"]]
    personalities = [
        as_descriptions({"personality": text})["personality"]
        for text in ("She shouts.", "He whispers.", "He jokes.")
    ]
    personas = [persona for persona, _ in match_personalities(profiles, personalities)]
    assert len(personas) == 7
    assert {p.personality for p in personas[:6]} == {"He whispers.", "He jokes."}
    assert personas[0].lineage["profile"].origin == "imported"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"persona": "  "}', "holds no text as 'persona'; fill it in"),
        ("a.jsonl", '{"persona": "\\u200b\\u2060"}', "holds no text as 'persona'"),
        ("a.jsonl", '{"persona": null, "age": 3}', "holds no text as 'persona'"),
        ("a.jsonl", '{"persona": 7}', "holds a number and no text as 'persona'"),
        ("a.jsonl", '{"persona": {"job": "vet"}}', "holds an object and no text as 'persona'"),
        ("a.json", '{"version": 1, "personas": [{"persona": "x"}]}', "holds a list of records"),
        ("a.txt", "I am a vet. I ski.\nI cook. I sing.\n", "has no header line"),
        ("a.yaml", "- persona: I ski. I cook.\n- persona: I sing.\n", "has no header line"),
        ("a.csv", "name,age\nx,3\n", "has no column known to hold text; its columns are name, age"),
    ],
)
def test_why_a_record_gives_no_text_is_said(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    texts, bad = read(path)
    assert texts == []
    assert said in bad[0]


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"persona": "I ski."}')
    bad: list[InputError] = []
    assert not list(read_foreign(path, bad.append, {"profile": ["life"], "personality": []}))
    assert "a.jsonl:1: has no column 'life'; there are persona" in str(bad[0])
