"""`--batch` on the command line: the same trees, whatever happens to the run or its batches."""

import json
import os
import signal
from pathlib import Path

import pytest
from batch_server import BatchServer
from command import RunAloe

from aloe.benchmark.cases import load_cases

SETTINGS = """
[simulation]
check_ledger = false
[limits]
batch_lull = 0.2
batch_poll = 0.02
backoff = 0.01
patience = 2.0
"""


@pytest.fixture
def command(batches: BatchServer, personas_file: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "settings.toml").write_text(SETTINGS)
    return [
        "simulate", "--personas", personas_file, "--config", tmp_path / "settings.toml",
        "--model", batches.model, "--trees", 3, "--turns", 1, "--quiet", "--out",
    ]  # fmt: skip


def test_ctrl_c_leaves_the_batch_and_names_it(
    batches: BatchServer, command: list[object], aloe: RunAloe, tmp_path: Path
) -> None:
    batches.looks = 10**6
    out = tmp_path / "run"
    batches.after = lambda _method, path: (
        os.kill(os.getpid(), signal.SIGINT) if path == "/batches/batch_0" else None
    )
    stopped = aloe(*command, out, "--batch")
    assert stopped.code == 130
    assert "batch_0 at the server: the same command picks up the answers" in stopped.err
    assert f"`aloe batches {out} --cancel`".replace(" ", "") in "".join(stopped.err.split())
    batches.after = lambda _method, _path: None
    shown = aloe("batches", out)
    assert "batch_0: in_progress, 0 of 3 done" in shown.out
    cancelled = aloe("batches", out, "--cancel", "--json")
    assert json.loads(cancelled.out.splitlines()[-1])["batches"][0]["status"] == "cancelled"
    batches.looks = 0
    assert aloe(*command, out).is_one_line_about("add --batch to pick them up")
    assert aloe(*command, out, "--batch").code == 0
    assert set(batches.answered.values()) == {1}
    assert "waits for no batch" in aloe("batches", out).err


def test_a_received_list_of_batches_sends_no_key_elsewhere(
    batches: BatchServer,
    command: list[object],
    aloe: RunAloe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLANTED_KEY", "a-secret-of-the-user")
    with (tmp_path / "settings.toml").open("a") as file:  # of another model, whose key is not set
        file.write('[benchmark.candidate]\nmodel = "openai:z@http://127.0.0.1:9/v1"\n')
        file.write('api_key_env = "UNSET_KEY"\n')
    batches.looks = 10**6
    out = tmp_path / "run"
    batches.after = lambda _method, path: (
        os.kill(os.getpid(), signal.SIGINT) if path == "/batches/batch_0" else None
    )
    assert aloe(*command, out, "--batch").code == 130
    batches.after = lambda _method, _path: None
    ledger = out / "batches.jsonl"
    own = ledger.read_text()
    sent = json.loads(own.splitlines()[0])
    for changes, words in (
        ({"key_variable": "PLANTED_KEY"}, "sends the key in PLANTED_KEY to http://127.0.0.1"),
        ({"url": "http://198.51.100.7/v1"}, "sends calls to http://198.51.100.7/v1"),
        ({"url": "http://198.51.100.7/v1", "key_variable": "PLANTED_KEY"}, "to http://198.51"),
    ):
        ledger.write_text(own.replace(json.dumps(sent), json.dumps({**sent, **changes})))
        ran = aloe("batches", out)
        assert ran.is_one_line_about("which config.toml beside it does not name"), ran.err
        assert words in ran.err
    ledger.write_text(own.replace(sent["model"], "scripted:evil:reply"))
    assert "in_progress" in aloe("batches", out).out  # the model's name decides nothing


def test_trees_are_judged_anew_in_one_round(
    batches: BatchServer, command: list[object], aloe: RunAloe, tmp_path: Path
) -> None:
    assert aloe(*command, tmp_path / "run").code == 0
    again = aloe(
        "rejudge", tmp_path / "run", "--config", tmp_path / "settings.toml", "--batch",
        "--judge", batches.model, "--out", tmp_path / "new", "--quiet", "--json",
    )  # fmt: skip
    assert again.code == 0, again.err
    assert batches.sizes == [3 * 2]  # trees, orders
    assert (tmp_path / "new/trees.jsonl").read_bytes() == (
        tmp_path / "run/trees.jsonl"
    ).read_bytes()


def test_a_bench_holds_its_dialogues_and_ratings_in_rounds(
    batches: BatchServer, aloe: RunAloe, tmp_path: Path
) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS)
    cases = [case.model_copy(update={"turns": 2}) for case in load_cases("aloe-100")[:2]]
    lines = [case.model_dump_json(exclude={"id"}) + "\n" for case in cases]
    (tmp_path / "cases.jsonl").write_text("".join(lines))
    ran = aloe(
        "bench", "run", "--model", batches.model, "--user", batches.model,
        "--judge", batches.model, "--cases", tmp_path / "cases.jsonl", "--seeds", 1, "--batch",
        "--config", tmp_path / "settings.toml", "--out", tmp_path / "run", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "in batches" in ran.err
    assert "6 rounds of at most 24 h each" in ran.err
    assert batches.sizes == [2, 2, 2, 2, 2, 4]  # two turns, what it knows of the user, ratings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--model", "scripted:aloe.agents.scripted:reply"], "needs a model at a server"),
        (["--workers", "2"], "gathers all calls in one process"),
        (["--model", "openai:gpt-4o-mini"], "needs an API key"),
    ],
)
def test_what_no_batch_can_do_is_refused_before_anything_is_written(
    command: list[object], aloe: RunAloe, tmp_path: Path, given: list[str], words: str
) -> None:
    ran = aloe(*command, tmp_path / "run", *given, "--batch")
    assert ran.is_one_line_about(words)
    assert not (tmp_path / "run").exists()
