import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import RunAloe, StartAloe

import aloe as package
from aloe.cli import COMMANDS, PANELS, load

ROOT = Path(package.__file__).parent.parent
VERBS = ("simulate", "export", "trace", "doctor", "schema", "personas grow")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_an_example(aloe: RunAloe, verb: str) -> None:
    ran = aloe(*verb.split(), "--help")
    assert ran.code == 0
    assert f"aloe {verb} " in " ".join(ran.out.split())
    assert "Example:" in ran.out


@pytest.mark.parametrize("verb", ["simulate", "doctor", "personas grow"])
def test_verbs_that_draw_take_what_all_of_them_take(aloe: RunAloe, verb: str) -> None:
    text = aloe(*verb.split(), "--help").out
    for option in ("--config", "--json", "--seed"):
        assert option in text


def test_without_a_verb_there_is_help(aloe: RunAloe) -> None:
    assert all(verb.split()[0] in aloe("--help").out for verb in VERBS)
    assert aloe("--version").out.strip() == package.__version__
    assert aloe("nonsense").code == 2


def test_help_has_every_command_in_one_group(aloe: RunAloe) -> None:
    grouped = " ".join(PANELS.values()).split()
    assert sorted(grouped) == sorted(name for name, each in COMMANDS.items() if not each.hidden)
    shown = aloe("--help").out
    assert all(f"─ {panel} ─" in shown for panel in PANELS)
    assert "─ Commands ─" not in shown
    assert "experiment-trees" not in shown


def test_it_is_a_module_too() -> None:
    command = [sys.executable, "-m", "aloe", "--version"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == package.__version__


def test_folders_of_our_names_beside_a_script_do_not_get_in_the_way(
    start: StartAloe, tmp_path: Path
) -> None:
    for name in ("agents", "graphs", "memory", "training", "benchmark"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    paths = os.pathsep.join([str(tmp_path), str(ROOT), str(ROOT / "tests")])
    child = start("roles", "list", PYTHONPATH=paths)
    out, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    assert "inducer" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_line_of_its_help(name: str) -> None:
    assert COMMANDS[name].help == load(name).help.splitlines()[0]
