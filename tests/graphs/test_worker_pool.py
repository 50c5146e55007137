"""Several workers as one: in this loop, so that deaths come exactly when a test wants them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, config
from server import Answer, ChatServer, Request, failure, scripted

from aloe.calls.budget import Budget
from aloe.calls.event import Event, appending, read_events
from aloe.calls.log import CallLog
from aloe.config import BudgetConfig, Config
from aloe.errors import AloeError, BudgetError, InputError, ModelError, StoreError
from aloe.graphs.batch import RunProgress, finish_trees, grow_all
from aloe.graphs.context import FinishedExchange, OnExchange, ignore_exchange, open_models
from aloe.graphs.engine import count_workers
from aloe.graphs.plan import plan_trees
from aloe.graphs.worker import Report, Worker, WorkerSetup
from aloe.graphs.worker import Request as WorkerRequest
from aloe.graphs.worker_pool import MAX_DEATHS, WorkerLostError, WorkerPool
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.schema import Tree


class LoopConnection:
    """A worker in this very loop that dies after so many reports."""

    def __init__(self, setup: WorkerSetup, lives: float) -> None:
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self._worker = Worker.of(setup, self._reports.put_nowait)
        self._lives = lives
        self.dead = False

    def send(self, request: WorkerRequest) -> None:
        if not self.dead:
            self._worker.take(request)

    async def receive(self) -> Report:
        if self._lives <= 0:
            self.dead = True
            for task in self._worker._tasks:
                task.cancel()
            raise WorkerLostError("shot")
        self._lives -= 1
        return await self._reports.get()

    async def close(self) -> None:
        self._lives = 0


def run(
    settings: Config,
    path: Path,
    lives: Callable[[int], float] = lambda _: float("inf"),
    budget: Budget | None = None,
    log: Callable[..., CallLog] = CallLog,
    on_exchange: OnExchange = ignore_exchange,
) -> tuple[RunProgress, CallLog]:
    """Run with two workers of which the n-th to be started lives for `lives(n)` reports."""
    folder, progress, started = RunFolder(path), RunProgress(wanted=settings.simulation.trees), 0

    def connect() -> LoopConnection:
        nonlocal started
        started += 1
        return LoopConnection(WorkerSetup(config=settings, share=0.5), lives(started))

    async def grow(calls: CallLog) -> None:
        wanted = {each.tree: each for each in plan_trees(PERSONAS, settings.simulation.trees, 0)}
        async with WorkerPool([connect, connect], calls, on_exchange) as pool:
            await finish_trees(wanted, pool.grow, folder, pool, progress, lambda: None, width=4)

    with folder.writing(settings), appending(folder.events) as file:
        calls = log(file, budget=budget)
        try:
            asyncio.run(grow(calls))
        except AloeError as error:
            error.add_note("while the pool worked")
            raise
    return progress, calls


def alone(settings: Config, path: Path) -> bytes:
    folder, progress = RunFolder(path), RunProgress(wanted=settings.simulation.trees)
    wanted = list(plan_trees(PERSONAS, settings.simulation.trees, settings.seed))
    with folder.writing(settings):
        models = open_models(settings)
        asyncio.run(grow_all(wanted, settings, folder, models, CallLog(), progress))
    return folder.trees.read_bytes()


def test_a_pool_grows_the_trees_that_one_process_grows(tmp_path: Path) -> None:
    settings = config(trees=6, turns=2, workers=1)
    progress, calls = run(settings, tmp_path / "pool")
    assert (tmp_path / "pool/trees.jsonl").read_bytes() == alone(settings, tmp_path / "alone")
    assert (progress.finished, progress.failures) == (6, {})
    events = list(read_events(tmp_path / "pool/events.jsonl"))
    assert len(events) == calls.totals.calls > 0


def test_a_worker_that_dies_is_replaced_and_nothing_that_arrived_is_asked_again(
    tmp_path: Path,
) -> None:
    settings = config(trees=6, turns=3, workers=1)
    progress, calls = run(settings, tmp_path / "pool", lambda n: 25 if n < 4 else float("inf"))
    assert (tmp_path / "pool/trees.jsonl").read_bytes() == alone(settings, tmp_path / "alone")
    assert (progress.finished, progress.failures) == (6, {})
    keys = [event["key"] for event in read_events(tmp_path / "pool/events.jsonl")]
    assert len(keys) == len(set(keys)) == calls.totals.calls


def test_workers_that_only_die_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no worker can be started; the last one: shot"):
        run(config(trees=4, turns=3), tmp_path, lambda _: 0)


def test_a_worker_that_cannot_be_replaced_ends_the_run(tmp_path: Path) -> None:
    def lives(number: int) -> float:
        if number > 2:  # such as a process table that is full
            raise BlockingIOError(11, "try again")
        return 3

    with pytest.raises(ModelError, match=r"no worker can be started \(.*try again\) after: shot"):
        run(config(trees=4, turns=3), tmp_path, lives)


def test_a_tree_that_kills_whoever_grows_it_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = LoopConnection.receive
    poisoned = {each.tree for each in plan_trees(PERSONAS, 4, 0) if each.persona == PERSONAS[3]}

    async def poison(connection: LoopConnection) -> Report:
        report = await receive(connection)
        if isinstance(report, Event) and report.tree in poisoned and report.role == "inducer":
            connection._lives = 0
            return await receive(connection)
        return report

    with monkeypatch.context() as patch:
        patch.setattr(LoopConnection, "receive", poison)
        progress, _ = run(config(trees=4, turns=1), tmp_path)
    reason = f"{MAX_DEATHS} workers died over it; the last one: shot"
    assert {progress.failures.pop(tree) for tree in poisoned} == {reason}
    assert progress.finished >= 2, "one that was grown beside it may be lost with it"
    progress, _ = run(config(trees=4, turns=1), tmp_path)
    assert progress.finished_before + progress.finished == 4


def test_the_budget_of_the_run_closes_every_worker(tmp_path: Path) -> None:
    settings = config(trees=8, turns=2, workers=1)
    with pytest.raises(BudgetError, match="30 calls are made"):
        run(settings, tmp_path, budget=Budget(BudgetConfig(max_calls=30)))
    made = len(list(read_events(tmp_path / "events.jsonl")))
    assert 30 <= made <= 30 + 8, "at most what was in flight comes on top"
    run(settings, tmp_path)
    assert (tmp_path / "trees.jsonl").read_bytes() == alone(settings, tmp_path / "alone")
    keys = [event["key"] for event in read_events(tmp_path / "events.jsonl")]
    assert len(keys) == len(set(keys))


def test_a_refused_key_stops_the_run(server: ChatServer, tmp_path: Path) -> None:
    server.behave = lambda _: failure(401)
    with pytest.raises(ModelError, match="key was refused"):
        run(config(server.model, trees=4, turns=1), tmp_path)


def test_a_tree_whose_calls_fail_for_good_is_set_aside(server: ChatServer, tmp_path: Path) -> None:
    def behave(request: Request) -> Answer:
        driver = any(PERSONAS[3].personality in m["content"] for m in request.body["messages"])
        return failure(400, "no buses here") if driver else scripted(request)

    server.behave = behave
    progress, _ = run(config(server.model, trees=4, turns=1), tmp_path)
    assert progress.finished == 3
    (reason,) = progress.failures.values()
    assert "no buses here" in reason
    assert len(list(read_trees(tmp_path))) == 3


class FullDisk(CallLog):
    """A log that cannot be written any more."""

    def take(self, *_: Any) -> None:
        raise StoreError("the log of calls cannot be written (No space left on device)")


def test_a_full_disk_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No space left"):
        run(config(trees=4, turns=1), tmp_path, log=FullDisk)


def test_a_fault_of_the_program_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("aloe.graphs.worker.grow_tree", broken)
    with pytest.raises(ExceptionGroup) as found:
        run(config(trees=1, turns=1), tmp_path)
    assert found.group_contains(RuntimeError, match="KeyError: 'a bug'")


@pytest.mark.parametrize(
    ("model", "simulation", "budget", "expected"),
    [
        ("openai:m@http://h/v1", {"concurrency": 128}, {}, 1),
        ("openai:m@http://h/v1", {"concurrency": 129}, {}, 2),
        ("openai:m@http://h/v1", {"concurrency": 10_000}, {}, 3),
        ("openai:m@http://h/v1", {"concurrency": 256}, {"max_calls": 5}, 1),
        ("local:smollm2-135m", {"concurrency": 256}, {}, 1),
        ("local:smollm2-135m", {"concurrency": 128, "workers": 2}, {}, 2),
        ("openai:m@http://h/v1", {"concurrency": 3, "workers": 9}, {}, 3),
        ("openai:m@http://h/v1", {"concurrency": 1000, "engine": "ray"}, {}, 8),
    ],
)
def test_how_many_workers_are_taken(
    model: str,
    simulation: dict[str, Any],
    budget: dict[str, Any],
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    calls = CallLog(budget=Budget(BudgetConfig(**budget)))
    assert count_workers(config(model, **simulation), 5000, calls) == expected


def test_a_connection_that_cannot_be_understood_does_not_leave_anybody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def garbled(_: LoopConnection) -> Report:
        raise EOFError("half a message")

    monkeypatch.setattr(LoopConnection, "receive", garbled)
    with pytest.raises(ExceptionGroup) as found:
        run(config(trees=2, turns=1), tmp_path)
    assert found.group_contains(EOFError)


def test_workers_tell_of_the_exchanges_in_growing_trees(tmp_path: Path) -> None:
    told: list[FinishedExchange] = []
    run(config(trees=2, turns=2), tmp_path, on_exchange=told.append)
    trees = list(read_trees(tmp_path))
    assert sorted(each.tree for each in told) == sorted([tree.id for tree in trees] * 2)
    nodes = {node.id for each in told for node in each.nodes}
    assert nodes == {node.id for tree in trees for node in tree.nodes}


def test_a_file_that_a_worker_cannot_read_ends_the_run_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> Tree:
        raise InputError(Path("passport.json"), "cannot be read")

    monkeypatch.setattr("aloe.graphs.worker.make_grower", lambda *_, **__: lost)
    with pytest.raises(AloeError) as caught:
        run(config(trees=4), tmp_path)
    assert str(caught.value) == "passport.json: cannot be read"
