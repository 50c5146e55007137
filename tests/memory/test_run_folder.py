import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import PERSONAS, config, grow

from aloe.errors import ConfigError, InputError, StoreError
from aloe.files.writing import replace_chunks, replace_text
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.schema import Tree

SETTINGS = config(turns=1)
TREES = [grow(SETTINGS, persona=persona) for persona in PERSONAS[:3]]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "deep" / "run")


def fill(folder: RunFolder, trees: list[Tree] = TREES) -> None:
    with folder.writing(SETTINGS):
        for tree in trees:
            folder.append(tree)


def test_what_is_appended_is_read_again(folder: RunFolder) -> None:
    fill(folder)
    assert list(read_trees(folder.path)) == list(read_trees(folder.trees)) == TREES
    assert folder.finished() == {tree.id for tree in TREES}
    assert len(folder.trees.read_text().splitlines()) == 3


def test_a_tree_that_still_grows_is_replaced(folder: RunFolder) -> None:
    fill(folder, TREES[:2])
    grown = TREES[0].model_copy(update={"mood": "hasty"})
    folder.replace(grown.id, grown)
    assert list(read_trees(folder.path)) == [grown, TREES[1]]
    folder.replace(TREES[2].id, TREES[2])
    folder.replace(grown.id, None)
    folder.replace(grown.id, None)  # it is not there any more
    assert list(read_trees(folder.path)) == TREES[1:]
    assert [each.name for each in folder.path.glob("*.part")] == []


def test_checking_changes_nothing(folder: RunFolder) -> None:
    folder.check(SETTINGS)
    assert not folder.path.exists()


def test_another_runs_settings_are_refused_with_the_difference(folder: RunFolder) -> None:
    fill(folder)
    folder.check(config(turns=1, trees=50, concurrency=1))
    with pytest.raises(ConfigError, match=r"simulation\.turns: 1 there, 2 now"):
        folder.check(config(turns=2))


def test_a_file_or_trees_without_settings_are_refused(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="name a folder"):
        RunFolder(tmp_path / "file").check(SETTINGS)
    fill(folder)
    folder.config.unlink()
    with pytest.raises(StoreError, match=r"no config\.toml"):
        folder.check(SETTINGS)


def test_a_folder_has_one_writer(folder: RunFolder) -> None:
    with (
        folder.writing(SETTINGS),
        pytest.raises(StoreError, match="in use"),
        RunFolder(folder.path).writing(SETTINGS),
    ):
        pass
    fill(folder)  # free again


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match="cannot be written"),
        RunFolder(tmp_path / "file" / "run").writing(SETTINGS),
    ):
        pass


def test_a_torn_line_is_cut_off_before_the_next_is_written(folder: RunFolder) -> None:
    fill(folder, TREES[:2])
    for file in (folder.trees, folder.events):
        with file.open("a", encoding="utf-8") as lines:
            lines.write('{"id": "torn", "no')
    fill(folder, TREES[2:])
    assert list(read_trees(folder.path)) == TREES
    assert folder.events.read_text() == ""


def test_a_torn_last_line_is_passed_over_by_readers(folder: RunFolder) -> None:
    fill(folder)
    with folder.trees.open("a") as lines:
        lines.write('{"id": "torn", "no')
    assert list(read_trees(folder.path)) == TREES
    with folder.trees.open("a") as lines:
        lines.write("\n")
    with pytest.raises(InputError, match=r"trees\.jsonl:4"):
        list(read_trees(folder.path))


def test_lines_are_put_in_the_order_of_the_plan(folder: RunFolder) -> None:
    fill(folder, TREES[::-1])
    folder.sort([tree.id for tree in TREES[:2]])
    assert list(read_trees(folder.path)) == TREES
    before = folder.trees.stat().st_ino
    folder.sort([tree.id for tree in TREES])
    assert folder.trees.stat().st_ino == before  # what is in order is not written again


@pytest.mark.parametrize(
    "line",
    ["{", "{}", "null", '"x"', json.dumps({**json.loads(TREES[0].model_dump_json()), "x": 1})],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "trees.jsonl"
    file.write_text(f"{TREES[0].model_dump_json()}\n\n{line}\n")
    with pytest.raises(InputError, match=r"trees\.jsonl:3: "):
        list(read_trees(tmp_path))


def test_a_broken_line_in_a_run_folder_stops_the_run(folder: RunFolder) -> None:
    fill(folder)
    folder.trees.write_text("{\n" + folder.trees.read_text())
    with pytest.raises(InputError, match=r"trees\.jsonl:1: "):
        folder.finished()


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "trees.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(InputError, match="UTF-8"):
        list(read_trees(tmp_path))


def test_no_trees_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="aloe simulate"):
        list(read_trees(tmp_path))


def test_sorting_takes_memory_for_the_ids_only(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    lines = [json.dumps({"id": str(i), "text": "x" * 100_000}) + "\n" for i in range(100)]
    folder.trees.write_text("".join(reversed(lines)))
    tracemalloc.start()
    folder.sort([str(i) for i in range(100)])
    assert len(folder.finished()) == 100
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert folder.trees.read_text() == "".join(lines)
    assert peak < 2_000_000, "a tenth of the file at most"


@pytest.mark.parametrize("line", ["old", '{"a": 1}', "[1, 2]", "persona,age"])
def test_only_the_beginning_of_a_tree_is_a_torn_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "trees.jsonl").write_text(line)
    with pytest.raises(InputError, match=":1"):
        list(read_trees(tmp_path))


def test_two_writers_of_one_file_do_not_share_what_is_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"

    def chunks() -> Iterator[bytes]:
        yield b"whole "
        with monkeypatch.context() as another:
            another.setattr(os, "getpid", lambda: 1)
            replace_text(path, "of another")
        assert path.read_text() == "of another"
        yield b"file"

    replace_chunks(path, chunks())
    assert path.read_text() == "whole file"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"a"', "[" * 5000])
def test_broken_hashes_of_prompts_are_one_line(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path)
    folder.prompts.write_text(text)
    with pytest.raises(InputError, match="is not a list of prompts"):
        folder.check_prompts({"user": "hash"})


@pytest.mark.parametrize("line", ["{}", "[]", "3", "null", '{"id": []}', "[" * 5000, "x"])
def test_a_line_that_is_no_tree_does_not_count_as_one(tmp_path: Path, line: str) -> None:
    folder = RunFolder(tmp_path)
    folder.trees.write_text(f"{line}\n")
    with pytest.raises(InputError, match=":1: not a tree"):
        folder.finished()


@pytest.mark.parametrize("line", ['{"id": "a"}', '{"id": "a", "persona": {"profile": 3}}'])
def test_a_line_without_a_persona_is_named(tmp_path: Path, line: str) -> None:
    folder = RunFolder(tmp_path)
    folder.trees.write_text(line + "\n")
    with pytest.raises(InputError, match=r"trees\.jsonl:1: not a tree"):
        list(folder.personas())
