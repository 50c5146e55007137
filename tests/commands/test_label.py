import io
import json
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest
from builders import PERSONAS, config, grow
from command import RunAloe

from aloe.benchmark.passport import issue
from aloe.labels import read_labels
from aloe.memory.run_folder import RunFolder
from aloe.passport import JudgeIdentity, Share, read_passport

SETTINGS = config(turns=2, both_turns=1)
TREES = [grow(SETTINGS, persona=persona) for persona in PERSONAS]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = RunFolder(tmp_path / "run")
    with folder.writing(SETTINGS):
        for tree in TREES:
            folder.append(tree)
    return folder.path


def press(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(keys))


def test_answers_are_kept_and_gone_on_with(
    aloe: RunAloe, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(monkeypatch, "ab")
    first = aloe("label", run, "--count", 5, "--json")
    assert first.code == 0
    assert first.result["labels"] == 2
    assert first.result["out"] == str(run / "labels.jsonl")
    assert "1 of 5" in first.err
    assert "resumes here" in first.err
    press(monkeypatch, "?ts\nxb")  # keys without a meaning are passed over
    again = aloe("label", run, "--count", 5, "--json")
    assert "3 of 5" in again.err
    assert "1 of 5" not in again.err
    labels = read_labels(run / "labels.jsonl")
    assert [label.answer for label in labels[2:4]] == ["tie", "skip"]
    assert len({label.pair for label in labels}) == 5
    assert again.result["labels"] == 4  # a skip is no label
    assert aloe("label", run, "--count", 5, "--json").result == again.result  # nothing left to ask


def test_what_is_shown_is_blind(aloe: RunAloe, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    press(monkeypatch, "a" * 20)
    ran = aloe("label", run, "--count", 20)
    for telling in ("a0", "a1", "preferred", "margin", "★", "▶", "abstain"):
        assert telling not in ran.err
    labels = read_labels(run / "labels.jsonl")
    assert {label.shown for label in labels} == {"first-second", "second-first"}
    for label in labels:  # the same key means the reply that stood there
        assert label.answer == label.shown.split("-")[0]
    assert "outcome" not in (run / "labels.jsonl").read_text()


def test_going_back_asks_again_and_the_last_answer_counts(
    aloe: RunAloe, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(monkeypatch, "utuq")
    aloe("label", run)
    press(monkeypatch, "tusq")
    aloe("label", run, "--rater", "you")
    lines = (run / "labels.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert [(each.rater, each.answer) for each in read_labels(run / "labels.jsonl")] == [
        ("me", "tie"),
        ("you", "skip"),
    ]


def test_a_torn_line_is_cut_and_a_broken_one_named(
    aloe: RunAloe, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(monkeypatch, "a")
    aloe("label", run)
    with (run / "labels.jsonl").open("a") as file:
        file.write('{"pair": "torn')
    assert aloe("label", run, "--count", 0, "--json").result["labels"] == 1
    (run / "labels.jsonl").write_text("{}\n")
    assert aloe("label", run).is_one_line_about("labels.jsonl:1", "not a label")


def test_agreement_is_entered_in_the_passport(
    aloe: RunAloe, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = JudgeIdentity(models=("m",), prompts={}, criteria={}, min_margin=0.0)
    before = issue(judge, [])
    assert before.people is None
    (run / "passport.json").write_text(before.json_text())
    press(monkeypatch, "ab" * 10)
    ran = aloe("label", run, "--json")
    after = read_passport(run / "passport.json")
    assert ran.result["passport"] == str(run / "passport.json")
    assert after.people is not None
    assert after.people.labels == ran.result["labels"] > 0
    assert after.people.agreement == Share.model_validate(ran.result["agreement"])
    assert "agrees with people" in after.summary()
    assert after.model_copy(update={"people": None}) == before


def test_keys_of_a_terminal(run: Path) -> None:
    """One key press is enough there: no line is waited for."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover (the child is another process)
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-m", "aloe", "label", str(run)])
    try:
        heard(terminal, b"q: stop", press=b"")
        heard(terminal, b"2 of", press=b"b")
        heard(terminal, b"resumes here", press=b"q")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    line, *_ = (run / "labels.jsonl").read_text().splitlines()
    assert json.loads(line)["answer"] in ("first", "second")


def heard(terminal: int, words: bytes, *, press: bytes) -> None:
    """Press a key, again and again (one that comes too early is lost), until `words` appear."""
    seen, deadline = b"", time.monotonic() + 30
    while words not in seen:
        assert time.monotonic() < deadline, seen
        os.write(terminal, press)
        while select.select([terminal], [], [], 0.5)[0] and words not in seen:
            seen += os.read(terminal, 65536)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--rater", "browser"), "count nowhere"),
        (("--to", "argilla", "--out", "t.json", "--from", "a.json"), "--from would not be read"),
        (("--to", "argilla", "--out", "t.json", "--rater", "ann"), "--rater would not be read"),
        (("--from", "a.json", "--count", 3, "--seed", 1), "--count, --seed would not be read"),
        (("--from", "a.json", "--rater", "browser"), "choose another"),
    ],
)
def test_flags_that_would_not_be_read_are_refused(
    aloe: RunAloe, run: Path, flags: tuple[object, ...], words: str
) -> None:
    assert aloe("label", run, *flags).is_one_line_about(words)


def test_what_is_wrong(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    assert aloe("label", tmp_path / "none").is_one_line_about("none: does not exist")
    assert aloe("label", run / "trees.jsonl").is_one_line_about("run folder")
    folder = RunFolder(tmp_path / "bare")
    with folder.writing(SETTINGS):
        folder.append(TREES[0].model_copy(update={"verdicts": ()}))
    assert aloe("label", folder.path).is_one_line_about("no tree here has two different replies")
