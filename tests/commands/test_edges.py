"""The edges of a process: told to end, short of disk, short of memory, not alone in a folder."""

import errno
import os
import signal
from pathlib import Path

import pytest
import typer
from builders import SCRIPTED
from command import RunAloe, files_up_to
from server import Answer, ChatServer, Request, scripted

from aloe import cli
from aloe.calls.event import read_events
from aloe.files.lock import acquire_lock
from aloe.resumable import resumable
from aloe.shortage import find_shortage

COMMANDS = {
    "simulate": "simulate --personas personas.jsonl --turns 2 --out run --record answers.jsonl",
    "rejudge": "rejudge first --judge {model} --out run",
    "judge audit": "judge audit --limit 20 --own 0 --out run.json",
    "personas grow": "personas grow --count 9 --config bag_settings.toml --out run.jsonl",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_told_to_end_a_command_ends_as_on_ctrl_c(
    aloe: RunAloe, server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    personas_file: Path, bag_settings: Path, command: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if command == "rejudge":
        given = ("--personas", personas_file, "--model", SCRIPTED, "--turns", 2, "--quiet")
        assert aloe("simulate", *given, "--out", "first").code == 0
    told = []

    def behave(request: Request) -> Answer:
        if len(server.requests) == 7:
            told.append(os.kill(os.getpid(), signal.SIGTERM))
        return Answer(body=scripted(request).body, delay=20.0 if told else 0.0)

    server.behave = behave
    model = [] if command == "rejudge" else ["--model", server.model]
    ran = aloe(*COMMANDS[command].format(model=server.model).split(), *model, "--quiet")
    assert ran.code == 143, ran.err
    assert "run the same command again" in ran.err
    assert "Traceback" not in ran.err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if command == "simulate":
        kept = list(read_events(tmp_path / "answers.jsonl"))
        assert kept == list(read_events(tmp_path / "run" / "events.jsonl"))
        assert kept


@pytest.mark.parametrize(
    "command",
    [
        "bench run --seeds 1 --limit 2 --out run",
        "judge audit --limit 20 --own 0 --out run.json",
        "personas grow --count 9 --out run.jsonl",
    ],
)
def test_a_prompt_under_a_misspelt_name_is_refused(
    aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text("[prompts]\njudge_scor = 'none.md'\n")
    ran = aloe(*command.split(), "--model", SCRIPTED, "--config", "c.toml")
    assert ran.is_one_line_about("prompts.judge_scor", "did you mean 'judge_score'")
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]


def test_so_does_what_awaits_nothing() -> None:
    with pytest.raises(typer.Exit) as ended, resumable():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_where_ctrl_c_is_ignored_the_command_ends_all_the_same(
    aloe: RunAloe, server: ChatServer, tmp_path: Path
) -> None:
    def behave(request: Request) -> Answer:
        if len(server.requests) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return Answer(body=scripted(request).body, delay=20.0)

    server.behave = behave
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        out = ("--out", tmp_path / "run.json")
        ran = aloe("judge", "audit", "--limit", 4, "--model", server.model, *out, "--quiet")
    finally:
        signal.signal(signal.SIGINT, before)
    assert ran.code == 143


@pytest.mark.parametrize("room", [0, 3000])
def test_an_audit_on_a_full_disk_is_one_line_and_goes_on(
    aloe: RunAloe, tmp_path: Path, room: int
) -> None:
    command = ("judge", "audit", "--model", SCRIPTED, "--limit", 6, "--own", 0, "--quiet", "--json")
    with files_up_to(room):
        ran = aloe(*command, "--out", tmp_path / "p.json")
    assert ran.is_one_line_about("cannot be written", "File too large")
    kept = len(list(read_events(tmp_path / "p.events.jsonl")))
    assert aloe(*command, "--out", tmp_path / "p.json").code == 0
    assert aloe(*command, "--out", tmp_path / "whole.json").code == 0
    assert (tmp_path / "p.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert kept < len(list(read_events(tmp_path / "p.events.jsonl")))


def test_two_audits_do_not_write_one_file(aloe: RunAloe, tmp_path: Path) -> None:
    with acquire_lock(tmp_path / "p.events.jsonl", str):
        ran = aloe("judge", "audit", "--model", SCRIPTED, "--out", tmp_path / "p.json")
    assert ran.is_one_line_about("p.events.jsonl is in use by another aloe process")


SHORT = [
    MemoryError(),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    RuntimeError("can't start new thread"),
    ImportError("libonnx.so: failed to map segment from shared object"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ExceptionGroup("in tasks", [ValueError("x"), ExceptionGroup("y", [RuntimeError("bad_alloc")])]),
]


@pytest.mark.parametrize("error", SHORT, ids=str)
def test_too_little_memory_is_one_line(
    aloe: RunAloe, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> None:
        try:
            raise error
        except type(error) as cause:
            raise ValueError("a library's own words") from cause

    monkeypatch.setattr(cli, "app", fail)
    assert aloe("graph").is_one_line_about("too little memory")


def test_other_errors_are_not_taken_for_it(aloe: RunAloe, monkeypatch: pytest.MonkeyPatch) -> None:
    error = KeyError("memory")
    error.__context__ = ValueError()
    error.__context__.__context__ = error
    assert find_shortage(error) is None

    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(KeyError):
        aloe("graph")
