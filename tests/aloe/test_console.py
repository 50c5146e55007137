import json
import os
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from builders import SCRIPTED
from rich.console import Group
from rich.text import Text

from aloe import console


class Picture(console.Display):
    def panel(self) -> Text:
        return Text("a panel")

    def line(self) -> str:
        return "3 of 4 [done]"


def test_results_go_to_stdout_and_make_room_for_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.show("a table")
    console.finish({"a": 1}, as_json=False)
    assert capsys.readouterr() == ("a table\n", "")
    console.show("a table", as_json=True)
    console.finish({"a": "ü\n", "b": None}, as_json=True)
    out, err = capsys.readouterr()
    assert err == "a table\n"
    assert json.loads(out) == {"a": "ü\n", "b": None}
    assert out.count("\n") == 1


def test_in_a_pipe_progress_is_a_plain_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    picture = Picture()
    with picture.running():
        for _ in range(100):
            picture.update()
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "3 of 4 [done]\n"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    picture = Picture(quiet=True)
    with picture.running():
        picture.update()
    assert capsys.readouterr() == ("", "")


def test_closed_streams_are_nobodys_sockets(personas_file: Path, tmp_path: Path) -> None:
    """uvloop aborted where the number of a closed stream went to something of its own."""
    code = "import offline; from aloe.cli import main; main()"
    words = ["simulate", "--personas", personas_file, "--model", SCRIPTED, "--trees", 1]
    words += ["--turns", 1, "--out", tmp_path / "run"]
    line = shlex.join([sys.executable, "-c", code, *map(str, words)])
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(["sh", "-c", f"{line} <&- >&- 2>&-"], env=paths, check=False)
    assert ran.returncode == 0
    assert (tmp_path / "run/trees.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("words", ["roles show judge --prompt", "graph", "bench list --json"])
def test_a_full_device_is_said_in_one_line(words: str) -> None:
    code = "import offline; from aloe.cli import main; main()"
    line = f"{shlex.join([sys.executable, '-c', code])} {words} > /dev/full"
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(["sh", "-c", line], env=paths, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].startswith("aloe: standard output cannot be written")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("terminal", "given", "lines"),
    [
        (False, {"lines": True}, 1),
        (True, {"lines": True}, 1),
        (True, {"lines": True, "cut": False}, 3),
        (False, {"lines": True, "cut": False}, 1),
        (False, {}, 3),
    ],
)
def test_a_line_is_whole_in_a_pipe_and_cut_at_a_terminals_edge(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, given: dict[str, Any], lines: int
) -> None:
    shown = StringIO()
    found = console.EscapingConsole(
        file=shown, width=40, force_terminal=terminal, color_system=None
    )
    monkeypatch.setattr(console, "stdout", lambda: found)
    console.show(Text("word " * 20 + "end"), **given)
    console.show(Group(Text("word " * 20 + "end")), **given)  # as one of several
    assert shown.getvalue().count("\n") == 2 * lines
    assert ("end" in shown.getvalue()) == (not (terminal and given.get("cut", True)))


def test_where_progress_cannot_be_written_the_work_goes_on() -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails
    console.ProgressConsole(file=full).print("3 of 4")
    with pytest.raises(OSError, match="No space"):
        full.close()
