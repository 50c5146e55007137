"""`--batch` on the command line: the same trees, whatever happens to the run or its batches."""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_server import BatchServer, serving_batches
from command import RunAloe
from nursery import nursery
from server import Answer, failure, scripted

SETTINGS = """
[simulation]
check_ledger = false
[limits]
batch_lull = 0.05
batch_poll = 0.02
backoff = 0.01
patience = 2.0
"""


@pytest.fixture
def batches() -> Iterator[BatchServer]:
    with serving_batches() as running:
        running.behave = lambda request: Answer(body=scripted(request).body)
        yield running


@pytest.fixture
def command(batches: BatchServer, personas_file: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "settings.toml").write_text(SETTINGS)
    return [
        "simulate", "--personas", personas_file, "--config", tmp_path / "settings.toml",
        "--model", batches.model, "--trees", 3, "--turns", 2, "--quiet", "--out",
    ]  # fmt: skip


def trees(folder: Path) -> bytes:
    return (folder / "trees.jsonl").read_bytes()


def test_killed_at_random_moments_a_run_asks_for_nothing_twice(
    batches: BatchServer, command: list[object], tmp_path: Path
) -> None:
    """Batches are late, unordered and incomplete, requests fail, and the client is killed."""
    moments = random.Random(5)
    out, whole = tmp_path / "killed", tmp_path / "whole"
    batches.fate = lambda number: "expired" if number % 4 == 1 else "completed"
    failed: set[str] = set()

    def failing(name: str, _: int) -> Answer | None:
        if name in failed or moments.random() > 0.1:
            return None
        failed.add(name)
        return failure(500)

    batches.failing = failing
    kills = 0
    with nursery() as children:
        children.start(*command, whole)
        assert children.wait() == 0
        for _ in range(60):
            child = children.start(*command, out, "--batch")
            left = moments.randrange(1, 25)

            def count(method: str, path: str, child: int = child) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(child, signal.SIGKILL)

            early = moments.random() < 0.5
            batches.before, batches.after = (count, skip) if early else (skip, count)
            code = children.wait()
            if code == 0:
                break
            assert code == -signal.SIGKILL
            kills += 1
        assert code == 0
    assert kills >= 4
    assert set(batches.answered.values()) == {1}
    assert trees(out) == trees(whole)


def skip(_method: str, _path: str) -> None:
    """Do nothing."""


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
    batches.after = skip
    shown = aloe("batches", out)
    assert "batch_0: in_progress, 0 of 3 done" in shown.out
    cancelled = aloe("batches", out, "--cancel", "--json")
    assert json.loads(cancelled.out.splitlines()[-1])["batches"][0]["status"] == "cancelled"
    batches.looks = 0
    assert aloe(*command, out, "--batch").code == 0
    assert set(batches.answered.values()) == {1}
    assert "waits for no batch" in aloe("batches", out).err
