"""Functions of the user's that block are called in threads, a few at once, and nothing waits."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED
from command import StartAloe, wait_for

import aloe
from aloe.agents.scripted import reply
from aloe.calls.log import CallLog
from aloe.config import Config, LimitsConfig, ModelConfig, validate
from aloe.errors import CallError
from aloe.models.open import Model, open_model
from aloe.threads import Pool, apart, call_apart

Function = Callable[..., Any]


def plain(*given: Any) -> Any:
    return threading.current_thread()


async def waiting(*given: Any) -> Any:
    return threading.current_thread()


class Plain:
    def __call__(self, *given: Any) -> Any:
        return plain()

    def other(self, *given: Any) -> Any:
        return plain()


class Waiting:
    async def __call__(self, *given: Any) -> Any:
        return plain()


@wraps(reply)
def mine(*given: Any) -> Any:
    return plain()


@pytest.mark.parametrize(
    ("function", "here"),
    [
        (plain, False),
        (lambda *given: plain(), False),
        (Plain(), False),
        (Plain().other, False),
        (partial(plain, 1), False),
        (partial(Plain(), 1), False),
        (mine, False),
        (waiting, True),
        (Waiting(), True),
        (partial(waiting, 1), True),
        (partial(Waiting(), 1), True),
        (lambda *given: waiting(), True),  # only what it returns
    ],
)
def test_what_does_not_wait_by_itself_is_called_in_a_thread(function: Function, here: bool) -> None:
    for call in (partial(call_apart, function), apart(function, 1)):
        thread = asyncio.run(call("given"))
        assert (thread is threading.current_thread()) == here


def test_what_comes_with_the_program_stays_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pool, "begin", None)
    assert aloe.simulate(PERSONAS[0], model=SCRIPTED, turns=1)
    assert aloe.simulate(PERSONAS[0], model=reply, turns=1)


def test_what_the_task_carries_is_there_in_the_thread() -> None:
    carried: ContextVar[int] = ContextVar("carried")

    async def main() -> Any:
        carried.set(7)
        return await call_apart(lambda: carried.get())

    assert asyncio.run(main()) == 7


@pytest.mark.parametrize("error", [KeyError("x"), StopIteration(3), SystemExit(4)])
def test_what_is_raised_in_a_thread_is_raised_where_it_is_awaited(error: BaseException) -> None:
    def fails() -> None:
        raise error

    async def main() -> str:
        try:
            await call_apart(fails)
        except RuntimeError as found:  # Python's own, of a StopIteration in a coroutine
            return type(found.__cause__).__name__
        except BaseException as found:
            return type(found).__name__
        return "nothing"

    assert asyncio.run(asyncio.wait_for(main(), 20)) == type(error).__name__


class Counted:
    """Knows how many calls were under way at once."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds, self.most, self.under_way, self.calls = seconds, 0, 0, 0
        self.lock = threading.Lock()

    def __call__(self, *given: Any) -> str:
        with self.lock:
            self.calls += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(self.seconds)
        with self.lock:
            self.under_way -= 1
        return "Oil the chain twice a month."


@pytest.mark.parametrize("most", [1, 3])
def test_so_many_are_called_at_once_and_no_more(most: int) -> None:
    function = Counted()
    call = apart(function, most)

    async def main() -> None:
        await asyncio.gather(*(call() for _ in range(10)))

    asyncio.run(main())
    asyncio.run(main())  # the same in a loop of its own
    assert (function.most, function.calls) == (most, 20)


def test_what_nobody_waits_for_any_more_is_not_called() -> None:
    function, late = Counted(0.3), Counted()

    async def main() -> None:
        call = apart(lambda play: play(), 1)
        first = asyncio.create_task(call(function))
        second = asyncio.create_task(call(late))
        await asyncio.sleep(0.05)
        second.cancel()
        await first
        assert await call(Counted()) == "Oil the chain twice a month."

    asyncio.run(main())
    assert (function.calls, late.calls) == (1, 0)


def test_a_run_that_is_cancelled_does_not_wait_for_a_function() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def endless() -> None:
        begun.set()
        go_on.wait(60)

    async def main() -> None:
        task = asyncio.create_task(call_apart(endless))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    started = time.monotonic()
    asyncio.run(main())
    go_on.set()
    assert time.monotonic() - started < 30


def test_threads_are_used_again() -> None:
    async def main() -> set[int]:
        return {(await call_apart(plain)).ident for _ in range(50)}

    assert len(asyncio.run(main())) < 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_threads_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "forks.py").write_text(
        "import asyncio, os\nfrom aloe.threads import call_apart\n"
        "asyncio.run(call_apart(lambda: 1))\n"
        "child = os.fork()\n"
        "told = asyncio.run(asyncio.wait_for(call_apart(lambda: 5), 20))\n"
        "os._exit(told) if not child else print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    command = [sys.executable, "-W", "ignore", "forks.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "5\n", ended.stderr


def both_at_once(*functions: str) -> dict[str, Function]:
    """Return functions that answer once all of them were called."""
    meeting = threading.Barrier(len(functions))

    def meets(*given: Any) -> str:
        meeting.wait(60)
        return "Oil the chain twice a month."

    return {name: lambda *given: meets(*given) for name in functions}


def test_a_function_in_place_of_a_model_lets_others_work() -> None:
    (tree,) = aloe.simulate(
        PERSONAS[0], model=SCRIPTED, assistants=both_at_once("first", "second"), turns=1
    )
    assert {node.agent for node in tree.replies} == {"first", "second"}


meeting = threading.Barrier(2)


def meets(*given: Any) -> float:
    meeting.wait(60)
    return 1.0


@pytest.mark.parametrize(
    "settings",
    [{"roles.length": {"use": f"{__name__}:meets", "after": "user"}},
     {"judge.use": f"{__name__}:meets"}],
)  # fmt: skip
def test_roles_and_judges_that_block_work_in_two_trees_at_once(settings: dict[str, Any]) -> None:
    trees = aloe.simulate(PERSONAS[:2], model=SCRIPTED, turns=1, settings=settings)
    assert len(trees) == 2


counted = Counted()


@pytest.mark.parametrize("trees", [1, 2])
def test_the_concurrency_of_the_run_bounds_the_calls_of_a_function(trees: int) -> None:
    for kind in ("roles", "judge", "models"):
        counted.most = 0
        settings: dict[str, Any] = {"roles": {}}
        if kind == "roles":
            settings = {"roles.x": {"use": f"{__name__}:counted", "after": "user"}}
        elif kind == "judge":
            settings = {"judge.use": f"{__name__}:called_back"}
        assistants = {"a": counted, "b": counted} if kind == "models" else None
        aloe.simulate(
            PERSONAS, model=SCRIPTED, assistants=assistants, settings=settings, turns=1,
            concurrency=trees,
        )  # fmt: skip
        assert 0 < counted.most <= trees, kind


def called_back(*given: Any) -> float:
    counted()
    return 1.0


def limits_of(function: Function, **given: Any) -> LimitsConfig:
    config = validate(Config, given, source="test")
    return open_model(ModelConfig(model=function), config).limiter.config  # type: ignore[arg-type]


def test_a_function_has_the_limits_of_the_settings_before_the_number_of_trees() -> None:
    assert limits_of(plain).concurrency == 8
    assert limits_of(plain, simulation={"concurrency": 3}).concurrency == 3
    both = {"limits": {"concurrency": 2}, "simulation": {"concurrency": 3}}
    assert limits_of(plain, **both).concurrency == 2
    for unbounded in (waiting, Waiting(), reply):
        assert limits_of(unbounded).concurrency is None


def call(model: Model, seed: int = 0) -> Any:
    async def ask() -> str:
        async with log.call("user", model, tree="t", node=None) as call:
            return (await call.ask([("user", "Hello")], seed=seed)).text

    log = CallLog()
    return ask()


def test_a_function_that_is_late_is_timed_out() -> None:
    go_on = threading.Event()

    def late(messages: Any, arguments: Any) -> str:
        go_on.wait(60)
        return "Late."

    config = validate(Config, {"limits": {"tries": 1}}, source="test")
    model = open_model(ModelConfig(model=late, timeout=0.2), config)  # type: ignore[arg-type]
    with pytest.raises(CallError, match=r"no answer within 0\.2 s"):
        asyncio.run(call(model))
    go_on.set()


def test_time_in_line_does_not_count() -> None:
    config = validate(Config, {"simulation": {"concurrency": 1}}, source="test")
    function = Counted(0.3)
    given = ModelConfig(model=function, timeout=1)  # type: ignore[arg-type]
    model = open_model(given, config)

    async def main() -> list[str]:
        return await asyncio.gather(*(call(model, seed) for seed in range(6)))

    assert len(asyncio.run(main())) == 6
    assert (function.most, function.calls) == (1, 6)


def jittery(messages: Any, arguments: Any) -> Any:
    time.sleep(random.random() / 100)
    return reply(messages, arguments)


def test_the_same_seed_gives_the_same_trees() -> None:
    given: dict[str, Any] = {"turns": 2, "expansion": "both"}
    first, second = (
        sorted(aloe.simulate(PERSONAS[:3], model=jittery, **given), key=lambda tree: tree.id)
        for _ in range(2)
    )
    assert first == second
    usual = aloe.simulate(PERSONAS[:3], model=SCRIPTED, **given)
    assert {n.content for t in first for n in t.nodes} == {
        n.content for t in usual for n in t.nodes
    }


def test_what_a_role_raises_in_a_thread_is_found_by_file_and_line() -> None:
    told = rf"role 'x' failed in tree \w+: {__file__}:\d+: KeyError: 'nothing'"
    settings = {"roles.x": {"use": f"{__name__}:raises", "after": "user"}}
    with pytest.raises(CallError, match=told):
        aloe.simulate(PERSONAS[0], model=SCRIPTED, turns=1, settings=settings)
    settings = {"roles.x": {"use": f"{__name__}:wrong", "after": "user"}}
    with pytest.raises(CallError, match=rf"does not fit in tree \w+: {__file__}:\d+: "):
        aloe.simulate(PERSONAS[0], model=SCRIPTED, turns=1, settings=settings)


def raises(exchange: Any, model: Any) -> Any:
    return {}["nothing"]


def wrong(exchange: Any, model: Any) -> Any:
    return object()


def test_ctrl_c_ends_a_run_while_a_function_is_under_way(
    start: StartAloe, personas_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stuck.py").write_text(
        "import time\n\n\ndef reply(messages, arguments):\n"
        "    open('begun', 'w').close()\n    time.sleep(600)\n"
    )
    command = ["simulate", "--personas", personas_file, "--out", tmp_path / "run"]
    child = start(*command, "--model", "scripted:stuck:reply")
    wait_for((tmp_path / "begun").exists)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)  # the function takes ten minutes
    assert child.returncode == 130
    assert "the same command again" in err
