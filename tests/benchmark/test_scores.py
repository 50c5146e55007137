import json

import pytest
from rows import row

from aloe.benchmark.scores import read_scores, write_scores
from aloe.errors import InputError, StoreError


def test_rows_come_back_as_they_were(tmp_path) -> None:
    path = tmp_path / "scores.jsonl"
    rows = [row(), row(turn=2, missing="user", recall=None), row(turn=3, user_faults=("echo",))]
    write_scores(path, rows[:1])
    write_scores(path, rows[1:])
    assert list(read_scores(path)) == rows


def test_rows_of_earlier_versions_name_their_only_swapped_user(tmp_path) -> None:
    path = tmp_path / "scores.jsonl"
    earlier = row().model_dump(mode="json") | {"stand_in": "x"}
    path.write_text(json.dumps(earlier) + "\n")
    assert list(read_scores(path)) == [row(stand_ins=("x",))]
    path.write_text(json.dumps(earlier | {"stand_in": 3}) + "\n")
    with pytest.raises(InputError, match="stand_in"):
        list(read_scores(path))


def test_a_broken_line_is_named(tmp_path) -> None:
    path = tmp_path / "scores.jsonl"
    write_scores(path, [row()])
    with path.open("a") as file:
        file.write('{"suite": "s"}\n')
    with pytest.raises(InputError, match=r"scores.jsonl:2: not a score: case"):
        list(read_scores(path))


def test_a_missing_file_says_what_to_run(tmp_path) -> None:
    with pytest.raises(InputError, match="aloe bench run"):
        list(read_scores(tmp_path / "scores.jsonl"))


def test_what_cannot_be_written_is_said(tmp_path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_scores(tmp_path / "no" / "scores.jsonl", [row()])
