"""Commands that are given something of another kind say what it is, and change nothing."""

import shutil
from pathlib import Path

import pytest
from builders import SCRIPTED
from command import RunAloe

from aloe.benchmark.example import BASE, TREES, copy_example
from aloe.memory.run_folder import read_trees


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example: trees of an experiment and of `simulate`, and two benchmarks."""
    path = tmp_path_factory.mktemp("recorded") / "example"
    copy_example(path)
    return path


def state_of(path: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize("part", [".", "control"])
def test_the_page_of_a_benchmark_is_not_overwritten(
    aloe: RunAloe, recorded: Path, tmp_path: Path, part: str
) -> None:
    bench = Path(shutil.copytree(recorded / BASE, tmp_path / "bench"))
    (tmp_path / "bench" / "report.html").write_text("its own")
    if part == "control":
        (bench / "cases.jsonl").rename(tmp_path / "cases.jsonl")
    before = state_of(bench)
    ran = aloe("report", bench)
    assert ran.is_one_line_about("bench: holds a benchmark", "aloe bench report")
    assert state_of(bench) == before


def test_what_a_benchmark_asks_at_the_end_is_no_turn(aloe: RunAloe, recorded: Path) -> None:
    (tree, *_) = trees = list(read_trees(recorded / BASE))
    rows = aloe("trace", recorded / BASE, "--json").result["trees"]
    assert {row["turns"] for row in rows} == {6}
    assert {node.turn for each in trees for node in each.ends} == {7}
    drawn = aloe("trace", recorded / BASE, "--first").out
    assert "6 turns" in drawn
    assert f"- case {tree.ends[0].id[:2]}" in drawn
    assert " 7 case" not in drawn


@pytest.mark.parametrize("flags", [("--rollouts", 3), ("--turns", 9), ("--turns", 9, "--dry-run")])
def test_only_what_simulate_grew_is_extended(
    aloe: RunAloe, recorded: Path, tmp_path: Path, flags: tuple[object, ...]
) -> None:
    out, chat = tmp_path / "out", tmp_path / "chat"
    shutil.copytree(recorded / TREES, chat)
    file = chat / "trees.jsonl"
    file.write_text(file.read_text().replace('"agent":"rule"', '"agent":"me"'))
    said = {
        recorded / TREES: ("`aloe experiment`", "user, asker, rewriter, stranger", "aloe relabel"),
        recorded / BASE: ("holds a benchmark", "a run of `aloe simulate`"),
        chat: ("which `aloe simulate` did not grow",),
    }
    for run, words in said.items():
        ran = aloe("simulate", "--extend", run, *flags, "--out", out)
        assert ran.is_one_line_about(f"--extend: {run}", *words)
        assert not out.exists()


def test_dialogues_without_siblings_are_not_judged_again(
    aloe: RunAloe, recorded: Path, tmp_path: Path
) -> None:
    for name in ("empty", "base"):
        run = tmp_path / name
        shutil.copytree(recorded / BASE, run)
    (tmp_path / "empty" / "trees.jsonl").write_text("")
    for run in (tmp_path / "base", tmp_path / "empty", tmp_path / "base" / "trees.jsonl"):
        ran = aloe("rejudge", run, "--judge", SCRIPTED, "--out", tmp_path / "new")
        assert ran.is_one_line_about("no two replies to one message", "nothing to judge")
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("form", [(), ("--format", "messages")])
@pytest.mark.parametrize("part", [TREES, BASE])
def test_trees_of_our_own_are_not_imported(
    aloe: RunAloe, recorded: Path, tmp_path: Path, form: tuple[str, ...], part: str
) -> None:
    file, out = recorded / part / "trees.jsonl", tmp_path / "trees.jsonl"
    ran = aloe("trees", "import", file, *form, "--out", out)
    assert ran.is_one_line_about(f"{file}: holds trees of aloe's own", "`aloe trees merge`")
    assert not out.exists()


@pytest.mark.parametrize(
    "command",
    [
        ("config", "check"),
        ("roles", "list", "--config"),
        ("simulate", "--personas", "p.jsonl", "--out", "run", "--config"),
    ],
)
def test_a_folder_is_no_file_of_settings(
    aloe: RunAloe, tmp_path: Path, command: tuple[str, ...]
) -> None:
    assert aloe(*command, tmp_path).is_one_line_about(f"{tmp_path}: is a folder; name a file")


def test_a_mistyped_tool_is_named(aloe: RunAloe, recorded: Path, tmp_path: Path) -> None:
    given = ("label", recorded / TREES, "--out", tmp_path / "a.json", "--to")
    assert aloe(*given, "argila").is_one_line_about("--to: 'argila' is none of argilla, label-st")
    assert aloe(*given[:2], "--to", "argilla").is_one_line_about("--out a file to write")
