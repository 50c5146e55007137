"""One process at a time works on a bench."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from aloe.benchmark import bench_run
from aloe.benchmark.api import bench
from aloe.benchmark.bench_result import BenchResult
from aloe.benchmark.cases import load_cases
from aloe.benchmark.folder import holding, read_bench
from aloe.benchmark.listed_runs import find_runs
from aloe.benchmark.run import BenchProgress
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.suite_result import SuiteResult, compute_suites
from aloe.config import Condition
from aloe.errors import BudgetError, StoreError
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
