"""`aloe trees` and `aloe simulate --extend`: trees cut, merged and grown further."""

import json
from pathlib import Path

import pytest
from builders import SCRIPTED
from command import RunAloe

from aloe.calls.event import read_events
from aloe.memory.run_folder import RunFolder, read_trees


def simulate(
    aloe: RunAloe, personas: Path, out: Path, turns: int, *more: object
) -> dict[str, object]:
    ran = aloe(
        "simulate", "--personas", personas, "--out", out, "--model", SCRIPTED, "--trees", 3,
        "--turns", turns, "--json", *more,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return ran.result


@pytest.mark.parametrize("expansion", ["sample", "both", "beam", "disagreement"])
def test_extended_trees_are_those_grown_at_once_and_no_call_is_repeated(
    aloe: RunAloe, personas_file: Path, tmp_path: Path, expansion: str
) -> None:
    whole, short, long = (tmp_path / name for name in ("whole", "short", "long"))
    simulate(aloe, personas_file, whole, 4, "--expansion", expansion)
    simulate(aloe, personas_file, short, 2, "--expansion", expansion)
    before = {path.name: path.read_bytes() for path in short.iterdir()}
    command = ["simulate", "--extend", short, "--turns", 4, "--out", long, "--json"]
    ran = aloe(*command)
    assert ran.code == 0, ran.err
    assert ran.result["trees_now"] == 3
    for name in ("trees.jsonl", "config.toml"):
        assert (long / name).read_bytes() == (whole / name).read_bytes()
    keys = [{e["key"] for e in read_events(run / "events.jsonl")} for run in (short, long, whole)]
    assert keys[0].isdisjoint(keys[1])
    assert keys[0] | keys[1] == keys[2]
    assert {path.name: path.read_bytes() for path in short.iterdir()} == before
    again = aloe(*command).result
    assert (again["trees_now"], again["calls"], again["trees"]) == (0, 0, 3)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--personas FILE", "--extend"]),
        (["--extend", "run", "--turns", "2"], ["already has 2 turns;", "--turns"]),
        (["--extend", "run", "--turns", "3", "--seed", "1"], ["leave out --seed"]),
        (["--extend", "run", "--model", SCRIPTED, "--trees", "2"], ["--trees, --model"]),
        (["--extend", "none", "--turns", "3"], ["none", "cannot be read"]),
    ],
)
def test_what_cannot_be_extended(
    aloe: RunAloe,
    personas_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    simulate(aloe, personas_file, tmp_path / "run", 2)
    assert aloe("simulate", "--out", "new", *flags).is_one_line_about(*words)
    assert not (tmp_path / "new").exists()
    same = aloe("simulate", "--extend", "run", "--turns", 3, "--out", tmp_path / "run")
    assert same.is_one_line_about("name another folder")


def test_an_unfinished_run_is_extended_as_far_as_it_is_there_and_not_while_it_grows(
    aloe: RunAloe, personas_file: Path, tmp_path: Path
) -> None:
    run, new = RunFolder(tmp_path / "run"), tmp_path / "new"
    simulate(aloe, personas_file, run.path, 1)
    longer = ["simulate", "--extend", run.path, "--turns", 2, "--quiet", "--out", new]
    with run.locked():
        busy = aloe(*longer)
    assert busy.is_one_line_about("in use by another aloe process", "when that has ended")
    assert not new.exists()
    assert "trees are there" not in aloe(*longer).err
    run.trees.write_text("".join(run.trees.read_text().splitlines(keepends=True)[:2]))
    ran = aloe(*longer[:-1], tmp_path / "fewer", "--json")
    assert (ran.code, ran.result["trees"]) == (0, 2)
    assert "2 of 3 trees are there; the others are left out" in ran.err
    assert (run.planned(), RunFolder(tmp_path / "fewer").planned()) == (3, 2)
    assert aloe("report", tmp_path / "fewer", "--json").result["unfinished"] == 0
    assert aloe("report", run.path, "--json").result["unfinished"] == 1


def test_trees_of_another_model_are_not_extended(
    aloe: RunAloe, personas_file: Path, tmp_path: Path
) -> None:
    simulate(aloe, personas_file, tmp_path / "run", 1)
    config = tmp_path / "run" / "config.toml"
    (tmp_path / "other.py").write_text("from aloe.agents.scripted import reply\n")
    config.write_text(config.read_text().replace(SCRIPTED, "scripted:builders:reply"))
    assert aloe("trust", tmp_path / "run").code == 0
    ran = aloe("simulate", "--extend", tmp_path / "run", "--turns", 2, "--out", tmp_path / "new")
    assert ran.is_one_line_about("grown with other models")


def test_prune_and_merge(aloe: RunAloe, personas_file: Path, tmp_path: Path) -> None:
    simulate(aloe, personas_file, tmp_path / "run", 3, "--expansion", "both")
    short, whole = tmp_path / "short.jsonl", tmp_path / "whole.jsonl"
    ran = aloe("trees", "prune", tmp_path / "run", "--turns", 2, "--out", short, "--json")
    assert ran.result == {"out": str(short), "trees": 3, "nodes": 3 * (3 + 6)}
    assert {node.turn for tree in read_trees(short) for node in tree.nodes} == {1, 2}
    ran = aloe("trees", "merge", short, tmp_path / "run", "--out", whole, "--json")
    assert ran.result["trees"] == 3
    assert whole.read_bytes() == (tmp_path / "run" / "trees.jsonl").read_bytes()


@pytest.mark.parametrize("command", [["prune", "--turns", 1], ["merge"]], ids=["prune", "merge"])
def test_a_run_is_not_written_over(
    aloe: RunAloe, personas_file: Path, tmp_path: Path, command: list[object]
) -> None:
    for name in ("run", "other"):
        simulate(aloe, personas_file, tmp_path / name, 2)
    runs = [tmp_path / name / "trees.jsonl" for name in ("run", "other")]
    copy = stored(tmp_path / "copy.jsonl", *map(json.loads, runs[0].read_text().splitlines()))
    before = [file.read_bytes() for file in (*runs, copy)]
    for source, out, words in (
        (tmp_path / "run", runs[0], "also the input"),
        (runs[0], runs[0], "also the input"),
        (copy, copy, "also the input"),
        (tmp_path / "run", runs[1], "holds the trees of a run"),
    ):
        ran = aloe("trees", command[0], source, *command[1:], "--out", out)
        assert ran.is_one_line_about("--out", words, "name another file")
    assert [file.read_bytes() for file in (*runs, copy)] == before


def test_import(aloe: RunAloe, personas_file: Path, tmp_path: Path) -> None:
    simulate(aloe, personas_file, tmp_path / "run", 3, "--expansion", "both")
    talks, trees, pairs = (tmp_path / name for name in ("talks.jsonl", "trees.jsonl", "pairs"))
    assert aloe("export", tmp_path / "run", "--format", "aloe", "--out", talks).code == 0
    ran = aloe("trees", "import", talks, "--out", trees, "--json")
    assert ran.result["trees"] == len(list(read_trees(trees))) == 3
    found = []
    for source in (tmp_path / "run", trees):
        assert aloe("export", source, "--format", "dpo", "--out", f"{pairs}.jsonl").code == 0
        found.append(sorted((tmp_path / "pairs.jsonl").read_text().splitlines()))
    assert found[0] == found[1] != []
    same = {"preferred": "Yes.", "rejected": "Yes."}
    record = {"conversations": [{"user": "Hello", "assistant": same, "chosen": "preferred"}]}
    talks.write_text(json.dumps(record) + "\n")
    ran = aloe("trees", "import", talks, "--out", trees)
    assert "without two replies to compare: 1 of 1 turn" in ran.err
    talks.write_text('{"prompt": []}\n')
    ran = aloe("trees", "import", talks, "--format", "aloe", "--out", tmp_path / "new.jsonl")
    assert ran.is_one_line_about("talks.jsonl:1: is not a conversation")
    assert not (tmp_path / "new.jsonl").exists()


def test_pruning_nothing_is_an_error(aloe: RunAloe, tmp_path: Path) -> None:
    ran = aloe("trees", "prune", tmp_path, "--out", tmp_path / "x.jsonl")
    assert ran.is_one_line_about("--turns N, --spoiled or both")
    ran = aloe("trees", "merge", tmp_path, "--out", tmp_path / "x.jsonl")
    assert ran.is_one_line_about("there are no trees here")
    assert not (tmp_path / "x.jsonl").exists()


def turn(*replies: str, said: str = "Hello.") -> dict[str, object]:
    pair = dict(zip(("preferred", "rejected"), replies, strict=True))
    return {"user": said, "assistant": pair, "chosen": "preferred"}


def stored(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_turns_with_three_replies_are_no_fewer_than_none(aloe: RunAloe, tmp_path: Path) -> None:
    paths = [{"conversations": [turn("a", other)]} for other in "bc"]
    file = stored(tmp_path / "paths.jsonl", *paths)
    ran = aloe("trees", "import", file, "--out", tmp_path / "trees.jsonl")
    assert (ran.code, ran.err) == (0, "")
    file = stored(tmp_path / "more.jsonl", *paths, {"conversations": [turn("a", "a", said="Ho.")]})
    ran = aloe("trees", "import", file, "--out", tmp_path / "trees.jsonl")
    assert "without two replies to compare: 1 of 2 turns" in ran.err


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "paths.jsonl: holds no conversations"),
        (
            [{"conversations": [turn("a", "b")]}, {"conversations": [turn("b", "a")]}],
            "paths.jsonl:2: turn 1: prefers the reply that",
        ),
        (
            [
                {"tree": "t", "profile": text, "conversations": [turn("a", "b")]}
                for text in ("I ski.", "I cook.")
            ],
            "paths.jsonl:2: names the tree of",
        ),
    ],
)
def test_paths_that_would_be_lost_are_refused(
    aloe: RunAloe, tmp_path: Path, records: list[object], said: str
) -> None:
    file = stored(tmp_path / "paths.jsonl", *records)
    ran = aloe("trees", "import", file, "--out", tmp_path / "trees.jsonl")
    assert ran.code == 2
    assert said in ran.err.replace("\n", " ")
    assert not (tmp_path / "trees.jsonl").exists()


def test_conversations_are_not_written_over(aloe: RunAloe, tmp_path: Path) -> None:
    file = stored(tmp_path / "paths.jsonl", {"conversations": [turn("a", "b")]})
    before = file.read_text()
    assert aloe("trees", "import", file, "--out", file).code == 2
    assert file.read_text() == before
