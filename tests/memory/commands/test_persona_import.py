import json
from pathlib import Path

from command import RunAloe

from aloe.config import PersonasConfig
from aloe.memory.imports import Columns
from aloe.memory.personas import read_personas
from aloe.memory.pool.importer import ImportReport, import_personas

NEAREST = Path(__file__).parents[2] / "golden" / "nearest.json"
WRITER = "scripted:aloe.agents.scripted_writer:reply"
NOBODY = "I am single. My wife dives."
"""A profile that contradicts itself, and so every personality."""


def test_importing_the_original_files(tmp_path: Path, bag_settings: Path, aloe: RunAloe) -> None:
    profiles, personalities = tmp_path / "profile.jsonl", tmp_path / "personality.jsonl"
    profiles.write_text(
        '"He is a nurse of thirty from Leeds."\n'
        '"She repairs violins in Kyoto.""They farm shrimp near Hue."\n'
        '"She repairs old violins in Kyoto."\n'
    )
    personalities.write_text('"He is patient."\n"She loves puns."\n"They argue."\n')
    out = tmp_path / "personas.jsonl"
    given = (
        "personas",
        "import",
        profiles,
        personalities,
        "--out",
        out,
        "--config",
        bag_settings,
        "--json",
    )
    ran = aloe(*given)
    assert (ran.result["added"], ran.result["refused"], ran.result["bad"]) == (3, 1, [])
    people = {p.profile: p.personality for p in read_personas(out)}
    assert people["She repairs violins in Kyoto."] == "She loves puns."
    assert people["They farm shrimp near Hue."] == "They argue."
    again = aloe(*given)
    assert (again.result["added"], again.result["personas"]) == (0, 3)

    profiles.write_text('"He is a vet of sixty."\n{oops\n')
    assert aloe(*given).is_one_line_about("profile.jsonl:2", "is not JSON")
    ran = aloe(*given, "--skip-bad")
    assert ran.result["added"] == 1
    assert "profile.jsonl:2" in ran.result["bad"][0]


def test_importing_hub_lines_takes_the_seeds_personalities(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    hub = tmp_path / "hub.jsonl"
    hub.write_text(
        '{"persona": "A potter in Leeds who bakes"}\n{"persona": "A blind chess coach"}\n'
    )
    out = tmp_path / "personas.jsonl"
    ran = aloe("personas", "import", hub, "--out", out, "--config", bag_settings, "--json")
    assert ran.result["added"] == 2
    assert [p.lineage["personality"].origin for p in read_personas(out)] == ["seed", "seed"]


def test_what_is_left_out_of_an_import_is_named(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    lives = [f"I restore fiddles{n}, sail ships{n} and bake rye{n} in town{n}." for n in range(24)]
    rows = [*lives, *(f"{life} Yes." for life in lives)]
    hub, out = tmp_path / "hub.jsonl", tmp_path / "personas.jsonl"
    lines = [json.dumps({"persona": row}) for row in (*rows, NOBODY, "A diver.", rows[0])]
    hub.write_text("\n".join(lines))
    given = ("personas", "import", hub, "--config", bag_settings, "--json", "--out")
    ran = aloe(*given, out)
    near = ran.result["near"]
    assert (ran.result["added"], ran.result["refused"]) == (25, 24)
    assert [each["row"] for each in near] == [f"{hub}:{line}" for line in range(25, 49)]
    assert ran.result["unmatched"] == [f"{hub}:{len(rows) + 1}"]
    assert [each["like"] for each in near] == [f"{hub}:{line}" for line in range(1, 25)]
    assert all(each["similarity"] >= 0.8 for each in near)
    assert ran.result["repeated"] == [f"{hub}:{len(lines)} says the same as {hub}:1"]
    shown = " ".join(ran.err.split())
    assert f"{hub}:25 is" in shown
    assert "24 near-copies refused (--keep-near keeps them)" in shown
    assert "and 4 more" in shown
    assert aloe(*given, tmp_path / "all.jsonl", "--keep-near").result["added"] == len(rows) + 1


def test_a_life_is_in_a_pool_once_whatever_is_kept(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    first, more, out = (tmp_path / name for name in ("a.csv", "b.csv", "pool.jsonl"))
    rows = ["I mend bicycles in Porto.,", "I fish off Hue.,", "I bake in Leeds.,I shout."]
    first.write_text("\n".join(["profile,personality", *rows]))
    more.write_text("profile,personality\nI bake in Leeds.,I whisper.\nI teach chess.,\n")
    given = ("--out", out, "--config", bag_settings, "--keep-near", "--json")
    assert aloe("personas", "import", first, *given).result["added"] == 3
    ran = aloe("personas", "import", more, first, *given)
    assert (ran.result["added"], ran.result["near"]) == (1, [])
    said = "has the same profile as another row or one in the pool"
    assert sorted(ran.result["repeated"]) == [
        *(f"{first}:{line} {said}" for line in (2, 3, 4)), f"{more}:2 {said}"
    ]  # fmt: skip
    assert len({each.profile for each in read_personas(out)}) == 4


def test_every_persona_of_a_life_that_is_refused_is_named(tmp_path: Path) -> None:
    file, out = tmp_path / "people.jsonl", tmp_path / "pool.jsonl"
    config = PersonasConfig(embedder="scripted:bags:BagOfWords", threshold=0.8)
    columns: Columns = {"profile": [], "personality": []}
    known = "I am a nurse in Porto and I keep four old bees near the river."
    near = known.replace("four", "five")

    def give(*rows: tuple[str, str]) -> ImportReport:
        lines = [{"profile": profile, "personality": manner} for profile, manner in rows]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return import_personas([file], out, config, columns)

    assert give((known, "I like jokes.")).added == 1
    manners = ("I want short replies.", "I hate lists.", "I love cheese.")
    found = give(*[(life, manner) for life in (near, known) for manner in manners])
    assert found.added == 0
    assert [each.row for each in found.near] == [f"{file}:{n}" for n in (1, 2, 3)]
    assert [said.split()[0] for said in found.repeated] == [f"{file}:{n}" for n in (4, 5, 6)]


def test_the_same_texts_under_another_id_are_a_repetition(tmp_path: Path) -> None:
    file, out = tmp_path / "people.jsonl", tmp_path / "pool.jsonl"
    rows = [("u1", "I hum."), ("u2", "I hum."), ("u3", "I whisper.")]
    lines = [{"id": each, "profile": "I fish.", "personality": manner} for each, manner in rows]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = PersonasConfig(embedder="scripted:bags:BagOfWords", threshold=0.8)
    found = import_personas([file], out, config, {"profile": [], "personality": []})
    assert found.repeated == [
        f"{file}:2 says the same as {file}:1",
        f"{file}:3 has the same profile as another row or one in the pool",
    ]
    assert [p.id for p in read_personas(out)] == ["u1"]


def test_files_one_by_one_come_to_the_same_as_together(tmp_path: Path) -> None:
    config = PersonasConfig(embedder="scripted:bags:BagOfWords", threshold=0.8)
    files = [tmp_path / f"{n}.jsonl" for n in range(3)]
    for file, (life, manner) in zip(
        files, (("I bake.", "I am calm."), ("I bake.", "I am loud."), ("I fish.", "I am calm.")),
        strict=True,
    ):  # fmt: skip
        file.write_text(json.dumps({"profile": life, "personality": manner}) + "\n")
    together, singly = tmp_path / "together.jsonl", tmp_path / "singly.jsonl"
    found = import_personas(files, together, config, {})
    one_by_one = [import_personas([file], singly, config, {}) for file in files]
    assert found.added == sum(each.added for each in one_by_one) == 2
    assert found.repeated == [line for each in one_by_one for line in each.repeated]
    assert read_personas(together) == read_personas(singly)


def test_whoever_no_imported_personality_fits_gets_a_seed(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    profiles, personalities = tmp_path / "profile.jsonl", tmp_path / "personality.jsonl"
    lives = ["She repairs violins in Kyoto.", "He is a nurse in Leeds.", NOBODY]
    profiles.write_text("".join(json.dumps(life) + "\n" for life in lives))
    personalities.write_text('"He is patient."\n')
    out = tmp_path / "personas.jsonl"
    given = ("--out", out, "--config", bag_settings, "--json")
    ran = aloe("personas", "import", profiles, personalities, *given)
    assert (ran.code, ran.result["added"]) == (0, 2)
    assert ran.result["unmatched"] == [f"{profiles}:3"]
    origins = {p.profile: p.lineage["personality"].origin for p in read_personas(out)}
    assert origins == {lives[0]: "seed", lives[1]: "imported"}


def test_an_import_that_adds_nobody_says_so_and_leaves_nothing(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    file, out = tmp_path / "profile.jsonl", tmp_path / "personas.jsonl"
    file.write_text(json.dumps(NOBODY) + "\n")
    given = ("--out", out, "--config", bag_settings, "--json")
    there = sorted(tmp_path.iterdir())
    for _ in range(2):
        ran = aloe("personas", "import", file, *given)
        assert (ran.code, ran.result["added"], ran.result["unmatched"]) == (2, 0, [f"{file}:1"])
        assert "nothing was added" in ran.err
        assert sorted(tmp_path.iterdir()) == there
    file.write_text('"She dives off Hue."\n')
    codes = [aloe("personas", "import", file, *given).code for _ in range(2)]
    assert codes == [0, 0], "what is there already needs no adding"
    file.write_text(json.dumps(NOBODY) + "\n")
    before = out.read_bytes()
    assert aloe("personas", "import", file, *given).code == 2
    assert out.read_bytes() == before


def test_personalities_without_a_profile_are_named(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    profiles, personalities = tmp_path / "profile.jsonl", tmp_path / "personality.jsonl"
    profiles.write_text('"She repairs violins in Kyoto."\n')
    personalities.write_text('"He is patient."\n"She loves puns."\n"They argue."\n')
    ran = aloe(
        "personas", "import", profiles, personalities, "--out", tmp_path / "pool.jsonl",
        "--config", bag_settings, "--json",
    )  # fmt: skip
    assert (ran.result["added"], ran.result["unmatched"]) == (1, [])
    assert ran.result["unused"] == [f"{personalities}:1", f"{personalities}:3"]
    assert "left out 2 personalities without a profile" in " ".join(ran.err.split())


def test_rows_that_all_say_the_same_are_refused(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    table = tmp_path / "a.csv"
    table.write_text("id,description\n" + "".join(f"{n},Do the task.\n" for n in range(30)))
    out = tmp_path / "personas.jsonl"
    ran = aloe("personas", "import", table, "--config", bag_settings, "--out", out)
    assert ran.is_one_line_about("all 30 rows say the same", "--column")
    assert not out.exists()


def test_importing_columns_of_a_parquet_file(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    import pyarrow
    from pyarrow import parquet

    file, out = tmp_path / "people.parquet", tmp_path / "personas.jsonl"
    people = {
        "persona": ["A potter in Leeds.", "A blind chess coach."],
        "sports_persona": ["I dive.", "I run."],
        "manner": ["I shout.", "I whisper."],
    }
    parquet.write_table(pyarrow.table(people), file)
    given = ("personas", "import", file, "--out", out, "--config", bag_settings, "--json")
    ran = aloe(*given)
    assert ran.is_one_line_about("row 1", "persona, sports_persona", "--column 'persona'")
    ran = aloe(*given, "--column", "persona", "--column", "hobby")
    assert ran.is_one_line_about("has no column 'hobby'; there are persona, sports_persona")
    aloe(
        *given,
        "--column",
        "sports_persona",
        "--column",
        "persona",
        "--personality-column",
        "manner",
    )
    assert [(p.profile, p.personality) for p in read_personas(out)] == [
        ("I dive.\nA potter in Leeds.", "I shout."),
        ("I run.\nA blind chess coach.", "I whisper."),
    ]


def test_what_we_write_can_be_imported(
    composed_pool: Path, tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    people = [(p.profile, p.personality) for p in read_personas(composed_pool)]
    for form in ("jsonl", "csv"):
        file, out = tmp_path / f"all.{form}.gz", tmp_path / f"{form}.jsonl"
        aloe("personas", "export", composed_pool, "--format", form, "--out", file)
        ran = aloe("personas", "import", file, "--config", bag_settings, "--out", out, "--json")
        assert ran.result["added"] == len(people), ran.err
        assert [(p.profile, p.personality) for p in read_personas(out)] == people


def test_strangers_with_one_id_are_not_one_person(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    texts = ["I mend bicycles in Porto.", "I fish off Hue.", "I bake in Leeds.", "I teach chess."]
    files = [tmp_path / name for name in ("a.csv", "b.csv")]
    for file, (one, two) in zip(files, (texts[:2], texts[2:]), strict=True):
        file.write_text(f"id,profile,personality\n1,{one},I shout.\n2,{two},I whisper.\n")
    out = tmp_path / "all.jsonl"
    given = ("--out", out, "--config", bag_settings, "--json")
    ran = aloe("personas", "import", *files, *given)
    assert ran.is_one_line_about("b.csv:2", "has the id 1 of another persona", "a.csv:2")
    assert not out.exists()
    ran = aloe("personas", "import", *files, *given, "--skip-bad")
    assert (ran.result["added"], len(ran.result["bad"])) == (2, 2)
    ran = aloe("personas", "import", files[1], *given)
    assert ran.result["added"] == 0
    assert "has the id 1 of one in the pool" in ran.result["repeated"][0]


def test_blanks_around_a_text_do_not_matter(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    file, out = tmp_path / "a.jsonl", tmp_path / "all.jsonl"
    near = ("I mend bicycles in Porto. I am 40.\n", "  I mend bicycles in Porto. I am 40!")
    rows = ({"profile": text, "personality": "I shout."} for text in near)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = aloe("personas", "import", file, "--out", out, "--config", bag_settings, "--json")
    assert (ran.code, ran.result["added"], ran.result["refused"]) == (0, 1, 1), ran.err
