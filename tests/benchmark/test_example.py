"""The example that ships: small, whole, of this schema, and readable by every command."""

import json
import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from command import RunAloe

from aloe.benchmark import example as shipped
from aloe.benchmark.card import render_card
from aloe.benchmark.dialogue_pair import DialoguePair, measure_changes
from aloe.benchmark.example import (
    ARCHIVE,
    BASE,
    FREE_TEXT,
    README,
    TRAINED,
    TREES,
    RecordedExample,
    copy_example,
)
from aloe.benchmark.folder import read_bench
from aloe.benchmark.recording import MOST_BYTES, record
from aloe.benchmark.report import render_report
from aloe.benchmark.run_pages import RunPages
from aloe.errors import StoreError
from aloe.memory.run_folder import read_trees
from aloe.schema import UserNode


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("example") / "copy"
    assert copy_example(path)
    return path


@pytest.fixture
def example(copied: Path, tmp_path: Path) -> Path:
    """A copy to work on."""
    return Path(shutil.copytree(copied, tmp_path / "example"))


def test_it_is_small_and_names_no_place_of_the_machine_it_was_made_on() -> None:
    assert ARCHIVE.stat().st_size <= MOST_BYTES
    with ZipFile(ARCHIVE) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    places = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|mnt|var|opt)/")
    assert [name for name, text in texts.items() if places.search(text)] == []


def test_its_cards_name_no_model_that_was_not_asked(example: Path) -> None:
    for name in (BASE, TRAINED):
        card = render_card(read_bench(example / name), [])
        assert "| user simulator | `rule` |" in card
        assert "judge passport" not in card


def test_it_is_shown_and_every_command_that_it_names_works(
    aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "50")
    ran = aloe("example", "mine", "--json")
    assert ran.code == 0
    assert ran.result["written"]
    for words in ("who", "wants", "turn 2", BASE, TRAINED, "✓", "average AL"):
        assert words in ran.err
    following = [line.split()[1:] for line in ran.result["next"] if "view" not in line]
    assert len(following) == 4
    assert following[0] == ["trace", "mine/trees", "--highlight"]
    for words in following:
        assert aloe(*words).code == 0
    assert Path("mine/pairs.jsonl").stat().st_size
    shown = aloe("example", "mine").out
    assert [f"  {each}" for each in ran.result["next"]] == shown.splitlines()[-5:]
    assert "next:" not in aloe("example", "mine", "--no-next").out
    again = aloe("example", "mine", "--json")
    assert (again.code, again.result["written"]) == (0, False)


@pytest.mark.parametrize("name", [BASE, TRAINED, TREES, FREE_TEXT])
def test_every_command_that_reads_a_folder_reads_this_one(
    aloe: RunAloe, example: Path, name: str
) -> None:
    folder, out = example / name, example / "out"
    benches = [
        ("bench", "report", folder),
        ("bench", "compare", folder, example / BASE if name == TRAINED else example / TRAINED),
    ]
    for command in (
        ("trace", folder),
        ("trace", folder, "--first"),
        ("export", folder, "--format", "grpo", "--out", out / "grpo.jsonl"),
        *(benches if name in (BASE, TRAINED) else [("report", folder)]),
    ):
        ran = aloe(*command)
        assert ran.code == 0, (command, ran.err)
    pages = RunPages([example])
    chosen = re.findall(r"<option selected>([^<]*)<", pages.answer("/", {}).text)
    assert chosen == [BASE, TRAINED]
    assert {pages.answer(each, {}).status for each in ("/", f"/run/{name}")} == {200}


@pytest.mark.parametrize(
    "command", ["trace", "trace --follow", "report", "export --format sft --out x.jsonl", "label",
                "relabel", "bench report", "train sft --model x --out y --data"],
)  # fmt: skip
def test_a_folder_around_runs_is_answered_with_their_names(
    command: str, aloe: RunAloe, copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = "base, trained" if "bench" in command else "base, free-text, trained, trees"
    if "--follow" not in command:
        said = f"name one of the runs in this folder: {runs}"
        assert aloe(*command.split(), copied).is_one_line_about(f"{copied}: {said}")
    missing = copied / "none"
    assert aloe(*command.split(), missing).is_one_line_about(f"{missing}: ", " exist")


def test_figures_of_a_condition_whose_dialogues_are_not_there_are_shown_and_said_to_be_so(
    copied: Path,
) -> None:
    bench = read_bench(copied / TRAINED)
    assert "ceiling" in bench.result.conditions.keys() - bench.conditions.keys()
    for shown in (render_report(bench), render_card(bench, [])):
        assert "ceiling are not in this folder, only their figures" in " ".join(shown.split())
        assert "told who the user is" in shown or "ceiling (condition)" in shown


def test_an_example_of_another_version_goes_aside_with_what_was_made_from_it(
    aloe: RunAloe, example: Path
) -> None:
    readme = example / README
    for number in (1, 2):
        readme.write_text(readme.read_text().replace("aloe 0.1.0", "aloe 0.0.9"))
        (example / "pairs.jsonl").write_text("{}\n")
        aside = example.with_name(f"example-before-{number}")
        ran = aloe("example", example, "--json")
        assert ran.code == 0
        assert str(aside) in " ".join(ran.err.split())
        assert ran.result["written"]
        assert (aside / "pairs.jsonl").exists()
        assert not (example / "pairs.jsonl").exists()
        assert "aloe 0.1.0" in readme.read_text()


def test_the_dialogue_is_one_that_rose_by_the_median_and_asked(copied: Path) -> None:
    before, after = (read_bench(copied / name) for name in (BASE, TRAINED))
    pair = RecordedExample(path=copied).find_pair()
    assert pair
    changes = measure_changes(before.own_rows, after.own_rows)
    above = sum(each > changes[pair.trees[0].id] for each in changes.values())
    below = sum(each < changes[pair.trees[0].id] for each in changes.values())
    assert max(above, below) <= len(changes) / 2
    assert pair.trees[0].id == pair.trees[1].id
    assert any(told.why == "asked" for user in pair.trees[1].users for told in user.told)
    assert pair.trees[0].persona == pair.trees[1].persona


def test_a_dialogue_that_broke_off_is_not_drawn(example: Path) -> None:
    whole = RecordedExample(path=example).find_pair()
    assert whole
    scores = example / TRAINED / "scores.jsonl"
    rows = [json.loads(line) for line in scores.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if row["dialogue"] == whole.trees[0].id and row["turn"] == 6:
            row["reply"] = None
    scores.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    other = RecordedExample(path=example).find_pair()
    assert other
    assert other.trees[0].id != whole.trees[0].id


def test_turns_that_are_drawn_are_a_question_its_answer_and_the_last(copied: Path) -> None:
    asked = 0
    for tree in [*read_trees(copied / TREES), *read_bench(copied / TRAINED).trees()]:
        pair = DialoguePair(names=("a", "b"), trees=(tree, tree), turns=6)
        turns = pair.choose_turns()
        answers = [
            node.turn
            for node in tree.nodes
            if isinstance(node, UserNode) and any(told.why == "asked" for told in node.told)
        ]
        asked += bool(answers)
        assert turns[-1] == 6
        assert answers or turns == [1, 3, 6]
        assert not answers or {answers[0] - 1, answers[0]} - {0, 7} <= set(turns)
    assert asked


@pytest.mark.parametrize("there", ["file", "other", "older"])
def test_what_is_there_is_left_alone(there: str, example: Path, tmp_path: Path) -> None:
    path = tmp_path / "there"
    if there == "file":
        path.write_text("mine")
    elif there == "other":
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    else:
        shutil.copytree(example, path)
        (path / README).write_text("an earlier version's")
    before = sorted(each.name for each in tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="holds something else; name another folder"):
        copy_example(path)
    assert sorted(each.name for each in tmp_path.rglob("*")) == before


def test_nothing_is_left_of_a_copy_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ZipFile, "extractall", fail)
    with pytest.raises(StoreError, match="No space left"):
        copy_example(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lacking", ["base/result.json", "trained/scores.jsonl", "base"])
def test_a_damaged_copy_is_one_line(lacking: str, aloe: RunAloe, example: Path) -> None:
    path = example / lacking
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    ran = aloe("example", example)
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1


def test_recording_takes_what_is_there_and_changes_nothing(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees, free, base, trained = (copied / name for name in (TREES, FREE_TEXT, BASE, TRAINED))
    out = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for path in out:
        record(trees=trees, calls=trees, free_text=free, base=base, trained=trained,
               trees_by="make trees", pair_by="make pair", count=2, out=path)  # fmt: skip
    assert out[0].read_bytes() == out[1].read_bytes()
    monkeypatch.setattr(shipped, "ARCHIVE", out[0])
    assert copy_example(tmp_path / "copy")
    first = list(read_trees(trees))[:2]
    assert list(read_trees(tmp_path / "copy/trees")) == first
    for name in ("base/scores.jsonl", "trained/result.json", "trees/config.toml"):
        assert (tmp_path / "copy" / name).read_bytes() == (copied / name).read_bytes()
    monkeypatch.setattr("aloe.benchmark.recording.MOST_BYTES", 1000)
    with pytest.raises(StoreError, match="record fewer trees"):
        record(
            trees=trees,
            calls=trees,
            free_text=free,
            base=base,
            trained=trained,
            trees_by="make trees",
            pair_by="make pair",
            out=out[0],
        )
