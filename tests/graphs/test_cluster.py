"""A Ray of two workers on this machine, one of them killed."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from command import RunAloe, StartAloe, wait_for
from server import Answer, ChatServer, Request, scripted

from aloe.calls.event import read_events

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
]


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(folder.name), *descendants(int(folder.name))]
    return found


def actors(pid: int) -> list[int]:
    """Return the processes of Ray's workers below `pid` that are actors of ours."""
    names = {each: Path(f"/proc/{each}/cmdline") for each in descendants(pid)}
    return [each for each, file in names.items() if file.read_bytes().startswith(b"ray::Actor")]


def listening(pids: list[int]) -> set[str]:
    """Return the addresses, in hexadecimal, on which the processes wait for connections."""
    links = [link for pid in pids for link in Path(f"/proc/{pid}/fd").glob("*")]
    held = {str(link.readlink()) for link in links if link.is_symlink()}
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {
        row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held
    }


def test_one_of_two_workers_is_killed(
    aloe: RunAloe,
    start: StartAloe,
    server: ChatServer,
    personas_file: Path,
    tmp_path: Path,
) -> None:
    def slow(request: Request) -> Answer:
        return Answer(**{**vars(scripted(request)), "delay": 0.05})

    server.behave, server.keep_alive = slow, True
    which = ["--personas", personas_file, "--model", server.model]
    command = ["simulate", *which, "--trees", "8", "--turns", "4", "--quiet", "--out"]
    events = tmp_path / "ray/events.jsonl"

    child = start(*command, tmp_path / "ray", "--workers", "2", "--engine", "ray")
    wait_for(lambda: events.exists() and len(list(read_events(events))) >= 40, 120)
    both = actors(child.pid)
    assert len(both) == 2
    heard_on = listening(descendants(child.pid))
    assert heard_on, "Ray's processes speak to each other"
    assert all(address.endswith("0100007F") for address in heard_on), "on loopback only"
    os.kill(both[0], signal.SIGKILL)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 0, said

    keys = [event["key"] for event in read_events(events)]
    assert len(keys) == len(set(keys))
    assert aloe(*command, tmp_path / "whole", "--workers", "1").code == 0
    whole = (tmp_path / "whole/trees.jsonl").read_bytes()
    assert (tmp_path / "ray/trees.jsonl").read_bytes() == whole
