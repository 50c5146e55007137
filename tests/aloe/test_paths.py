"""Any text may be typed as a path, and none of them ends in a traceback."""

from pathlib import Path

import pytest
from builders import SCRIPTED
from command import RunAloe

from aloe.files.paths import expand_home, is_there

LONG = "a" * 300
NOBODY = "~no-such-user/x"


def test_what_cannot_be_a_path_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(is_there(Path(each)) for each in (LONG, NOBODY, "a\0b", tmp_path / "no"))
    assert is_there(tmp_path)

    def closed(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", closed)
    assert not is_there(tmp_path)


def test_a_home_is_put_in_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    given = ("~/x", NOBODY, "x/~")
    assert [str(expand_home(each)) for each in given] == ["/home/me/x", NOBODY, "x/~"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["trace", LONG], "(File name too long); name another path"),
        (["trees", "merge", LONG, "--out", "x.jsonl"], "(File name too long); name another path"),
        (["bench", "compare", LONG, LONG], "(File name too long); name another path"),
        (["init", LONG], "(File name too long); name another path"),
        (["chat", "--model", SCRIPTED, "--persona", LONG], "no persona of the shipped pool"),
        (["chat", "--model", SCRIPTED, "--persona", f"{LONG}:1"], "no such file of personas"),
        (["chat", "--model", f"hf:{NOBODY}"], "there is no model"),
        (["chat", "--model", f"local:{NOBODY}"], "is neither a model folder or file"),
        (["chat", "--model", NOBODY], "unknown model"),
        (["chat", "--model", LONG], "File name too long"),
    ],
)
def test_a_word_that_is_no_path_is_one_line(
    aloe: RunAloe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert aloe(*command).is_one_line_about(words)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_folder_is_one_line(aloe: RunAloe, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", closed)
    ran = aloe("report", "theirs")
    assert ran.is_one_line_about("theirs cannot be used (Permission denied); name another path")
