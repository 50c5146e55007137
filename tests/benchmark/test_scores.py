import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from rows import row

from aloe.benchmark.parquet import COLUMNS, NO_COLUMNS, write_parquet
from aloe.benchmark.scores import Elicitation, ReplyScores, Score, read_scores, write_scores
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


def test_rows_of_earlier_versions_do_not_say_whether_a_reply_was_cut_off(tmp_path) -> None:
    path = tmp_path / "scores.jsonl"
    earlier = row().model_dump(mode="json", exclude={"cut_off"})
    path.write_text(json.dumps(earlier) + "\n")
    assert [each.cut_off for each in read_scores(path)] == [None]


def test_a_broken_line_is_named(tmp_path) -> None:
    path = tmp_path / "scores.jsonl"
    write_scores(path, [row()])
    with path.open("a") as file:
        file.write('{"suite": "s"}\n')
    with pytest.raises(InputError, match=r"scores.jsonl:2: not a score: case"):
        list(read_scores(path))


def test_every_field_has_a_column_in_the_table_or_is_named_as_having_none() -> None:
    fields = {name for each in (ReplyScores, Score, Elicitation) for name in each.model_fields}
    assert fields - NO_COLUMNS == COLUMNS.keys() - {"condition"}
    assert fields >= NO_COLUMNS


def test_the_table_loses_nothing_without_a_word(tmp_path: Path, monkeypatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    asked = Elicitation(scheduled=False, knowable=3, known=1, questions=2, answered=True, broken=1)
    given = row(elicitation=asked, leaked=("f",), on_table=0.25, stand_ins=("x",))
    bench = SimpleNamespace(conditions=["candidate"], rows=lambda _: [given, row(turn=2)])
    write_parquet(bench, tmp_path / "s.parquet")  # type: ignore[arg-type]
    table = parquet.read_table(tmp_path / "s.parquet").to_pylist()
    names = ("answered", "broken", "leaked", "on_table", "stand_ins", "condition")
    assert [table[0][name] for name in names] == [True, 1, ["f"], 0.25, ["x"], "candidate"]
    assert [table[-1][name] for name in names[:2]] == [None, None]
    monkeypatch.delitem(COLUMNS, "leaked")
    with pytest.raises(ValueError, match=r"scores\.parquet has no column for leaked"):
        write_parquet(bench, tmp_path / "s.parquet")  # type: ignore[arg-type]


def test_a_missing_file_says_what_to_run(tmp_path) -> None:
    with pytest.raises(InputError, match="aloe bench run"):
        list(read_scores(tmp_path / "scores.jsonl"))


def test_what_cannot_be_written_is_said(tmp_path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_scores(tmp_path / "no" / "scores.jsonl", [row()])
