"""Whatever custom code raises costs a tree; only Ctrl-C and an exit end the run."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, config, grow, models, scripted_model
from command import RunAloe
from langchain_core.messages import BaseMessage

from aloe.agents.guard import called
from aloe.agents.scripted import reply
from aloe.calls.log import CallLog
from aloe.config import Config
from aloe.errors import AloeError, BudgetError, CallError, ConfigError, ModelError, RoleError
from aloe.graphs.context import make_context
from aloe.graphs.tree import grow_tree
from aloe.loop import make_runner

OWN = '''
import asyncio
import time


class Panic(BaseException):
    """As code from other languages raises."""


async def waits(*given):
    task = asyncio.ensure_future(asyncio.sleep(5))
    task.cancel()
    await task


async def gathers(*given):
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await asyncio.gather(future, asyncio.sleep(5))


def cancelled(*given):
    raise asyncio.CancelledError("inner")


def panics(*given):
    raise Panic("lost")


def groups(*given):
    raise BaseExceptionGroup("both", [Panic("lost"), ValueError("bad")])


def interrupts(*given):
    raise KeyboardInterrupt


def leaves(*given):
    raise SystemExit(3)


async def leaves_in_a_task(*given):
    async with asyncio.TaskGroup() as group:
        group.create_task(waits())
        group.create_task(asyncio.to_thread(time.sleep, 0))
        leaves()


async def hangs(*given):
    await asyncio.sleep(60)


def first_only(exchange, model):
    return waits() if exchange.persona.facts[0].text.startswith("I am 34") else 1
'''

FAILING = ["waits", "gathers", "cancelled", "panics", "groups"]


@pytest.fixture
def own(
    write_module: Callable[[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.syspath_prepend(tmp_path)
    return write_module("failures", OWN)


def settings(role: dict[str, Any]) -> Config:
    return config(turns=1).updated({"roles": {"mine": role}}, source="test")


@pytest.mark.parametrize("use", FAILING)
@pytest.mark.parametrize(
    "hook", [{"before": "user"}, {"after": "judge"}, {"among": "assistants"}], ids=str
)
def test_what_a_role_raises_is_its_own_failure(own: str, use: str, hook: dict[str, str]) -> None:
    with pytest.raises(
        RoleError, match=rf"role 'mine' failed in tree .*{own}\.py:\d+: \w+"
    ) as told:
        grow(settings({"use": f"{own}:{use}", **hook}))
    assert not str(told.value).endswith(":")


@pytest.mark.parametrize("use", FAILING)
def test_so_it_is_with_a_judge_and_a_policy(own: str, use: str) -> None:
    with pytest.raises(RoleError, match=f"judge '{own}:{use}' failed"):
        grow(config(turns=1).updated({"judge": {"use": f"{own}:{use}"}}, source="test"))
    if use not in ("waits", "gathers"):  # a policy is not awaited
        with pytest.raises(RoleError, match=f"expansion '{own}:{use}' failed"):
            grow(config(turns=2, expansion=f"{own}:{use}"))


@pytest.mark.parametrize("use", FAILING)
def test_what_a_function_in_place_of_a_model_raises_is_a_failed_call(own: str, use: str) -> None:
    raising = getattr(__import__(own), use)
    with pytest.raises(CallError):
        grow(config(turns=1), model=scripted_model(raising))


@pytest.mark.parametrize(
    ("use", "error"),
    [("interrupts", KeyboardInterrupt), ("leaves", SystemExit), ("leaves_in_a_task", SystemExit)],
)
def test_an_interrupt_and_an_exit_are_no_failures(
    own: str, use: str, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        grow(settings({"use": f"{own}:{use}", "after": "user"}))
    raising = getattr(__import__(own), use)
    with pytest.raises(error):
        grow(config(turns=1), model=scripted_model(raising))


@pytest.mark.parametrize("error", [BudgetError("spent"), ModelError("gone"), CallError("refused")])
def test_our_own_errors_pass_out_of_a_group_of_tasks(error: AloeError) -> None:
    async def asks() -> None:
        raise error

    async def play() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asks())

    with pytest.raises(type(error)) as told:
        asyncio.run(called("role 'mine'", "t", play))
    assert told.value is error

    def misuses() -> None:
        raise ExceptionGroup("g", [ConfigError("no prompt")])

    with pytest.raises(RoleError, match="role 'mine' failed in tree t"):
        asyncio.run(called("role 'mine'", "t", misuses))


@pytest.mark.parametrize("where", ["role", "model"])
def test_a_cancel_of_the_run_ends_it_at_once(own: str, where: str) -> None:
    hangs = getattr(__import__(own), "hangs")  # noqa: B009

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> Any:
        return hangs() if where == "model" else reply(messages, arguments)

    role = settings({"use": f"{own}:hangs", "after": "user"})

    wanted = role if where == "role" else config(turns=1)
    context = make_context(wanted, models(wanted, scripted_model(script)), CallLog())

    async def run() -> None:
        growing = asyncio.ensure_future(grow_tree(PERSONAS[0], 0, {}, context))
        await asyncio.sleep(0.5)
        growing.cancel()
        await growing

    begun = time.monotonic()
    with make_runner() as runner, pytest.raises(asyncio.CancelledError):
        runner.run(run())
    assert time.monotonic() - begun < 20


def test_the_other_trees_of_a_run_grow_on(
    own: str, aloe: RunAloe, personas_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text(f'[roles.mine]\nuse = "{own}:first_only"\nafter = "user"\n')
    ran = aloe(
        "simulate", "--personas", personas_file, "--trees", 4, "--turns", 1, "--config", "c.toml",
        "--model", "scripted:aloe.agents.scripted:reply", "--out", tmp_path / "run",
    )  # fmt: skip
    assert ran.code == 2
    assert "set aside 1 tree; the first reason: role 'mine' failed" in ran.err
    assert "CancelledError" in ran.err
    assert "Traceback" not in ran.err
    assert len((tmp_path / "run/trees.jsonl").read_text().splitlines()) == 3
