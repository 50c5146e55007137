"""Files appear whole or not at all, keep whole lines, and have one writer."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aloe.errors import InputError, StoreError
from aloe.files.appending import append_lines, cut_torn_line
from aloe.files.lock import acquire_lock, is_locked
from aloe.files.writing import (
    explain_failure,
    replace_bytes,
    replace_chunks,
    replace_folder,
    replace_text,
    save_picture,
)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_text_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b.jsonl"
    replace_text(file, "one\n")
    replace_text(file, "two\n")
    assert file.read_text() == "two\n"
    assert list(file.parent.iterdir()) == [file]
    (tmp_path / "c").mkdir()
    for target in (tmp_path / "c", file / "d"):
        with pytest.raises(StoreError, match="cannot be written"):
            replace_text(target, "x")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c"}


@pytest.mark.parametrize("error", [InputError(Path("x"), "is broken"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_file_whose_content_fails(
    error: BaseException, tmp_path: Path
) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a part"
        raise error

    (tmp_path / "there").write_text("before")
    with pytest.raises(type(error)):
        replace_chunks(tmp_path / "there", chunks())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    replace_text(tmp_path / "a", "old")
    with room_for(10), pytest.raises(StoreError, match=r"a cannot be written \(File too large\)"):
        replace_bytes(tmp_path / "a", b"x" * 100)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_replaced_whole_or_not_at_all(ending: str, tmp_path: Path) -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    path = tmp_path / "deep" / f"a.{ending}"
    save_picture(figure, path)
    before = path.read_bytes()
    figure.add_subplot()
    with room_for(100), pytest.raises(StoreError, match=r"cannot be written \(File too large\)$"):
        save_picture(figure, path)
    assert [each.read_bytes() for each in path.parent.iterdir()] == [before]


def test_chunks_are_counted_and_a_link_goes_on_pointing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert replace_chunks(tmp_path / "link", [b"1", b"2", b"3"]) == 3
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "123"


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "model"

    def fail() -> None:
        with replace_folder(folder) as part:
            (part / "weights").touch()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert list(tmp_path.iterdir()) == []
    folder.mkdir()
    with replace_folder(folder) as part:
        (part / "weights").touch()
    assert [path.name for path in folder.iterdir()] == ["weights"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    (tmp_path / "made as usual").mkdir()
    assert folder.stat().st_mode == (tmp_path / "made as usual").stat().st_mode


def test_a_folder_of_the_users_is_not_taken_for_an_unfinished_one(tmp_path: Path) -> None:
    (tmp_path / "model.part").mkdir()
    (tmp_path / "model.part" / "mine").touch()
    with replace_folder(tmp_path / "model") as part:
        (part / "weights").touch()
    assert {path.name for path in tmp_path.rglob("*")} == {"model", "weights", "model.part", "mine"}


def test_of_two_that_fill_one_folder_neither_harms_the_other(tmp_path: Path) -> None:
    folder = tmp_path / "model"

    def fill_second() -> None:
        with replace_folder(folder) as second:
            (second / "second").touch()
            with replace_folder(folder) as first:
                (first / "first").touch()
            assert [path.name for path in second.iterdir()] == ["second"]

    with pytest.raises(StoreError, match=r"model cannot be written \(Directory not empty\)$"):
        fill_second()
    assert {path.name for path in tmp_path.rglob("*")} == {"model", "first"}


def test_the_folder_that_one_is_in_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (Path(), Path("../here")):
        with (
            pytest.raises(StoreError, match="is the folder that you are in"),
            replace_folder(folder),
        ):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    (tmp_path / "new").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "new")
    with replace_folder(tmp_path / "link") as part:
        (part / "weights").touch()
    assert (tmp_path / "new" / "weights").exists()
    assert (tmp_path / "link").is_symlink()


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    append_lines(file, "a\nb\n")
    said = r"lines cannot be written \(File too large\); two lines are kept$"
    with room_for(10), pytest.raises(StoreError, match=said):
        append_lines(file, "c" * 100 + "\n", then="two lines are kept")
    assert file.read_text() == "a\nb\n"
    append_lines(file, "c\n")
    assert file.read_text() == "a\nb\nc\n"


@pytest.mark.parametrize("path", ["none/lines", ".", "/dev/full"])
def test_lines_that_cannot_be_added_are_one_clear_error(path: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be written \([A-Z][a-z ]+\)$"):
        append_lines(tmp_path / path, "a\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("a\n", "a\n"),
        ("a\n{", "a\n"),
        ("{", ""),
        ("\n\n", "\n\n"),
        ("{}\n{}", "{}\n{}\n"),
        ('{"a": 1} ', '{"a": 1} \n'),
        ('\ufeff{"a": 1}', '\ufeff{"a": 1}\n'),
        ('{}\n{"a": 1', "{}\n"),
        ('{}\n{"a": "b\0\0', "{}\n"),
        ('{}\n  {"a": "\\u00', "{}\n"),
        ("{}\n  ", "{}\n  "),
    ],
)
def test_cutting(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "f"
    file.write_text(before)
    cut_torn_line(file)
    assert file.read_text() == after
    cut_torn_line(tmp_path / "none")


def test_wherever_a_line_is_torn_it_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "f"
    line = '{"a": [-2.5e-10, true, null, "é\\n\\ud83d\\ude00"], "b": {"c": {}}}'.encode()
    for end in range(1, len(line)):
        file.write_bytes(b"{}\n" + line[:end])
        cut_torn_line(file)
        assert file.read_bytes() == b"{}\n"


@pytest.mark.parametrize(
    "tail",
    ["]", "12", '"a text"', "a,b", '{"a": 1} {"b"', '{"a": 1},', '{"a": "b" c}', "{a: 1", "[{}"],
)
@pytest.mark.parametrize("before", ["", "{}\n"])
def test_a_last_line_of_something_else_is_refused_and_stays(
    tmp_path: Path, before: str, tail: str
) -> None:
    file = tmp_path / "f"
    file.write_text(before + tail)
    with pytest.raises(InputError, match=r"f: the last line is neither a record nor the beginning"):
        cut_torn_line(file)
    assert file.read_text() == before + tail


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_however_long_a_torn_line_is_it_is_found(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aloe.files.appending.BLOCK", size)
    file = tmp_path / "lines"
    for text, whole in (('a\n{"bcd', "a\n"), ('{"abc', ""), ("ab\n\n", "ab\n\n"), ("", "")):
        file.write_text(text)
        cut_torn_line(file)
        assert file.read_text() == whole


@pytest.mark.parametrize(
    ("before", "after"), [("a\n{", "a\n"), ("a\n", "a\n"), ("{", ""), ("", "")]
)
def test_only_the_end_of_a_long_file_is_cut(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "a"
    path.write_text("x" * 70_000 + "\n" + before if before != "{" else before)
    cut_torn_line(path)
    assert path.read_text().removeprefix("x" * 70_000 + "\n") == after


def test_a_lock_has_one_holder_and_says_who_it_is(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    assert not is_locked(path)
    with acquire_lock(path, str) as lock:
        lock.write("process 7")
        lock.flush()
        assert is_locked(path)
        with (
            pytest.raises(StoreError, match=r"^held by process 7$"),
            acquire_lock(path, "held by {}".format),
        ):
            pass
    assert not is_locked(path)
    with acquire_lock(path, str):
        pass


def test_what_the_system_says_is_told_in_one_sentence() -> None:
    with (
        pytest.raises(StoreError, match=r"^the log cannot be written \(no room\); wait$"),
        explain_failure("the log", "wait"),
    ):
        raise OSError("no room")
