"""Trees that are not finished can be read: of a run that goes on, and of one that was killed."""

from pathlib import Path

import pytest
from builders import PERSONAS, config, grow

from aloe.errors import InputError
from aloe.memory.run_folder import RunFolder, read_run
from aloe.schema import Node, Tree, Verdict

SETTINGS = config(turns=2, both_turns=1)
TREES = [grow(SETTINGS, persona=persona) for persona in PERSONAS[:2]]
GROWING = TREES[0]
BEGUN = GROWING.model_copy(update={"nodes": (), "verdicts": ()})


def exchanges(tree: Tree) -> list[tuple[list[Node], list[Verdict]]]:
    return [
        ([user, *tree.children(user.id)], list(tree.verdicts_on(user.id)))
        for user in tree.nodes
        if user.role == "user"
    ]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path)
    with made.writing(SETTINGS):
        pass
    return made


def test_what_a_tree_has_so_far_is_read_after_what_is_finished(folder: RunFolder) -> None:
    assert read_run(folder.path).trees == []
    first, *later = exchanges(GROWING)
    folder.growing.add(BEGUN, *first)
    (young,) = read_run(folder.path).trees
    assert (young.id, list(young.nodes), list(young.verdicts)) == (GROWING.id, *first)
    folder.append(TREES[1])
    for each in later:
        folder.growing.add(BEGUN, *each)
    found = read_run(folder.path)
    assert [tree.id for tree in found.trees] == [TREES[1].id, GROWING.id]
    assert found.trees[1].by_id == GROWING.by_id
    assert found.unfinished == {GROWING.id}
    folder.append(GROWING)
    assert read_run(folder.path).trees == [TREES[1], GROWING]
    assert read_run(folder.path).unfinished == frozenset()
    assert not (folder.path / "growing").exists()


def test_it_is_said_whether_anybody_is_at_work(folder: RunFolder) -> None:
    assert not read_run(folder.path).running
    with folder.locked():
        assert read_run(folder.path).running


def test_a_tree_that_is_begun_again_forgets_what_was_said_before(folder: RunFolder) -> None:
    for each in exchanges(GROWING):
        folder.growing.add(BEGUN, *each)
    again = RunFolder(folder.path)  # another process
    first, second, *_ = exchanges(GROWING)
    again.growing.add(BEGUN, *first)
    assert len(read_run(folder.path).trees[0].nodes) == len(first[0])
    again.growing.add(BEGUN, *second)
    again.growing.add(BEGUN, *second)  # as after the death of a worker
    assert len(read_run(folder.path).trees[0].nodes) == len(first[0]) + len(second[0])


def test_a_tree_that_is_extended_keeps_what_it_had(folder: RunFolder) -> None:
    first, second, *_ = exchanges(GROWING)
    start = BEGUN.model_copy(update={"nodes": tuple(first[0]), "verdicts": tuple(first[1])})
    folder.growing.add(start, *second)
    (tree,) = read_run(folder.path).trees
    assert list(tree.nodes) == [*first[0], *second[0]]


@pytest.mark.parametrize("broken", ["", "{", "[]\n", '{"nodes": []}\n', "null\n", "{}\n\xff\n"])
def test_what_a_kill_has_torn_is_left_out(folder: RunFolder, broken: str) -> None:
    for each in exchanges(GROWING):
        folder.growing.add(BEGUN, *each)
    (file,) = folder.path.glob("growing/*")
    (folder.path / "growing" / "other.jsonl").write_text(broken, encoding="latin-1")
    file.write_text(file.read_text() + '{"nodes": [')
    (tree,) = read_run(folder.path).trees
    assert tree.by_id == GROWING.by_id


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no trees here"):
        read_run(tmp_path)
    with pytest.raises(InputError, match="none: does not exist"):
        read_run(tmp_path / "none")
