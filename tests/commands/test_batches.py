"""`--batch` on the command line: the same trees, whatever happens to the run or its batches."""

import json
import os
import signal
from pathlib import Path

import pytest
from batch_server import BatchServer
from command import RunAloe

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
    assert aloe(*command, out, "--batch").code == 0
    assert set(batches.answered.values()) == {1}
    assert "waits for no batch" in aloe("batches", out).err
