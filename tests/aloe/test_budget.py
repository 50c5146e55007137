import asyncio
from pathlib import Path
from typing import Any

import pytest
from builders import scripted_model
from langchain_core.messages import AIMessage

from aloe.calls.budget import Budget, Spent
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import BudgetConfig, Price
from aloe.errors import BudgetError, ConfigError
from aloe.models.scripted import ScriptedChat
from aloe.training.spending import SpendingFile, open_budget

USAGE = {"input_tokens": 90, "output_tokens": 10, "total_tokens": 100}


class Slow(ScriptedChat):
    """Answers after a moment, for 100 tokens."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.01)
        return await super()._agenerate(*args, **kwargs)


def talk(log: CallLog, calls: int, width: int) -> list[str | BaseException]:
    """Make calls, so many at once; return what came of each."""
    chat = Slow(script=lambda _m, _a: AIMessage("x", usage_metadata=USAGE))  # type: ignore[arg-type]
    model = scripted_model()
    vars(model)["chat"] = chat
    gate = asyncio.Semaphore(width)

    async def one(seed: int) -> str:
        async with gate, log.call("user", model, tree="t") as call:
            return (await call.ask([("user", "Hello")], seed=seed)).text

    async def run() -> Any:
        return await asyncio.gather(*map(one, range(calls)), return_exceptions=True)

    return list(asyncio.run(run()))


def log(spent: Spent | None = None, **caps: Any) -> CallLog:
    return CallLog(
        prices={"test": Price(input=1e4, output=1e4)}, budget=Budget(BudgetConfig(**caps), spent)
    )


@pytest.mark.parametrize("width", [1, 7, 50])
def test_exactly_so_many_calls_are_made_and_all_of_them_kept(width: int) -> None:
    calls = log(max_calls=20)
    came = talk(calls, 50, width)
    assert came.count("x") == calls.totals.calls == calls.budget.spent.calls == 20
    stopped = [each for each in came if isinstance(each, BudgetError)]
    assert len(stopped) == 30
    assert str(stopped[0]) == calls.budget.reached == "20 of 20 calls are made"


@pytest.mark.parametrize("cap", [{"max_tokens": 2000}, {"max_cost": 20.0}])
def test_tokens_and_money_are_kept_about_as_closely(cap: dict[str, Any]) -> None:
    calls = log(**cap)
    talk(calls, 10, 1)  # a call costs 100 tokens, or one dollar
    talk(calls, 50, 8)
    assert calls.totals.calls == 20
    assert calls.budget.reached


def test_what_earlier_parts_of_the_run_spent_counts() -> None:
    earlier = [{"input_tokens": 9, "output_tokens": 1, "cost": 0.5}] * 15
    carried = {"input_tokens": 9, "output_tokens": 1, "cost": 0.0, "carried": True}
    spent = Spent.before([*earlier, carried], {})
    assert spent == Spent(calls=15, tokens=150, cost=7.5)
    calls = log(spent, max_calls=20)
    assert talk(calls, 50, 8).count("x") == 5


UNPRICED = {"input_tokens": 8, "output_tokens": 2, "cost": None, "model": "openai:m@http://h/v1"}


def test_what_was_made_without_a_price_is_priced_when_there_is_one() -> None:
    prices = {"m": Price(input=1e6, output=2e6, cached=0.0)}
    lines = [UNPRICED, {**UNPRICED, "cached_tokens": 8}, {**UNPRICED, "batch": "batch_1"}]
    assert Spent.before(lines, prices) == Spent(calls=3, tokens=30, cost=12.0 + 4.0 + 6.0)
    assert Budget.resumed(BudgetConfig(max_cost=22.0), lines, prices).reached


@pytest.mark.parametrize(("model", "cure"), [("openai:m", r'\[prices."m"\]'), (None, "max_calls")])
def test_a_cap_in_dollars_is_refused_where_nobody_knows_what_is_spent(
    model: str | None, cure: str
) -> None:
    line = {**UNPRICED, "model": model}
    with pytest.raises(ConfigError, match=f"counts earlier calls too.*{cure}"):
        Budget.resumed(BudgetConfig(max_cost=5.0), [line], {})
    assert Budget.resumed(BudgetConfig(max_calls=5), [line], {}).spent.calls == 1
    unanswered = {**line, "input_tokens": 0, "output_tokens": 0}
    assert Budget.resumed(BudgetConfig(max_cost=5.0), [unanswered], {}).spent.cost == 0.0


def test_a_training_prices_its_calls_when_there_is_a_price(tmp_path: Path) -> None:
    spending = SpendingFile(tmp_path)
    event = Event(role="judge", model="openai:m", tree=None, node=None, input_tokens=3)
    spending.add(event)
    assert spending.read({"m": Price(input=1e6, output=0.0)}).cost == 3.0
    with pytest.raises(ConfigError, match="counts earlier calls too"):
        open_budget(BudgetConfig(max_cost=1.0), spending.read({}), 2)


def test_without_caps_nothing_is_held() -> None:
    calls = log()
    assert talk(calls, 50, 50).count("x") == 50
    assert calls.budget.reached is None


def test_a_budget_closed_from_outside_lets_those_in_flight_end() -> None:
    budget = Budget()

    async def run() -> None:
        await budget.admit()
        budget.close("spent elsewhere")
        late = asyncio.create_task(budget.admit())
        await asyncio.sleep(0.01)
        assert not late.done()
        budget.settle()
        with pytest.raises(BudgetError, match="spent elsewhere"):
            await late

    asyncio.run(run())
    assert budget.reached == "spent elsewhere"


def test_a_cancelled_call_does_not_hold_the_end_up() -> None:
    budget = Budget(BudgetConfig(max_calls=1))
    calls = CallLog(budget=budget)
    model = scripted_model()
    vars(model)["chat"] = Slow(script=lambda _m, _a: "x")

    async def one() -> None:
        async with calls.call("user", model) as call:
            await call.ask([("user", "Hello")], seed=1)

    async def run() -> None:
        task = asyncio.create_task(one())
        await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(one(), 1.0)
        with pytest.raises(BudgetError):
            await asyncio.wait_for(one(), 1.0)

    asyncio.run(run())


@pytest.mark.parametrize("ahead", range(1, 20))
def test_a_cap_is_reached_whatever_is_in_flight(ahead: int) -> None:
    """12 dollars and 8 calls ahead are 20 dollars, not a rounded 19.999999999999996."""
    made = 20 - ahead
    spent = Spent(calls=made, tokens=100 * made, cost=float(made))
    for cap in ({"max_tokens": 2000}, {"max_cost": 20.0}):
        assert log(spent, **cap).budget._over(ahead)
        assert not log(spent, **cap).budget._over(ahead - 1)
