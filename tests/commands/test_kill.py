"""`kill -9` at any moment, then the same command: nothing is lost, nothing is done twice."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_server import BatchServer
from command import wait_for
from nursery import Nursery, nursery
from server import Answer, ChatServer, Request, failure, scripted

KILLS = 20
IN_FLIGHT = 3 * 2
"""Most calls at once: two assistants in each of three trees."""


@pytest.fixture(scope="module")
def children() -> Iterator[Nursery]:
    with nursery() as running:
        yield running


def lines(file: Path) -> list[bytes]:
    return file.read_bytes().split(b"\n")[:-1] if file.exists() else []


def test_killed_at_twenty_random_moments_a_run_comes_to_the_same_end(
    server: ChatServer, children: Nursery, personas_file: Path, tmp_path: Path
) -> None:
    def behave(request: Request) -> Answer:
        return Answer(body=scripted(request).body, delay=0.003)

    server.behave = behave
    (tmp_path / "settings.toml").write_text("[simulation]\ncheck_ledger = false\n")
    command = [
        "simulate", "--personas", personas_file, "--config", tmp_path / "settings.toml",
        "--model", server.model, "--trees", 12, "--turns", 3, "--concurrency", 3, "--quiet",
        "--out",
    ]  # fmt: skip
    out, whole = tmp_path / "killed", tmp_path / "whole"
    trees, events = out / "trees.jsonl", out / "events.jsonl"
    moments = random.Random(20)
    for _ in range(KILLS):
        asked, answered = len(server.requests), len(lines(events))
        finished = set(lines(trees))
        child = children.start(*command, out)
        more = moments.randrange(0, 12)
        wait_for(lambda: len(server.requests) >= asked + more)  # noqa: B023
        time.sleep(moments.uniform(0.0, 0.01 if more else 0.3))
        os.kill(child, signal.SIGKILL)
        assert children.wait() == -signal.SIGKILL
        made = len(server.requests) - asked
        assert made - (len(lines(events)) - answered) <= IN_FLIGHT
        assert finished <= set(lines(trees))
    killed_early = len(lines(trees))
    children.start(*command, out)
    assert children.wait() == 0
    in_parts = len(server.requests)
    children.start(*command, whole)
    assert children.wait() == 0
    at_once = len(server.requests) - in_parts
    assert killed_early < 12
    assert trees.read_bytes() == (whole / "trees.jsonl").read_bytes()
    assert at_once < in_parts <= at_once + KILLS * IN_FLIGHT
    ids = [json.loads(line)["id"] for line in lines(trees)]
    assert len(ids) == len(set(ids)) == 12
    keys = [json.loads(line)["key"] for line in lines(events)]
    assert len(keys) == len(set(keys)) == at_once, "an answered call was made again"


def test_killed_at_random_moments_a_run_in_batches_asks_for_nothing_twice(
    batches: BatchServer, children: Nursery, personas_file: Path, tmp_path: Path
) -> None:
    """Batches are late, unordered and incomplete, requests fail, and the client is killed."""
    moments = random.Random(5)
    (tmp_path / "settings.toml").write_text(
        "[simulation]\ncheck_ledger = false\n"
        "[limits]\nbatch_lull = 0.05\nbatch_poll = 0.02\nbackoff = 0.01\n"
    )
    command = [
        "simulate", "--personas", personas_file, "--config", tmp_path / "settings.toml",
        "--model", batches.model, "--trees", 3, "--turns", 1, "--quiet", "--out",
    ]  # fmt: skip
    out, whole = tmp_path / "killed", tmp_path / "whole"
    batches.fate = lambda number: "expired" if number % 4 == 1 else "completed"
    failed: set[str] = set()

    def failing(name: str, _: int) -> Answer | None:
        if name in failed or moments.random() > 0.1:
            return None
        failed.add(name)
        return failure(500)

    batches.failing = failing
    kills, unheard = 0, ["POST/files", "POST/batches"]  # done, and the answer never read
    children.start(*command, whole)
    assert children.wait() == 0
    for _ in range(60):
        child = children.start(*command, out, "--batch")
        left = moments.randrange(3, 16)
        at = unheard.pop() if unheard else None

        def count(method: str, path: str, child: int = child, at: str | None = at) -> None:
            nonlocal left
            left -= 1
            if at == method + path or (left == 0 and at is None):
                os.kill(child, signal.SIGKILL)

        early = at is None and moments.random() < 0.5
        batches.before, batches.after = (count, skip) if early else (skip, count)
        code = children.wait()
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert code == 0
    assert kills >= 4
    batches.finish()
    assert set(batches.answered.values()) == {1}, "a call was paid for twice"
    assert (out / "trees.jsonl").read_bytes() == (whole / "trees.jsonl").read_bytes()


def skip(_method: str, _path: str) -> None:
    """Do nothing."""
