"""Tracebacks of the user's code: in the log of a run, and on stderr when asked for."""

from pathlib import Path

import pytest
from builders import SCRIPTED
from command import Ran, RunAloe

OWN = """
def divide(number):
    return 1 / number


def role(exchange, model):
    return divide(0)


def rows(tree, skipped):
    yield {"x": divide(0)}


def script(messages, arguments):
    raise RuntimeError("sk-planted-secret-key")
"""
SETTINGS = '[roles.mine]\nuse = "failing:role"\nafter = "user"\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "failing.py").write_text(OWN)
    (tmp_path / "mine.toml").write_text(SETTINGS)
    return tmp_path


@pytest.mark.parametrize("workers", [1, 2])
def test_a_tree_set_aside_leaves_its_traceback(
    here: Path, aloe: RunAloe, personas_file: Path, workers: int
) -> None:
    """From this process and from another."""

    def simulate(*more: object) -> Ran:
        given = ("--personas", personas_file, "--model", SCRIPTED, "--config", "mine.toml")
        size = ("--trees", 2, "--turns", 1, "--workers", workers, "--quiet", "--out", "run")
        return aloe("simulate", *given, *size, *more)

    ran = simulate()
    assert ran.code == 2
    assert "ZeroDivisionError" in ran.err
    assert "--traceback shows" in ran.err
    assert "Traceback" not in ran.err
    log = (here / "run/errors.log").read_text()
    assert log.count("Traceback (most recent call last)") == 2
    assert "in role\n" in log
    assert "in divide\n" in log
    assert "guard.py" not in log
    ran = simulate("--traceback")
    assert "in divide\n" in ran.err
    assert "--traceback shows" not in ran.err


def test_code_that_fails_outside_a_run_shows_it_too(
    here: Path, aloe: RunAloe, personas_file: Path
) -> None:
    simulate = ("simulate", "--personas", personas_file, "--trees", 1, "--turns", 1, "--quiet")
    assert aloe(*simulate, "--model", SCRIPTED, "--out", "run").code == 0
    assert not (here / "run/errors.log").exists()
    export = ("export", "run", "--format", "failing:rows", "--out", "rows.jsonl")
    assert aloe(*export).is_one_line_about("ZeroDivisionError", "(--traceback shows")
    told = aloe(*export, "--traceback").err
    assert told.splitlines()[0] == "Traceback (most recent call last):"
    assert "in divide\n" in told
    (here / "broken.py").write_text("x = (")
    told = aloe("export", "run", "--format", "broken:x", "--out", "rows.jsonl", "--traceback").err
    assert "SyntaxError: '(' was never closed" in told
    assert aloe(*export).is_one_line_about("ZeroDivisionError")  # it is not remembered


def test_no_key_gets_into_the_log(here: Path, aloe: RunAloe, personas_file: Path) -> None:
    simulate = ("simulate", "--personas", personas_file, "--trees", 1, "--turns", 1, "--quiet")
    ran = aloe(*simulate, "--model", "scripted:failing:script", "--out", "run", "--traceback")
    assert ran.code == 2
    assert "in script\n" in ran.err
    for text in (ran.err, (here / "run/errors.log").read_text()):
        assert "RuntimeError: ***" in text
        assert "planted" not in text


def test_what_is_wrong_with_flags_has_no_traceback(aloe: RunAloe) -> None:
    assert aloe("simulate", "--out", "x", "--traceback").is_one_line_about("--personas")
