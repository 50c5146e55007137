import numpy as np
import pytest
from learners import cases
from rows import table

from aloe.benchmark.cases import load_cases
from aloe.benchmark.dialogues import plan
from aloe.benchmark.forecast import PlayedPart, forecast
from aloe.benchmark.suite_result import compute_suite
from aloe.benchmark.swaps import assign_stand_ins
from aloe.config import Config, validate

SUITE = load_cases("aloe-100")
SWAPS = assign_stand_ins(SUITE)


def config(**given: object) -> Config:
    roles = {"user": "openai:u", "judge": "openai:j", "panel": ["openai:k"]}
    raw = {"models": roles, "benchmark": {"candidate": "openai:c"}, **given}
    return validate(Config, raw, source="test")


def test_calls_are_counted_exactly() -> None:
    planned = {name: plan(SUITE, SWAPS, 3, name) for name in ("candidate", "ceiling")}
    ahead = forecast(config(), planned)
    assert ahead.dialogues == 600
    assert ahead.calls == {"candidate": 6600, "user": 6000, "judge": 12000, "judge2": 12000}


def test_what_is_there_is_not_ahead() -> None:
    planned = {"candidate": plan(SUITE[:2], SWAPS, 1, "candidate")}
    whole = forecast(config(), planned)
    done, begun = (each.dialogue.id for each in planned["candidate"])
    answered = {(begun, "candidate", "openai:c"): 4, (begun, "judge", "openai:k"): 50}
    left = forecast(
        config(), planned, None, None,
        {"candidate": PlayedPart(finished={done}, answered=answered)},
    )  # fmt: skip
    assert whole.calls == {"candidate": 22, "user": 20, "judge": 40, "judge2": 40}
    assert (left.dialogues, left.calls) == (
        1, {"candidate": 7, "user": 10, "judge": 20, "judge2": 0},
    )  # fmt: skip
    assert 0 < left.output_tokens < whole.output_tokens / 2
    assert (left.clusters, left.detectable) == (whole.clusters, whole.detectable)
    nothing = forecast(config(), planned, played={"candidate": PlayedPart(finished={done, begun})})
    assert (nothing.dialogues, set(nothing.calls.values()), nothing.rounds) == (0, {0}, 0)


@pytest.mark.parametrize("answered", [0, 10, 20, 30, 40, 50])
def test_an_answer_counts_for_one_judge(answered: int) -> None:
    planned = {"candidate": plan(SUITE[:1], SWAPS, 1, "candidate")}
    panel = [{"model": "openai:j", "temperature": 1.0}]
    judged = config(models={"user": "openai:u", "judge": "openai:j", "panel": panel})
    key = planned["candidate"][0].dialogue.id, "judge", "openai:j"
    played = {"candidate": PlayedPart(answered={key: answered})}
    for _ in range(2):
        left = forecast(judged, planned, played=played).calls
        assert left["judge"] + left["judge2"] == max(0, 40 - answered)


def test_rules_cost_nothing() -> None:
    ahead = forecast(
        config(), {"candidate": plan(cases(), assign_stand_ins(cases()), 1, "candidate")}
    )
    assert ahead.calls == {"candidate": 99}


def test_cost_follows_the_prices_and_is_unknown_without_them() -> None:
    planned = {"candidate": plan(SUITE[:1], SWAPS, 1, "candidate")}
    assert forecast(config(), planned).cost is None
    prices = {name: {"input": 1.0, "output": 1.0} for name in "ucjk"}
    ahead = forecast(config(prices=prices), planned)
    assert ahead.cost == pytest.approx((ahead.input_tokens + ahead.output_tokens) / 1e6)
    dearer = {**prices, "c": {"input": 1.0, "output": 3.0}}
    more = forecast(config(prices=dearer), planned).cost
    assert more == pytest.approx(ahead.cost + 2 * 11 * 120 / 1e6)


def test_more_users_detect_less_and_more_seeds_do_not() -> None:
    few, many, again = (
        forecast(config(), {"candidate": plan(SUITE[:limit], SWAPS, seeds, "candidate")})
        for limit, seeds in ((20, 1), (100, 1), (20, 5))
    )
    assert many.detectable["aloe-100"] < few.detectable["aloe-100"] == again.detectable["aloe-100"]
    assert many.clusters["aloe-100"] == 20
    assert "assumed" in many.prior


def test_an_earlier_run_knows_better() -> None:
    planned = {"candidate": plan(SUITE, SWAPS, 1, "candidate")}
    levels, others = np.random.default_rng(1).normal(3, 0.01, (2, 12, 10))
    earlier = {"aloe-100": compute_suite(table(levels, others - 1))}
    ahead = forecast(config(), planned, earlier=earlier)
    assert ahead.prior == "an earlier run"
    assert ahead.detectable["aloe-100"] < 0.05
    for useless in (
        {"verifiable": earlier["aloe-100"]},
        {"aloe-100": compute_suite(table(levels))},
    ):
        assert forecast(config(), planned, earlier=useless) == forecast(config(), planned)
    mixed = [*planned["candidate"], *plan(cases(), assign_stand_ins(cases()), 1, "candidate")]
    both = forecast(config(), {"candidate": mixed}, earlier=earlier)
    assert both.prior.startswith("an earlier run or, where that lacks it, an assumed spread")


def test_too_few_users_detect_nothing() -> None:
    planned = {"candidate": plan(SUITE[:4], SWAPS, 1, "candidate")}
    assert forecast(config(), planned).detectable == {}
