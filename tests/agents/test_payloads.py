"""Whatever a server sends for log-probabilities costs no more than the odds of that reply."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from voting import FLOOR, good_is, judged, rated, raw

from aloe.schema import Verdict

TOP = {"token": "A", "logprob": -0.01}
MALFORMED: list[Any] = [
    {"content": [None]},
    {"content": [{"token": "A", "logprob": None, "top_logprobs": None}]},
    {"content": [{"token": "A", "logprob": "-0.1", "top_logprobs": [None, "A", 3]}]},
    {"content": [{"top_logprobs": [{"token": "A"}, {"logprob": -0.1}]}]},
    {"content": [{"token": None, "top_logprobs": [{"token": 5, "logprob": -0.1}]}]},
    {"content": [{"top_logprobs": [{"token": "A", "logprob": True}]}]},
    {"content": [{"top_logprobs": [{"token": "A", "logprob": 10**400}]}]},
    {"content": {"0": TOP}},
    {"content": "A"},
    {"content": [[TOP]]},
    {"content": [[[[[[[[[[]]]]]]]]]]},
    {"tokens": ["A"], "token_logprobs": [-0.1]},
    {"content": [{"top_logprobs": [{"token": t, "logprob": 0.0} for t in "AB"]}]},
    [TOP],
    "logprobs",
    7,
]


@pytest.mark.parametrize("logprobs", MALFORMED, ids=str)
def test_malformed_log_probabilities_leave_the_text(logprobs: Any) -> None:
    verdict, events = judged(lambda m, _: raw(good_is(m), logprobs))
    assert (verdict.outcome, verdict.margin) == ("first", None)
    assert [event.outcome for event in events] == ["ok", "ok"]
    rating, _ = rated(lambda _m, _a: raw("4", logprobs))
    assert rating.value == 4


def test_what_is_malformed_in_a_listing_leaves_the_rest() -> None:
    usable = [("A", math.log(0.8)), ("B", math.log(0.1)), ("\ud800", -9.0), ("B", None)]
    top = [None, [], *({"token": token, "logprob": value} for token, value in usable)]
    verdict, _ = judged(lambda _m, _a: raw("A", {"content": [{"top_logprobs": top}]}))
    assert verdict.votes[0].logprobs == pytest.approx((math.log(0.8), math.log(0.1)))


def test_alternatives_by_token_are_read_as_well() -> None:
    place = {"token": "A", "logprob": -0.2, "top_logprobs": {"A": -0.2, "B": -2.0}}
    verdict, _ = judged(lambda _m, _a: raw("A", {"content": [place]}))
    assert verdict.votes[0].logprobs == (-0.2, -2.0)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
tokens = (
    st.sampled_from(
        ["A", "B", "TIE", " A", "ĠB", "b", "T", "<think>", "[", "\n", "The", "", "1", "4"]
    )
    | st.text(max_size=3)
    | json
)
numbers = (
    st.floats(-25, 0)
    | st.floats()
    | st.sampled_from([-9999.0, -3.4e38, 0.0, -0.0, 1e-7, 10**400, -(10**400), None, "-1"])
    | json
)
entries = st.fixed_dictionaries({}, optional={"token": tokens, "logprob": numbers}) | json
places = st.fixed_dictionaries(
    {},
    optional={
        "token": tokens,
        "logprob": numbers,
        "top_logprobs": st.lists(entries, max_size=6)
        | st.dictionaries(st.text(max_size=2), numbers)
        | json,
    },
)
payloads = st.fixed_dictionaries({"content": st.lists(places | json, max_size=3) | json}) | json
texts = st.sampled_from(
    ["A", "B", "TIE", "", "<think>", "<think>x</think>B", "[", "The", "4", "a."]
)


@given(
    st.lists(st.tuples(texts, payloads), min_size=2, max_size=2), st.sampled_from([0.0, 0.5, 0.9])
)
def test_whatever_a_server_sends_no_label_comes_from_noise(
    replies: list[tuple[str, Any]], min_mass: float
) -> None:
    def script(messages: Any, _: Any) -> AIMessage:
        return raw(*replies[good_is(messages) == "A"])

    verdict, events = judged(script, min_mass=min_mass)
    assert len(verdict.votes) == 2
    assert all(event.outcome in ("ok", "truncated", "unreadable") for event in events)
    for vote in verdict.votes:
        assert vote.mass is None or 0 <= vote.mass <= 1
        if vote.logprobs:
            assert vote.mass is not None
            assert vote.mass >= min_mass
            assert all(FLOOR <= each <= 0 for each in vote.logprobs)
        elif vote.choice:
            assert vote.raw in ("A", "B", "TIE", "a.", "<think>x</think>B")
    if verdict.preferred and verdict.margin is None:  # by the text, in both orders
        assert {vote.choice for vote in verdict.votes} == {verdict.outcome}
    if verdict.margin is not None:
        assert math.isfinite(verdict.margin)
        assert abs(verdict.margin) <= -FLOOR + 1e-9
        assert verdict.preferred is None or abs(verdict.margin) >= 0.05
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@given(texts, payloads)
def test_whatever_a_server_sends_no_rating_comes_from_noise(text: str, logprobs: Any) -> None:
    rating, _ = rated(lambda _m, _a: raw(text, logprobs))
    assert rating.value is None or 1 - 1e-9 <= rating.value <= 5 + 1e-9
    if rating.value is not None and text != "4":
        assert rating.mass is not None
        assert rating.mass >= 0.5
