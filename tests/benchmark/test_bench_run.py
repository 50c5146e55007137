"""A bench that is worked on twice, or again: one process at a time, and no result of before."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from aloe.benchmark import bench_run
from aloe.benchmark.api import bench
from aloe.benchmark.bench_result import BenchResult
from aloe.benchmark.cases import load_cases
from aloe.benchmark.folder import LOCK, holding, read_bench
from aloe.benchmark.listed_runs import find_runs
from aloe.benchmark.run import BenchProgress
from aloe.benchmark.scores import Missing, ReplyScores
from aloe.benchmark.suite_result import SuiteResult, compute_suites
from aloe.config import Condition
from aloe.errors import BudgetError, StoreError
from aloe.files.lock import is_locked
from aloe.files.writing import model_lines
from aloe.memory.run_folder import RunFolder

S = "scripted:aloe.agents.scripted:reply"
USERS, TURNS = 3, 2


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A finished bench with a control, all of whose answers are kept."""
    lines = [
        case.model_copy(update={"turns": TURNS}).model_dump_json(exclude={"id"}) + "\n"
        for case in load_cases("aloe-100")[: 7 * USERS : 7]
    ]
    (tmp_path / "cases.jsonl").write_text("".join(lines), encoding="utf-8")
    play(tmp_path / "run")
    return tmp_path / "run"


def play(out: Path, stop_after: int | None = None) -> BenchResult:
    """Run the bench; `stop_after` so many dialogues of a condition are judged, it is stopped."""

    def watch(progress: BenchProgress) -> None:
        if progress.judged == stop_after:
            raise BudgetError("enough")

    return bench(
        out,
        model=S,
        user=S,
        judges=[S],
        cases=str(out.with_name("cases.jsonl")),
        controls=["ceiling"],
        seeds=1,
        settings={"simulation.concurrency": 1},
        progress=watch,
    )


def lose(path: Path, which: slice, reason: Missing) -> None:
    """Have ratings fail that are there, of some dialogues."""
    rows = read_bench(path).own_rows
    lost = {row.dialogue for row in rows[::TURNS][which]}
    lines = (_without(row, reason) if row.dialogue in lost else row for row in rows)
    (path / "scores.jsonl").write_text(model_lines(lines))


def _without(row: ReplyScores, reason: Missing) -> ReplyScores:
    gone = {"value": None, "missing": reason}
    scores = tuple(score.model_copy(update=gone) for score in row.scores)
    return row.model_copy(update={"scores": scores})


def test_no_other_process_works_on_a_bench_until_its_result_is_written(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def computing(rows: Iterable[ReplyScores]) -> dict[str, dict[Condition, SuiteResult]]:
        listed = find_runs([out.parent]).runs["run"]
        seen.append((RunFolder(out).busy(), read_bench(out).running, listed.running))
        with pytest.raises(StoreError, match="is in use by another aloe process"):
            play(out)
        return compute_suites(list(rows))

    monkeypatch.setattr(bench_run, "compute_suites", computing)
    play(out)
    assert seen == [(False, True, True)]  # no condition is played then
    monkeypatch.undo()
    result = (out / "result.json").read_bytes()
    with holding(out), pytest.raises(StoreError, match="is in use"):
        play(out)
    assert (out / "result.json").read_bytes() == result
    assert not read_bench(out).running


@pytest.mark.parametrize("reason", ["judge", "user", "candidate"])
@pytest.mark.parametrize("condition", ["candidate", "ceiling"])
def test_a_retry_that_is_stopped_leaves_no_result_and_can_be_read(
    out: Path, condition: Condition, reason: Missing
) -> None:
    before = {path: path.read_bytes() for path in (out / "result.json", out / "scores.jsonl")}
    assert read_bench(out).finished
    part = read_bench(out).conditions[condition]
    lose(part, slice(1, None), reason)
    with pytest.raises(BudgetError):
        play(out, stop_after=2)
    bench = read_bench(out)
    assert not bench.finished
    assert not is_locked(out / LOCK)
    for name, path in bench.conditions.items():
        assert len(bench.rows(name)) == len({(row.dialogue, row.turn) for row in bench.rows(name)})
        assert len(list(bench.trees(name))) == USERS
        assert path.is_dir()
    play(out)
    assert {path: path.read_bytes() for path in before} == before


def test_a_retry_of_every_rating_begins_like_the_first_one(out: Path) -> None:
    whole = (out / "scores.jsonl").read_bytes()
    lose(out, slice(None), "judge")
    with pytest.raises(BudgetError):
        play(out, stop_after=1)
    assert len(read_bench(out).rows()) == TURNS
    assert not read_bench(out).finished
    play(out)
    assert (out / "scores.jsonl").read_bytes() == whole
