"""No command that writes a file writes over what a run, a model or a pool keeps."""

import shutil
from pathlib import Path

import pytest
from builders import SCRIPTED
from command import RunAloe

from aloe.benchmark.example import BASE, TREES, copy_example
from aloe.errors import ConfigError
from aloe.memory.out_files import RUN_FILES, check_out


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A run, a bench, a trained model and a pool, each with one file of its user's."""
    copy_example(tmp_path / "example")
    shutil.copytree(tmp_path / "example" / TREES, tmp_path / "run")
    shutil.copytree(tmp_path / "example" / BASE, tmp_path / "bench")
    files = {
        "run": ("trees.jsonl", "labels.jsonl", "rows.jsonl"),
        "bench": ("mine.json",),
        "model": ("training.json", "tokenizer.json"),
        "people.pool": ("waiting.jsonl", "events.jsonl"),
    }
    for folder, names in files.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in names:
            with (tmp_path / folder / name).open("a"):
                pass
    return tmp_path


WRITERS = {
    "prune": ["trees", "prune", "example/trees", "--turns", 1],
    "merge": ["trees", "merge", "example/trees"],
    "import": ["trees", "import", "talks.jsonl"],
    "export": ["export", "example/trees", "--format", "dpo"],
    "personas export": ["personas", "export", "--count", 2, "--format", "jsonl"],
    "verifiable": ["personas", "verifiable", "--count", 1],
    "audit": ["judge", "audit", "--model", SCRIPTED, "--own", 0],
    "label": ["label", "example/trees", "--to", "label-studio"],
}


@pytest.mark.parametrize(
    ("command", "out", "owner"),
    [
        ("prune", "run/labels.jsonl", "a run"),
        ("merge", "run/events.jsonl", "a run"),
        ("import", "bench/scores.jsonl", "a run"),
        ("import", "people.pool/waiting.jsonl", "a pool of personas"),
        ("export", "bench/cases.jsonl", "a run"),
        ("personas export", "run/config.toml", "a run"),
        ("personas export", "people.pool/waiting.jsonl", "a pool of personas"),
        ("verifiable", "model/training.json", "a trained model"),
        ("audit", "run/prompts.json", "a run"),
        ("audit", "model/tokenizer.json", "a trained model"),
        ("label", "bench/result.json", "a run"),
    ],
)
def test_no_command_writes_over_what_is_kept(
    aloe: RunAloe,
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    out: str,
    owner: str,
) -> None:
    monkeypatch.chdir(folders)
    talk = '{"conversations": [{"user": "Hello", "assistant": "Hi."}]}\n'
    (folders / "talks.jsonl").write_text(talk)
    before = {each: each.read_bytes() for each in folders.rglob("*") if each.is_file()}
    ran = aloe(*WRITERS[command], "--out", out)
    assert ran.is_one_line_about(f"--out {out} is a file that {owner} keeps", "name another file")
    assert {each: each.read_bytes() for each in folders.rglob("*") if each.is_file()} == before


def test_a_recording_does_not_replace_the_labels_of_a_run(
    aloe: RunAloe, folders: Path, personas_file: Path
) -> None:
    labels = folders / "run" / "labels.jsonl"
    command = ["simulate", "--personas", personas_file, "--trees", 1, "--turns", 1]
    ran = aloe(*command, "--model", SCRIPTED, "--out", folders / "new", "--record", labels)
    assert ran.is_one_line_about(f"--record {labels} is a file that a run keeps")
    assert not (folders / "new").exists()


def test_a_judge_is_not_audited_over_the_pairs(aloe: RunAloe, folders: Path) -> None:
    pairs = folders / "pairs.json"
    pairs.write_text("[]")
    ran = aloe("judge", "audit", "--model", SCRIPTED, "--pairs", pairs, "--out", pairs)
    assert ran.is_one_line_about("--out is also the input", "pairs.json")


def test_what_a_run_keeps_is_known_through_links_and_before_it_is_there(folders: Path) -> None:
    run = folders / "run"
    assert {each.name for each in run.iterdir() if each.is_file()} - {"rows.jsonl"} <= RUN_FILES
    (run / "labels.jsonl").replace(folders / "elsewhere.jsonl")
    with pytest.raises(ConfigError, match="a run keeps"):
        check_out(run / "labels.jsonl", [])
    (run / "labels.jsonl").symlink_to(folders / "elsewhere.jsonl")
    (folders / "link.jsonl").symlink_to(run / "events.jsonl")
    for out in (run / "labels.jsonl", folders / "link.jsonl"):
        with pytest.raises(ConfigError, match="a run keeps"):
            check_out(out, [])


def test_files_that_are_the_users_may_lie_beside_and_be_made_again(folders: Path) -> None:
    for out in ("run/rows.jsonl", "bench/mine.json", "model/new.jsonl", "labels.jsonl"):
        check_out(folders / out, [])
    (folders / "trees.jsonl").touch()  # a file of trees makes no run
    check_out(folders / "trees.jsonl", [])
