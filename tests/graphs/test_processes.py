"""Worker processes: the same files as without them, whoever is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import RunAloe, StartAloe, wait_for
from server import Answer, ChatServer, Request, scripted

from aloe.calls.event import read_events


def children(pid: int) -> list[int]:
    """Return the processes that `pid` started and that still live."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if alive(int(child))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.fixture
def command(server: ChatServer, personas_file: Path) -> list[object]:
    """A run that takes long enough to be disturbed."""

    def slow(request: Request) -> Answer:
        return Answer(**{**vars(scripted(request)), "delay": 0.02})

    server.behave, server.keep_alive = slow, True
    which = ["--personas", personas_file, "--model", server.model]
    return ["simulate", *which, "--trees", "8", "--turns", "3", "--quiet", "--out"]


def whole(aloe: RunAloe, command: list[object], folder: Path) -> bytes:
    assert aloe(*command, folder, "--workers", "1").code == 0
    return (folder / "trees.jsonl").read_bytes()


def test_a_worker_that_is_killed_costs_nothing_but_what_it_had_in_flight(
    aloe: RunAloe, start: StartAloe, command: list[object], server: ChatServer, tmp_path: Path
) -> None:
    child = start(*command, tmp_path / "run", "--workers", "2")
    wait_for(lambda: lines(tmp_path / "run/events.jsonl") >= 40)
    victim = children(child.pid)[0]
    os.kill(victim, signal.SIGKILL)
    assert child.wait(60) == 0, child.communicate()
    asked = len(server.requests)
    events = list(read_events(tmp_path / "run/events.jsonl"))
    keys = [event["key"] for event in events]
    assert len(keys) == len(set(keys))
    assert asked - len(events) <= 16, "at most what the victim had in flight was asked again"
    assert (tmp_path / "run/trees.jsonl").read_bytes() == whole(aloe, command, tmp_path / "whole")


def test_killed_and_taken_up_again_with_no_worker_left_over(
    aloe: RunAloe, start: StartAloe, command: list[object], tmp_path: Path
) -> None:
    child = start(*command, tmp_path / "run", "--workers", "2")
    wait_for(lambda: lines(tmp_path / "run/events.jsonl") >= 40)
    workers = children(child.pid)
    assert len(workers) == 1, "the other worker is the process itself"
    child.kill()
    child.wait()
    wait_for(lambda: not any(alive(pid) for pid in workers), 10)
    answered = {event["key"] for event in read_events(tmp_path / "run/events.jsonl")}
    again = aloe(*command, tmp_path / "run", "--workers", "2", "--json")
    assert again.code == 0
    assert 0 < again.result["replayed"] <= len(answered)
    keys = [event["key"] for event in read_events(tmp_path / "run/events.jsonl")]
    assert len(keys) == len(set(keys))
    assert (tmp_path / "run/trees.jsonl").read_bytes() == whole(aloe, command, tmp_path / "whole")


def test_ctrl_c_ends_run_and_workers(
    start: StartAloe, command: list[object], tmp_path: Path
) -> None:
    child = start(*command, tmp_path / "run", "--workers", "2")
    wait_for(lambda: lines(tmp_path / "run/events.jsonl") >= 10)
    workers = children(child.pid)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert said.strip().startswith("stopped; run the same command again to resume")
    assert len(said.strip().splitlines()) == 1
    assert not any(alive(pid) for pid in workers)


def test_what_libraries_print_does_not_get_between_the_messages() -> None:
    code = "import os, aloe.graphs.processes as p; p.work = lambda *_: print('noise'); p.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "noise" in done.stderr
    assert done.stdout == ""
