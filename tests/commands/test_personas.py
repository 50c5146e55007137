import gzip
import json
import time
from pathlib import Path

import pytest
from bags import BAGS
from command import RunAloe, StartAloe

from aloe.benchmark.decontamination import sha256
from aloe.config import PersonasConfig
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.personas import SHIPPED, read_personas
from aloe.memory.pool.store import read_vectors
from aloe.memory.pool.report import contradictory, unsound
from aloe.schema import digest

NEAREST = Path(__file__).parents[1] / "golden" / "nearest.json"
CITIES = [f"Town {chr(65 + n)}" for n in range(25)]
WRITER = "scripted:aloe.agents.scripted_writer:reply"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(f'[personas]\nembedder = "{BAGS}"\nthreshold = 0.8\nbatch = 8\n')
    return path


@pytest.fixture
def pool(tmp_path: Path, settings: Path, aloe: RunAloe) -> Path:
    path = tmp_path / "pool.jsonl"
    ran = aloe(
        *("personas", "grow", "--compose", "--target", 30, "--out", path),
        *("--config", settings, "--batch", 8, "--quiet"),
    )
    assert ran.code == 0, ran.err
    return path


def test_growing_and_growing_on(tmp_path: Path, settings: Path, aloe: RunAloe) -> None:
    out = tmp_path / "personas.jsonl"
    grow = ("personas", "grow", "--out", out, "--config", settings, "--model", WRITER, "--json")
    ran = aloe(*grow, "--target", 5)
    assert ran.code == 0, ran.err
    assert (ran.result["personas"], ran.result["personas_now"], ran.result["ended"]) == (
        5,
        5,
        "target",
    )
    assert ran.result["calls"] == ran.result["candidates"] >= 10
    assert ran.result["output_tokens"] > 100
    assert "personas: 5/5" in ran.err
    people = read_personas(out)
    assert {origin.model for p in people for origin in p.lineage.values()} == {WRITER}
    events = (tmp_path / "personas.pool" / "events.jsonl").read_text().splitlines()
    assert len(events) == ran.result["calls"]

    again = aloe(*grow, "--target", 5)
    assert (again.code, again.result["calls"], again.result["personas"]) == (0, 0, 5)
    assert "5 were wanted: all done" in again.err

    more = aloe(*grow, "--target", 8)
    assert (more.result["personas"], more.result["personas_now"]) == (8, 3)
    assert read_personas(out)[:5] == people


def test_own_seeds_are_shown_and_a_broken_one_is_named(
    tmp_path: Path, settings: Path, aloe: RunAloe
) -> None:
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    (seeds / "profiles.jsonl").write_text('"I am 30. I sail."\n{"text": "I am 40. I ski."}\n')
    (seeds / "personalities.jsonl").write_text('"I shout."\n{"texts": "I joke."}\n')
    grow = ("personas", "grow", "--out", tmp_path / "p.jsonl", "--config", settings)
    ran = aloe(*grow, "--model", WRITER, "--seeds", seeds, "--target", 2)
    assert ran.is_one_line_about("personalities.jsonl:2", "a seed is")
    (seeds / "personalities.jsonl").write_text('"I shout."\n"I joke."\n')
    ran = aloe(*grow, "--model", WRITER, "--seeds", seeds, "--target", 2)
    assert ran.code == 0, ran.err
    parents = {digest("I am 30. I sail."), digest("I am 40. I ski.")}
    for persona in read_personas(tmp_path / "p.jsonl"):
        assert set(persona.lineage["profile"].parents) == parents


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "nonsense"), ("unknown model", "nonsense")),
        (("--model", "openai:gpt-4o-mini"), ("OPENAI_API_KEY",)),
        (("--model", "openai:x@http://127.0.0.1:9/v1"), ("nothing answers",)),
        (("--seeds", "nowhere"), ("nowhere", "cannot be read")),
        (("--target", "0"), ("personas.target",)),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, aloe: RunAloe, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    out = tmp_path / "personas.jsonl"
    assert aloe("personas", "grow", "--out", out, *arguments).is_one_line_about(*words)
    assert list(tmp_path.iterdir()) == []


def test_another_threshold_is_refused(pool: Path, settings: Path, aloe: RunAloe) -> None:
    settings.write_text(settings.read_text().replace("0.8", "0.9"))
    ran = aloe("personas", "grow", "--compose", "--target", 40, "--out", pool, "--config", settings)
    assert ran.is_one_line_about("threshold 0.8, now it is 0.9")


def test_killed_at_any_moment_nothing_is_lost_or_doubled(
    tmp_path: Path, settings: Path, start: StartAloe, aloe: RunAloe
) -> None:
    out = tmp_path / "personas.jsonl"
    grow = ("personas", "grow", "--out", out, "--config", settings, "--model", WRITER, "--quiet")
    kept: list[str] = []
    for lines in (1, 12, 25):
        child = start(*grow, "--target", 60, ANONYMIZED_TELEMETRY="false")
        deadline = time.monotonic() + 60
        while not out.exists() or out.read_bytes().count(b"\n") < lines:
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        child.kill()
        child.wait()
        whole = out.read_text().rpartition("\n")[0].splitlines()
        assert whole[: len(kept)] == kept
        kept = whole
    with out.open("a") as file:
        file.write('{"id":"torn')
    ran = aloe(*grow, "--target", 60)
    assert ran.code == 0, ran.err
    people = read_personas(out)
    assert len(people) == 60
    assert [json.loads(line)["id"] for line in kept] == [p.id for p in people[: len(kept)]]
    stored = read_vectors(out, "bag-of-words")
    assert {digest(p.profile) for p in people} <= stored["profile"].keys()
    assert len(stored["profile"]) == 60 + 32
    assert len(stored["personality"]) == 60 + 32


def test_show(pool: Path, aloe: RunAloe) -> None:
    people = read_personas(pool)
    ran = aloe("personas", "show", pool, "--id", people[3].id[:10], "--json")
    assert [each["id"] for each in ran.result["personas"]] == [people[3].id]
    assert people[3].facts[0].text.split()[0] in ran.err
    assert aloe("personas", "show", pool, "--id", "zz").is_one_line_about("no persona's id")


def test_stats(pool: Path, settings: Path, tmp_path: Path, aloe: RunAloe) -> None:
    picture = tmp_path / "map.png"
    ran = aloe("personas", "stats", pool, "--config", settings, "--map", picture, "--json")
    assert ran.code == 0, ran.err
    assert ran.result["personas"] == 30
    assert ran.result["contradictory"] == 0
    assert ran.result["origins"] == {"composed": 60}
    assert sum(r["count"] for r in ran.result["coverage"] if r["axis"] == "age") == 30
    assert all(pair["similarity"] < 0.8 for pair in ran.result["nearest"])
    assert ran.result["saturation"][-1]["candidates"] >= 60
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_check_finds_what_is_wrong(pool: Path, settings: Path, aloe: RunAloe) -> None:
    check = ("personas", "check", pool, "--config", settings, "--json")
    ran = aloe(*check)
    assert (ran.code, ran.result["pairs"], ran.result["contradictory"]) == (0, [], {})
    first = read_personas(pool)[0]
    copy = {"profile": first.profile + " Truly so.", "personality": "I have never been married."}
    odd = {"profile": "I am 30. I ask my wife.", "personality": "I have never been married."}
    with pool.open("a") as file:
        file.write(json.dumps(copy) + "\n" + json.dumps(odd) + "\n")
    ran = aloe(*check)
    assert ran.code == 1
    assert [pair["first"] for pair in ran.result["pairs"]] == [first.id]
    assert list(ran.result["contradictory"].values()) == [["marriage"]]
    assert ran.result["unsound"]["profile: too_few_facts"] == 1


def test_splitting(pool: Path, settings: Path, tmp_path: Path, aloe: RunAloe) -> None:
    out = tmp_path / "split"
    split = ("personas", "split", pool, "--out", out, "--config", settings, "--json")
    ran = aloe(*split, "--shares", "60,20,20")
    assert (ran.result["train"], ran.result["validation"], ran.result["test"]) == (18, 6, 6)
    parts = [read_personas(out / f"{part}.jsonl") for part in ("train", "validation", "test")]
    assert len({p.id for part in parts for p in part}) == 30
    known = tmp_path / "known.jsonl"
    known.write_text("".join(p.model_dump_json() + "\n" for p in parts[2][:2]))
    leak = aloe(*split, "--shares", "60,20,20", "--against", known)
    assert sorted(leak.result["refused"]) == sorted(p.id for p in parts[2][:2])
    assert leak.result["test"] == 4
    assert parts[2][0].id in leak.err
    assert aloe(*split, "--shares", "60,40").is_one_line_about("three numbers")
    assert aloe(*split, "--threshold", "0.05").is_one_line_about("raise --threshold")


def test_importing_the_original_files(tmp_path: Path, settings: Path, aloe: RunAloe) -> None:
    profiles, tempers = tmp_path / "profile.jsonl", tmp_path / "personality.jsonl"
    profiles.write_text(
        '"He is a nurse of thirty from Leeds."\n'
        '"She repairs violins in Kyoto.""They farm shrimp near Hue."\n'
        '"She repairs old violins in Kyoto."\n'
    )
    tempers.write_text('"He is patient."\n"She loves puns."\n"They argue."\n')
    out = tmp_path / "personas.jsonl"
    given = ("personas", "import", profiles, tempers, "--out", out, "--config", settings, "--json")
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


def test_importing_hub_lines_takes_the_seeds_tempers(
    tmp_path: Path, settings: Path, aloe: RunAloe
) -> None:
    hub = tmp_path / "hub.jsonl"
    hub.write_text(
        '{"persona": "A potter in Leeds who bakes"}\n{"persona": "A blind chess coach"}\n'
    )
    out = tmp_path / "personas.jsonl"
    ran = aloe("personas", "import", hub, "--out", out, "--config", settings, "--json")
    assert ran.result["added"] == 2
    assert [p.lineage["personality"].origin for p in read_personas(out)] == ["seed", "seed"]


def test_what_is_left_out_of_an_import_is_named(
    tmp_path: Path, settings: Path, aloe: RunAloe
) -> None:
    rows = [f"A restorer of old violins who sails and bakes bread in {city}." for city in CITIES]
    hub, out = tmp_path / "hub.jsonl", tmp_path / "personas.jsonl"
    lines = [json.dumps({"persona": row}) for row in (*rows, "She dives.", "A diver.", rows[0])]
    hub.write_text("\n".join(lines))
    given = ("personas", "import", hub, "--config", settings, "--json", "--out")
    ran = aloe(*given, out)
    near = ran.result["near"]
    assert (ran.result["added"], ran.result["refused"]) == (2, len(CITIES) - 1)
    assert [each["row"] for each in near] == [f"{hub}:{line}" for line in range(2, len(rows) + 1)]
    assert ran.result["unmatched"] == [f"{hub}:{len(rows) + 1}"]
    assert {each["like"] for each in near} == {f"{hub}:1"}
    assert all(each["similarity"] >= 0.8 for each in near)
    assert ran.result["repeated"] == [f"{hub}:{len(lines)} says the same as {hub}:1"]
    shown = " ".join(ran.err.split())
    assert f"{hub}:2 is" in shown
    assert "24 near-copies refused (--keep-near keeps them)" in shown
    assert "and 4 more" in shown
    assert aloe(*given, tmp_path / "all.jsonl", "--keep-near").result["added"] == len(rows) + 1


def test_rows_that_all_say_the_same_are_refused(
    tmp_path: Path, settings: Path, aloe: RunAloe
) -> None:
    table = tmp_path / "a.csv"
    table.write_text("id,description\n" + "".join(f"{n},Do the task.\n" for n in range(30)))
    out = tmp_path / "personas.jsonl"
    ran = aloe("personas", "import", table, "--config", settings, "--out", out)
    assert ran.is_one_line_about("all 30 rows say the same", "--column")
    assert not out.exists()


def test_importing_columns_of_a_parquet_file(tmp_path: Path, settings: Path, aloe: RunAloe) -> None:
    import pyarrow
    from pyarrow import parquet

    file, out = tmp_path / "people.parquet", tmp_path / "personas.jsonl"
    people = {
        "persona": ["A potter in Leeds.", "A blind chess coach."],
        "sports_persona": ["I dive.", "I run."],
        "manner": ["I shout.", "I whisper."],
    }
    parquet.write_table(pyarrow.table(people), file)
    given = ("personas", "import", file, "--out", out, "--config", settings, "--json")
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
    pool: Path, tmp_path: Path, settings: Path, aloe: RunAloe
) -> None:
    people = [(p.profile, p.personality) for p in read_personas(pool)]
    for form in ("jsonl", "csv"):
        file, out = tmp_path / f"all.{form}.gz", tmp_path / f"{form}.jsonl"
        aloe("personas", "export", pool, "--format", form, "--out", file)
        ran = aloe("personas", "import", file, "--config", settings, "--out", out, "--json")
        assert ran.result["added"] == len(people), ran.err
        assert [(p.profile, p.personality) for p in read_personas(out)] == people


def test_exporting(pool: Path, tmp_path: Path, aloe: RunAloe) -> None:
    people = read_personas(pool)
    export = ("personas", "export", pool, "--json", "--out")
    assert aloe(*export, tmp_path / "all.jsonl.gz").result["personas"] == 30
    assert read_personas(tmp_path / "all.jsonl.gz") == people
    assert b'"facts"' not in gzip.decompress((tmp_path / "all.jsonl.gz").read_bytes())
    aloe(*export, tmp_path / "few.jsonl", "--count", 4, "--seed", 3)
    few = read_personas(tmp_path / "few.jsonl")
    assert len(few) == 4
    assert all(each in people for each in few)
    aloe(*export, tmp_path / "all.csv", "--format", "csv")
    assert (tmp_path / "all.csv").read_text().startswith("id,profile,personality,age,")
    aloe(*export, tmp_path / "hub.jsonl", "--format", "hub")
    first = json.loads((tmp_path / "hub.jsonl").read_text().splitlines()[0])
    assert first == {"persona": f"{people[0].profile} {people[0].personality}"}
    (tmp_path / "file").write_text("")
    ran = aloe(*export, tmp_path / "file" / "x.jsonl")
    assert ran.is_one_line_about("cannot be written")


def test_the_shipped_pool_is_there_without_a_file(tmp_path: Path, aloe: RunAloe) -> None:
    ran = aloe("personas", "export", "--count", 7, "--out", tmp_path / "p.jsonl", "--json")
    assert ran.result["personas"] == 7
    assert len(read_personas(tmp_path / "p.jsonl")) == 7


def test_the_shipped_pool_holds_no_near_copies(aloe: RunAloe, pytestconfig: pytest.Config) -> None:
    """Embedding all takes minutes, so what a full check said is kept, with what it was said of.

    After a change of any of that: pytest --update-snapshots tests/commands/test_personas.py
    """
    embedder, personas = MiniLmEmbedder(), {each.id: each for each in read_personas(SHIPPED)}
    subject = {"pool": sha256(SHIPPED), "embedder": embedder.name}
    if pytestconfig.getoption("--update-snapshots"):
        check = aloe("personas", "check", "--json").result
        nearest = aloe("personas", "stats", "--pairs", 20, "--json").result["nearest"]
        record = {**subject, "check": check, "nearest": nearest}
        NEAREST.write_text(json.dumps(record, indent=1) + "\n")
    kept = json.loads(NEAREST.read_text())
    assert {name: kept[name] for name in subject} == subject
    assert kept["check"] == {
        "personas": len(personas),
        "threshold": PersonasConfig().threshold,
        "pairs": [],
        "contradictory": {},
        "unsound": {},
    }
    for pair in kept["nearest"]:
        texts = [getattr(personas[pair[side]], pair["kind"]) for side in ("first", "second")]
        one, other = embedder.embed(texts)
        assert one @ other == pytest.approx(pair["similarity"], abs=0.02)


def test_the_shipped_pool_breaks_no_rule() -> None:
    personas = read_personas(SHIPPED)
    assert len(personas) >= 3310
    assert contradictory(personas) == {}
    assert unsound(personas) == {}


def test_calibrating(aloe: RunAloe) -> None:
    ran = aloe("personas", "calibrate", "--json")
    assert ran.result["threshold"] == ran.result["set"]


@pytest.mark.parametrize(
    "verb", ["grow", "show", "stats", "check", "calibrate", "split", "export", "import"]
)
def test_every_verb_shows_an_example(aloe: RunAloe, verb: str) -> None:
    ran = aloe("personas", verb, "--help")
    assert ran.code == 0
    assert "Example:" in ran.out
    assert f"aloe personas {verb}" in " ".join(ran.out.split())
