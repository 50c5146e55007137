"""Personas in other projects' layouts; the files are our own, in the documented shape."""

import json
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe

from aloe.errors import InputError
from aloe.files.lines import refuse
from aloe.memory.imports import ImportedText, read_foreign
from aloe.memory.persona_layouts import _line
from aloe.memory.personas import read_personas

GOLDEN = Path(__file__).parents[1] / "golden" / "formats"


def read(name: str) -> list[ImportedText]:
    return list(read_foreign(GOLDEN / name, refuse))


def texts(name: str) -> list[dict[Any, str]]:
    return [each.texts for each in read(name)]


def test_every_file_of_persona_hub() -> None:
    assert texts("personahub.jsonl") == [
        {"profile": "A retired lighthouse keeper who repairs radios"},
        {"profile": "A beekeeper in Oaxaca"},
    ]
    assert texts("personahub_elite.jsonl") == [{"profile": "A chemist who studies enamel"}]


def test_nemotron_from_parquet_in_its_own_language(tmp_path: Path) -> None:
    from pyarrow import Table, parquet

    rows = [json.loads(line) for line in (GOLDEN / "nemotron.jsonl").read_text().splitlines()]
    rows[0].setdefault("family_persona", None)
    file = tmp_path / "train-00000.parquet"
    parquet.write_table(Table.from_pylist(rows), file)
    one, other = (each.persona for each in read_foreign(file, refuse))
    assert one
    assert one.profile.splitlines() == [
        "Ines runs a ferry.",
        "Ines grew up in Porto.",
        "She reads tides.",
        "She collects maps.",
        "She wants a second boat.",
    ]
    assert one.personality.splitlines() == [
        "Ines is blunt, tidy and kind.",
        "Ines paints boats.",
        "Ines loves sardines.",
        "Ines rows at dawn.",
        "Ines avoids airports.",
    ]
    assert one.axes == {"age": 52}
    assert one.lineage["profile"].origin == "imported"
    assert other
    assert "二人の娘がいます。" in other.profile  # a column that only some countries have
    assert other.personality.splitlines()[:2] == ["静かで几帳面です。", "蕎麦が好きです。"]
    assert len(other.facts) == 10


def test_both_people_of_a_persona_chat() -> None:
    goats = {"profile": "I keep goats.\nI hate rain."}
    welder, singer = {"profile": "I am a welder.\nI have two sons."}, {"profile": "I sing bass."}
    assert texts("persona_chat.csv") == [goats, welder, goats, singer]
    assert [each.place.line for each in read("persona_chat.csv")] == [2, 2, 6, 6]


def test_the_profile_of_persona_mem() -> None:
    (found,) = read("personamem_profile.json")
    assert found.persona
    assert [fact.text for fact in found.persona.facts] == [
        "Tram driver in Basel",
        "Vocational diploma",
        "Lea drives the early tram and restores clocks at night.",
        "openness: medium, neuroticism: low",
        "Dry and short.",
        "Deadpan.",
        "She never gushes.",
    ]


def test_the_table_of_persona() -> None:
    (found,) = read("persona_table.jsonl")
    assert found.persona
    assert found.persona.axes == {"age": 71}
    assert "Detailed job description: Retired surveyor" in found.persona.profile
    assert "quirks" not in found.persona.profile
    assert found.persona.personality.splitlines()[:2] == [
        "Big five scores: Openness: High, Neuroticism: Low",
        "Defining quirks: Talks to his plants",
    ]
    for nothing in ("Class of worker", "Religion", "Ability"):
        assert nothing not in found.persona.text


def test_columns_that_are_named_win(tmp_path: Path) -> None:
    found = read_foreign(
        GOLDEN / "nemotron.jsonl", refuse, {"profile": ["arts_persona", "persona"]}
    )
    assert next(iter(found)).texts == {
        "profile": "Ines paints boats.\nInes is blunt, tidy and kind."
    }
    empty = {"user 1 personas": "I sail.", "user 2 personas": " "}
    file = tmp_path / "chat.jsonl"
    file.write_text(json.dumps(empty))
    with pytest.raises(InputError, match=r"chat.jsonl:1: says nothing of who the person is"):
        list(read_foreign(file, refuse))


def test_importing_a_layout(tmp_path: Path, bag_settings: Path, aloe: RunAloe) -> None:
    out = tmp_path / "personas.jsonl"
    given = [GOLDEN / name for name in ("nemotron.jsonl", "persona_chat.csv")]
    ran = aloe("personas", "import", *given, "--out", out, "--config", bag_settings, "--json")
    assert ran.code == 0, ran.err
    assert (ran.result["added"], len(ran.result["repeated"])) == (5, 1)
    people = {each.profile.splitlines()[0]: each for each in read_personas(out)}
    assert people["Ines runs a ferry."].personality.startswith("Ines is blunt")
    assert people["I sing bass."].lineage["personality"].origin == "seed"


def test_a_data_set_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` takes a folder of the name for the data set, so nothing here is replaced."""
    (tmp_path / "acme" / "people").mkdir(parents=True)
    data = (GOLDEN / "personahub.jsonl").read_bytes()
    (tmp_path / "acme" / "people" / "persona.jsonl").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    hub = Path("hub:acme/people:train[:1]")
    (found,) = read_foreign(hub, refuse)
    assert found.texts == {"profile": "A retired lighthouse keeper who repairs radios"}
    assert str(found.place) == "hub:acme/people:train[:1], row 1"
    assert len(list(read_foreign(Path("hub:acme/people"), refuse))) == 2
    with pytest.raises(InputError, match=r"hub:acme/people:test: .*Available splits: \['train'\]"):
        list(read_foreign(Path("hub:acme/people:test"), refuse))
    with pytest.raises(InputError, match="hub:people: is not a dataset on the hub"):
        list(read_foreign(Path("hub:people"), refuse))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1250000, "1250000"),
        (12345678.0, "12345678"),
        (0.1 + 0.2, "0.3"),
        (float("inf"), ""),
        (["BA", "MA"], "BA, MA"),
        ({"past": ["cook", "clerk"], "now": None}, "past: cook, clerk"),
        (True, "yes"),
        (float("nan"), ""),
        (None, ""),
        (["", "\u200b"], ""),
    ],
)
def test_values_are_written_as_they_were_given(value: Any, said: str) -> None:
    assert _line(value) == said
