import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED, config, grow

from aloe.agents.registry import find_cast
from aloe.calls.budget import Spent
from aloe.calls.exchanges import Start, count_exchanges
from aloe.calls.forecast import Forecast, RoleUsage, forecast
from aloe.calls.history import History
from aloe.calls.log import CallLog
from aloe.config import BudgetConfig, Config, Price, SimulationConfig
from aloe.graphs.batch import RunProgress
from aloe.graphs.simulation import prepare
from aloe.memory.run_folder import RunFolder
from aloe.memory.verifiable.generation import generate

BEGUN = Start(turn=1, messages=1, replies=2, nodes=3)


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({"turns": 3}, [(1, 1)] * 3),
        ({"turns": 3, "expansion": "both"}, [(1, 1), (2, 2), (4, 4)]),
        ({"turns": 4, "both_turns": 2}, [(1, 1), (2, 2), (4, 4), (4, 4)]),
        ({"turns": 4, "expansion": "beam", "beam_width": 3}, [(1, 1), (2, 2), (3, 3), (3, 3)]),
        ({"turns": 3, "expansion": "disagreement"}, [(1, 1), (1, 2), (1, 4)]),
        ({"turns": 3, "expansion": "my:own"}, [(1, 1), (1, 2), (1, 4)]),
        ({"turns": 3, "expansion": "both", "node_budget": 9}, [(1, 1), (1, 1), (1, 1)]),
        ({"turns": 3, "node_budget": 6}, [(1, 1), (1, 1), (0, 0)]),
    ],
)
def test_exchanges_follow_from_the_policy(
    settings: dict[str, Any], levels: list[tuple[int, int]]
) -> None:
    assert count_exchanges(SimulationConfig(**settings), 2) == levels


@pytest.mark.parametrize(
    "settings",
    [
        {"turns": 3},
        {"turns": 3, "expansion": "both"},
        {"turns": 3, "both_turns": 1, "assistants": 3},
        {"turns": 4, "expansion": "beam"},
        {"turns": 4, "expansion": "both", "node_budget": 21},
        {"turns": 4, "expansion": "disagreement"},
    ],
)
def test_it_foresees_the_calls_that_are_made(settings: dict[str, Any]) -> None:
    own = config(**settings)
    log = CallLog()
    grow(own, calls=log)
    ahead = forecast(own, PERSONAS[:1], 1)
    assert ahead.least.calls <= log.totals.calls <= ahead.most.calls
    if settings.get("expansion") != "disagreement":
        assert ahead.least == ahead.most


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"turns": 3, "expansion": "both"}, {"turns": 4}),
        ({"turns": 3}, {"turns": 4, "expansion": "both"}),
        ({"turns": 2, "expansion": "both"}, {"turns": 4, "expansion": "beam", "beam_width": 3}),
        ({"turns": 2, "expansion": "both"}, {"turns": 4, "expansion": "both", "node_budget": 21}),
        ({"turns": 2, "expansion": "both"}, {"turns": 4, "node_budget": 9}),
        ({"turns": 2, "rollouts": {"count": 3}}, {"turns": 3}),
    ],
)
def test_it_foresees_what_an_extension_asks_by_the_trees_that_are_there(
    before: dict[str, Any], after: dict[str, Any], tmp_path: Path
) -> None:
    def extended(name: str, of: str | None, **settings: Any) -> tuple[Forecast, int]:
        simulation = prepare(
            config(trees=1, **settings),
            RunFolder(tmp_path / name),
            personas=() if of else PERSONAS[:1],
            extended=tmp_path / of if of else None,
        )
        ahead = simulation.forecast()
        with simulation.writing() as events:
            log = simulation.open_log(events)
            asyncio.run(simulation.grow(log, RunProgress(wanted=1)))
        return ahead, log.totals.calls

    rollouts = before.pop("rollouts", None)
    extended("first", None, **before)
    if rollouts:
        extended("rolled", "first", **before, rollouts=rollouts)
    ahead, calls = extended("longer", "rolled" if rollouts else "first", **after)
    assert ahead.least.calls == ahead.most.calls == calls


def test_a_tournament_asks_for_less() -> None:
    changes = {"judge.schedule": "tournament"}
    own = config(turns=2, assistants=4).updated(changes, source="test")
    log = CallLog()
    grow(own, calls=log)
    ahead = forecast(own, PERSONAS[:1], 1)
    assert ahead.least.calls == 2 * (6 + 2 * 3) <= log.totals.calls
    assert log.totals.calls <= ahead.most.calls == 2 * (6 + 2 * 6)


def test_rules_play_who_answers_about_wishes_that_a_program_checks() -> None:
    persona = generate(5)
    for disclosure in ("schedule", "reticent"):
        own = config(turns=3).updated({"user.disclosure": disclosure}, source="test")
        log = CallLog()
        grow(own, persona=persona, calls=log)
        assert forecast(own, [persona], 1).least.calls == log.totals.calls


def test_a_reader_and_replies_of_roles_are_foreseen() -> None:
    own = config(turns=3)
    read = own.updated({"models.reader": SCRIPTED}, source="test")
    plain, ahead = forecast(own, PERSONAS[:1], 1), forecast(read, PERSONAS[:1], 1)
    assert ahead.least.calls == plain.least.calls
    assert ahead.most.calls == plain.most.calls + 3
    third = {"use": "aloe.agents.roles:Role", "among": "assistants", "model": SCRIPTED}
    more = forecast(own.updated({"roles.mine": third}, source="test"), PERSONAS[:1], 1)
    assert more.least.calls == (1 + 1 + 3 + 2 * 3) * 3  # user, inducer, replies, both orders


def test_rollouts_cost_what_the_assistant_costs_who_answers_in_them() -> None:
    own = config(turns=1).updated(
        {
            "models.assistants": [
                {"model": "openai:cheap", "name": "cheap"},
                {"model": "openai:dear", "name": "dear"},
            ],
            "prices": {"cheap": {"input": 1.0, "output": 1.0}, "dear": {"input": 9, "output": 9}},
        },
        source="test",
    )

    def cost(policy: str | None) -> float:
        changes = {"simulation.rollouts": {"policy": policy}}
        settings = own.updated(changes, source="test")
        ahead = forecast(settings, PERSONAS[:1], 1, starts=[BEGUN], single=10)
        assert ahead.least.calls == 10 * 3, "user, inducer and one assistant"
        return ahead.least.cost or 0.0

    assert cost("dear") == pytest.approx(9 * cost("cheap"))
    assert cost(None) == pytest.approx(5 * cost("cheap"))


OWN = '''
from aloe.agents.roles import Update


def length(exchange, model):
    return len(exchange.user.content)


def longer(asked, model):
    return len(asked.first.content) - len(asked.second.content)


class Asks:
    prompt = """
## user
{a}"""

    async def __call__(self, asked, model):
        return len(await model.ask(a=asked.first.content))


class AsksOnce(Asks):
    symmetric = True


class Third:
    among = "assistants"
    prompt = """
## user
{message}"""

    async def __call__(self, exchange, model):
        return Update(text=await model.ask(message=exchange.user.content))
'''


@pytest.mark.parametrize(
    ("changes", "calls"),
    [
        ({"roles": {"mine": {"use": "length", "after": "user"}}}, 12),
        ({"roles": {"mine": {"use": "Third"}}}, 22),
        ({"judge": {"use": "Asks"}}, 12),
        ({"judge": {"use": "AsksOnce"}}, 10),
        ({"judge": {"use": "longer"}}, 8),
    ],
)
def test_it_foresees_the_calls_of_code_of_one_s_own(
    changes: dict[str, Any], calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_forecast.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_forecast", raising=False)
    for each in (changes.get("judge"), *changes.get("roles", {}).values()):
        if each and ":" not in each["use"]:
            each["use"] = f"own_forecast:{each['use']}"
    own = config(turns=2).updated(changes, source="test")
    log = CallLog()
    grow(own, calls=log)
    cast = find_cast(own)
    ahead = forecast(own, PERSONAS[:1], 1, cast=cast)
    assert ahead.least.calls == ahead.most.calls == log.totals.calls == calls
    usage = {role: RoleUsage(calls=1) for role in cast.models}
    assert forecast(own, PERSONAS[:1], 1, usage, cast=cast).measured


def test_a_model_without_a_provider_costs_what_it_is_billed_as() -> None:
    served = {"model": "m", "base_url": "http://127.0.0.1:1/v1"}
    roles = dict.fromkeys(("user", "inducer", "judge"), served)
    given = config(turns=2).updated({"models": roles}, source="test")
    assert forecast(given, PERSONAS, 4).least.cost is None
    priced = given.updated({"prices": {"m": {"input": 1.0, "output": 10.0}}}, source="test")
    assert (forecast(priced, PERSONAS, 4).least.cost or 0) > 0


def test_the_run_of_the_paper() -> None:
    """3,310 personas, ten turns; user, inducer, two assistants, and a judge of both orders."""
    ahead = forecast(config(turns=10), PERSONAS, 3310)
    assert ahead.least.calls == 3310 * 10 * 6
    assert "198,600 calls" in ahead.line()
    assert "a guess from the settings" in ahead.line()


def hosted(**more: Any) -> Config:
    return config("openai:m", turns=2).updated(more, source="test")


def test_money_comes_from_the_price_table() -> None:
    assert forecast(hosted(), PERSONAS, 4).least.cost is None
    assert "unknown cost" in forecast(hosted(), PERSONAS, 4).line()
    priced = forecast(hosted(prices={"m": Price(input=1.0, output=10.0)}), PERSONAS, 4).least
    expected = (priced.input_tokens * 1.0 + priced.output_tokens * 10.0) / 1e6
    assert priced.cost == pytest.approx(expected, rel=1e-3)
    assert forecast(config(turns=2), PERSONAS, 4).least.cost == 0.0


PRICED = {"prices": {"m": Price(input=1e3, output=1e4)}}


def test_batches_cost_half_and_take_a_round_for_each_call_that_waits_for_another() -> None:
    direct = forecast(hosted(**PRICED), PERSONAS, 4)
    batched = forecast(hosted(**PRICED, limits={"batch": True}), PERSONAS, 4)
    assert batched.least.batched == pytest.approx(batched.least.cost / 2)  # type: ignore[operator]
    assert batched.least.rounds == 2 * 4  # two turns: user, inducer, assistants, judge
    whole, half = f"${direct.least.cost:,.2f}", f"${batched.least.batched:,.2f}"
    rounds = "8 rounds of at most 24 h each, usually minutes to an hour"
    assert f"{half} in batches ({whole} without), {rounds} (" in batched.line()
    assert f"; with --batch {half}, {rounds})" in direct.line()


@pytest.mark.parametrize(
    ("changes", "rounds"),
    [
        ({"limits.batch_trees": 3}, 16),
        ({"judge.use": "my:judge"}, 6),
        ({"models.user.model": "scripted:a:b"}, 6),
        ({"models.user.model": "openai:m@http://h/v1"}, 8),
    ],
)
def test_only_what_goes_in_batches_takes_rounds(changes: dict[str, Any], rounds: int) -> None:
    own = hosted(**PRICED, limits={"batch": True}).updated(changes, source="test")
    assert forecast(own, PERSONAS, 4).least.rounds == rounds


@pytest.mark.parametrize(("rules", "turn"), [(True, 1), (False, 2)])
def test_users_and_judges_that_are_rules_take_no_rounds(rules: bool, turn: int) -> None:
    changes = {"user.disclosure": "answering", "judge.rules": rules}
    own = hosted(limits={"batch": True}).updated(changes, source="test")
    assert forecast(own, [generate(5)], 1).least.rounds == 2 * turn
    assert forecast(own, [generate(5), PERSONAS[0]], 2).least.rounds == 2 * 4


@pytest.mark.parametrize("batch", [True, False])
def test_nothing_is_said_of_batches_where_no_call_goes_in_one(batch: bool) -> None:
    by_rule = {"user.disclosure": "answering", "models.user.model": "openai:m"}
    own = config().updated({**PRICED, "limits.batch": batch, **by_rule}, source="test")
    ahead = forecast(own, [generate(5)], 1)
    assert ahead.least.rounds == 0
    assert "batch" not in ahead.line()
    assert "batch" in forecast(own, PERSONAS, 4).line()


def test_batches_are_offered_where_they_are_known_to_be() -> None:
    assert "--batch" not in forecast(config("openai:m@http://h/v1"), PERSONAS, 4).line()
    assert "--batch" not in forecast(config(), PERSONAS, 4).line()


def test_calls_of_the_run_say_what_a_call_takes() -> None:
    roles = ("user", "inducer", "a0", "a1", "judge")
    measured = {
        role: RoleUsage(calls=2, input_tokens=20, output_tokens=4, seconds=2) for role in roles
    }
    ahead = forecast(config(turns=2, concurrency=2), PERSONAS, 4, measured)
    assert (ahead.least.calls, ahead.least.input_tokens, ahead.least.output_tokens) == (48, 480, 96)
    assert ahead.least.seconds == 4 * 2 * 5 / 2  # one of the two assistants waits for nobody
    assert "at the rates of this run so far" in ahead.line()
    half = forecast(config(turns=2), PERSONAS, 4, measured, answered=24).least
    assert (half.calls, half.input_tokens) == (24, 240)
    further = forecast(config(turns=2), PERSONAS, 4, measured, starts=[BEGUN] * 4).least
    assert further.calls == 24


def test_a_cap_a_minute_makes_it_longer() -> None:
    slow = hosted(limits={"requests_per_minute": 1})
    assert forecast(slow, PERSONAS, 4).least.seconds == 48 * 60


def test_it_sees_the_end_of_the_budget_coming() -> None:
    ahead = forecast(config(turns=2), PERSONAS, 4)
    assert ahead.exceeds(BudgetConfig(max_calls=47), Spent())
    assert not ahead.exceeds(BudgetConfig(max_calls=48), Spent())
    assert ahead.exceeds(BudgetConfig(max_calls=48), Spent(calls=1))
    assert ahead.exceeds(BudgetConfig(max_tokens=10), Spent())


def test_a_budget_of_batches_is_one_of_their_prices() -> None:
    ahead = forecast(hosted(**PRICED, limits={"batch": True}), PERSONAS, 4)
    whole, half = ahead.least.cost or 0, ahead.least.batched or 0
    cap = BudgetConfig(max_cost=(whole + half) / 2)
    assert not ahead.exceeds(cap, Spent())
    assert ahead.exceeds(cap, Spent(cost=whole - half))
    assert forecast(hosted(**PRICED), PERSONAS, 4).exceeds(cap, Spent())


def test_earlier_parts_of_a_run_that_has_not_begun(tmp_path: Any) -> None:
    assert History.of(tmp_path / "events.jsonl", {}) == History()
