"""`kill -9` at any moment, then the same command: nothing is lost, nothing is done twice."""

import json
import os
import random
import signal
import time
from pathlib import Path

from command import wait_for
from nursery import nursery
from server import Answer, ChatServer, Request, scripted

KILLS = 20
IN_FLIGHT = 3 * 2
"""Most calls at once: two assistants in each of three trees."""


def lines(file: Path) -> list[bytes]:
    return file.read_bytes().split(b"\n")[:-1] if file.exists() else []


def test_killed_at_twenty_random_moments_a_run_comes_to_the_same_end(
    server: ChatServer, personas_file: Path, tmp_path: Path
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
    with nursery() as children:
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
