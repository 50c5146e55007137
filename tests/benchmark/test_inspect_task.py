"""The Inspect task and `aloe bench run` give the same numbers, to the last digit."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe
from conftest import ROOT

from aloe.benchmark.cases import load_cases

PYTHON = ROOT / ".venv-inspect" / "bin" / "python"
S = "scripted:aloe.agents.scripted:reply"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="run `make inspect` first")


def inspected(cases: Path, logs: Path, how: str) -> dict[str, Any]:
    """Run the task in its environment."""
    ran = subprocess.run(
        [PYTHON, ROOT / "tests" / "inspected.py", cases, logs, how],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def write_cases(path: Path, suite: str, turns: int = 3) -> Path:
    users = zip(load_cases(suite)[::33], (None, "answering", "reticent"), strict=False)
    cases = [
        case.model_copy(update={"turns": turns, "disclosure": disclosure}).model_dump_json(
            exclude={"id"}
        )
        + "\n"
        for case, disclosure in users
    ]
    path.write_text("".join(cases), encoding="utf-8")
    return path


@pytest.mark.parametrize("suite", ["aloe-100", "verifiable"])
def test_scores_agree_to_the_last_digit(aloe: RunAloe, tmp_path: Path, suite: str) -> None:
    cases = write_cases(tmp_path / "cases.jsonl", suite)
    theirs = inspected(cases, tmp_path / "logs", "play")
    given = ("--user", S, "--judge", S, "--cases", cases, "--seeds", "2")
    out = tmp_path / "bench"
    assert aloe("bench", "run", "--model", S, *given, "--out", out, "--quiet").code == 0
    (ours,) = json.loads((out / "result.json").read_text())["suites"].values()
    expected = {
        f"{name}{end}": figure[key]
        for name, figure in ours["candidate"]["figures"].items()
        for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))
        if figure[key] is not None
    }
    assert theirs["figures"] == {"missing": 0.0, **expected}
    assert theirs["sampling"] == [[0.7, 80], [0.0, 8]]  # of user and judge, as in the settings
    assert theirs["sampled"] == [[0.7, 300]]  # of the candidate
    assert len(theirs["values"]) == 3 * 2
    assert all(count >= 2 * 3 for count in theirs["messages"])


def test_a_broken_provider_is_missing_and_never_a_score(tmp_path: Path) -> None:
    found = inspected(write_cases(tmp_path / "cases.jsonl", "aloe-100"), tmp_path / "logs", "fail")
    assert found["figures"] == {"missing": 3.0 * 2 * 3 * 2}  # cases, seeds, turns, own and swapped
    assert found["values"] == ["missing"] * 6
    assert "the provider is broken" in found["said"][0]
    assert found["sampled"] == [[0.1, 50]]  # as the task and the model say


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("time_limit", "Inspect ended the sample before its dialogue was whole"),
        ("token_limit", "Token limit exceeded"),
    ],
)
def test_a_dialogue_that_a_limit_cut_short_is_missing(
    tmp_path: Path, limit: str, reason: str
) -> None:
    cases = write_cases(tmp_path / "cases.jsonl", "verifiable", turns=2)
    found = inspected(cases, tmp_path / "logs", limit)
    assert found["figures"] == {"missing": 3.0 * 2 * 2 * 2}  # cases, seeds, turns, own and swapped
    assert found["values"] == ["missing"] * 6
    assert all(reason in said for said in found["said"])
