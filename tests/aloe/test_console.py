import json

import pytest
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
