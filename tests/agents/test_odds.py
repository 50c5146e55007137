"""No label comes from a tail, and none is lost to the way in which a letter is spelt."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders import comparison, scripted_model
from langchain_core.messages import AIMessage
from voting import BAD, FLOOR, GOOD, OPENING, good_is, judged, other, rated, raw, said

from aloe.agents.judge import PreferenceJudge
from aloe.calls.log import CallLog


def thinker(written: Callable[[str, int], str], tail: Callable[[str], float]) -> Callable[..., Any]:
    """Return a judge whose first token is `<think>`; letters are left a tail.

    Args:
        written: what it says, given the letter of the good reply and `max_tokens`.
        tail: log-probability of a letter.
    """

    def script(messages: Any, arguments: Any) -> AIMessage:
        text = written(good_is(messages), arguments.get("max_tokens") or 8)
        first = {"<think>": 1 - 1e-6, **{each: math.exp(tail(each)) for each in "AB"}}
        listed = [first] if arguments.get("logprobs") else []
        roomy = (arguments.get("max_tokens") or 8) > 1000
        return said(text, *listed, finish="stop" if roomy else "length")

    return script


@pytest.mark.parametrize("number", range(20))
def test_no_label_comes_from_the_letters_behind_a_thought(number: int) -> None:
    def tail(letter: str) -> float:
        return -18 + (0.1 + number / 10) * (1 if letter == "AB"[number % 2] else -1)

    verdict, events = judged(thinker(lambda _letter, _room: "<think>", tail))
    assert (verdict.outcome, verdict.margin) == ("abstain", None)
    assert [vote.choice for vote in verdict.votes] == [None, None]
    assert all(vote.mass and vote.mass < 1e-6 for vote in verdict.votes)
    assert [event.outcome for event in events] == ["truncated", "unreadable"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        "<think>\nA is dry, B is a list.\n</think>\n\n{}",
        "A is dry, B is a list.</think>{}",  # the template had opened the thoughts
        "<think>Is it A?</think><think>Or B?</think>**{}**",
        "[THINK]A or B?[/THINK]Answer: {}",
        "<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>final<|message|>{}",
        "analysisWe choose A or B.assistantfinal{}",
        "{}",  # the server took the thoughts out and left their log-probabilities
    ],
)
def test_a_judge_that_thinks_gets_room_and_is_read_behind_its_thoughts(answer: str) -> None:
    rooms: list[int | None] = []

    def written(letter: str, room: int) -> str:
        rooms.append(room)
        whole = answer.format(letter)
        return whole if room > 1000 else "" if answer == "{}" else whole[: room + 8]

    verdict, events = judged(thinker(written, lambda _letter: -18.0))
    assert (verdict.outcome, verdict.margin) == ("first", None)
    assert [vote.raw for vote in verdict.votes] == [answer.format("A"), answer.format("B")]
    assert all(vote.mass and vote.mass < 1e-6 for vote in verdict.votes)
    assert max(rooms) >= 2048
    assert {event.outcome for event in events} == {"truncated", "ok"}


def test_a_judge_that_only_rambles_gets_no_room_to_think() -> None:
    """As the embedded model does: it was near an answer, and says something else."""
    rooms: list[int | None] = []

    def script(_messages: Any, arguments: Any) -> AIMessage:
        rooms.append(arguments.get("max_tokens"))
        return said("User A is", {"User": 0.3, "A": 0.2, "B": 0.1}, finish="length")

    verdict, events = judged(script)
    assert verdict.outcome == "abstain"
    assert rooms == [1, None] * 2
    assert [event.outcome for event in events] == ["truncated", "unreadable"] * 2


def test_a_judge_with_room_of_its_own_is_given_it() -> None:
    def script(_messages: Any, arguments: Any) -> AIMessage:
        rooms.append(arguments.get("max_tokens"))
        return said("<think>", finish="length")

    rooms: list[int | None] = []
    for settings, wanted in (
        ({"max_tokens": 8}, [1, 2048]),
        ({"max_tokens": 9000}, [1, None]),  # None: the settings count
        ({"max_tokens": 8, "logprobs": False}, [None, 2048]),
        ({"max_tokens": 9000, "logprobs": False}, [None]),
    ):
        rooms.clear()
        model = scripted_model(script, **settings)
        judge = PreferenceJudge(model=model, calls=CallLog(), min_margin=0.05)
        assert asyncio.run(judge.compare(comparison(OPENING, GOOD, BAD))).outcome == "abstain"
        assert rooms == wanted * 2


def test_a_model_that_takes_no_arguments_is_asked_once() -> None:
    asked: list[dict[str, Any]] = []

    def script(_messages: Any, arguments: Any) -> str:
        asked.append(arguments)
        return "<think>"

    model = replace(scripted_model(script), openai_compatible=False)
    judge = PreferenceJudge(model=model, calls=CallLog(), min_margin=0.05)
    assert asyncio.run(judge.compare(comparison(OPENING, GOOD, BAD))).outcome == "abstain"
    assert asked == [{}, {}]


def test_a_likely_tie_is_a_tie() -> None:
    def script(messages: Any, _: Any) -> AIMessage:
        good = good_is(messages)
        return said("TIE", {"TIE": 0.98, good: 0.015, other(good): 0.001})

    verdict, _ = judged(script)
    assert verdict.outcome == "tie"
    assert [vote.choice for vote in verdict.votes] == ["tie", "tie"]
    assert verdict.margin == pytest.approx(math.log(0.505 / 0.491))  # once ln 15


@pytest.mark.parametrize("tie", [0.04, 0.08, 0.13])
@pytest.mark.parametrize("token", ["T", "TIE", " Tie", "ti"])
def test_ties_count_for_either_side_where_one_letter_is_liked(tie: float, token: str) -> None:
    """A small judge says A to everything, with some probability of a tie."""

    def script(messages: Any, _: Any) -> AIMessage:
        b = 0.02 if good_is(messages) == "B" else 0.01
        return said("A", {"A": 1 - tie - b, "B": b, token: tie})

    verdict, _ = judged(script)
    low, high = (math.log((1 - tie / 2 - b) / (b + tie / 2)) for b in (0.02, 0.01))
    assert verdict.margin == pytest.approx((high - low) / 2)
    assert 0 < verdict.margin < math.log(2) / 2  # what it was without the tie
    assert verdict.outcome == ("first" if verdict.margin >= 0.05 else "abstain")


@pytest.mark.parametrize("nothing", [-9999.0, -3.4e38, -math.inf, -30.0, -(10**400)])
def test_margins_are_bounded(nothing: float) -> None:
    def script(messages: Any, _: Any) -> AIMessage:
        good = good_is(messages)
        top = [{"token": good, "logprob": 0.0}, {"token": other(good), "logprob": nothing}]
        return raw(good, {"content": [{**top[0], "top_logprobs": top}]})

    verdict, _ = judged(script)
    assert (verdict.outcome, verdict.margin) == ("first", pytest.approx(-FLOOR))


@pytest.mark.parametrize(
    "spelt",
    ["a", "ĠA", "▁A", " A", "\nA", "**A", '"A', "A.", "[A", "(A)", "_A_", "“A”", "Ａ", "ĊA"],  # noqa: RUF001
)
def test_a_letter_is_that_letter_however_it_is_spelt(spelt: str) -> None:
    def script(messages: Any, _: Any) -> AIMessage:
        b = spelt.replace("A", "B").replace("a", "b").replace("Ａ", "Ｂ")  # noqa: RUF001
        good = 0.6 if good_is(messages) == "A" else 0.3
        listed = {spelt: good, b: 0.9 - good, "A": 0.02, "B": 0.02, "The": 0.01}
        return said(max(listed, key=lambda t: listed[t]), listed)

    verdict, events = judged(script)
    assert verdict.outcome == "first"
    assert verdict.margin == pytest.approx(math.log(0.62 / 0.32))
    assert [vote.mass for vote in verdict.votes] == [pytest.approx(0.94)] * 2
    assert len(events) == 2


@pytest.mark.parametrize("opening", ["[", "\n", "**", '"', "Ġ", "Ċ", " ", "```"])
def test_an_answer_behind_a_mark_is_read_where_it_stands(opening: str) -> None:
    def script(messages: Any, arguments: Any) -> AIMessage:
        good = good_is(messages)
        wrong = {opening: 0.97, good: 0.001, other(good): 0.02}  # a tail that says the contrary
        if arguments.get("max_tokens") == 1:
            return said(opening, wrong, finish="length")
        return said(f"[{good}]", wrong, {good: 0.8, other(good): 0.1}, {"]": 1.0})

    verdict, events = judged(script)
    assert (verdict.outcome, verdict.margin) == ("first", pytest.approx(math.log(8)))
    assert [vote.mass for vote in verdict.votes] == [pytest.approx(0.9)] * 2
    assert [event.outcome for event in events] == ["truncated", "ok"] * 2


def test_several_letters_that_begin_no_answer_are_words() -> None:
    listed = {"The": 0.5, "As": 0.2, "Both": 0.2, "Time": 0.05, "AB": 0.05}
    verdict, _ = judged(lambda _m, _a: said("The", listed))
    assert [vote.choice for vote in verdict.votes] == [None, None]
    assert [vote.mass for vote in verdict.votes] == [0.0, 0.0]


@pytest.mark.parametrize("mass", [1e-6, 0.1, 0.49])
def test_odds_of_a_small_mass_are_not_read(mass: float) -> None:
    def script(messages: Any, _: Any) -> AIMessage:
        good = good_is(messages)
        listed = {"Well": 1 - mass, good: mass * 0.9, other(good): mass * 0.1}
        return said("Well", listed)

    verdict, _ = judged(script)
    assert (verdict.outcome, verdict.margin) == ("abstain", None)
    assert all(vote.logprobs is None for vote in verdict.votes)
    assert judged(script, min_mass=0.0)[0].outcome == "first"


def test_a_small_mass_leaves_the_text() -> None:
    def script(messages: Any, _: Any) -> AIMessage:
        good = good_is(messages)
        return said(good, {good: 0.3, "The": 0.29, "User": 0.2, other(good): 0.05})

    verdict, _ = judged(script)
    assert (verdict.outcome, verdict.margin) == ("first", None)
    assert [vote.mass for vote in verdict.votes] == [pytest.approx(0.35)] * 2


@pytest.mark.parametrize("sure", [0.0, -0.1])
@pytest.mark.parametrize(("second", "outcome"), [("B", "first"), ("A", "abstain")])
def test_where_only_the_chosen_token_is_listed_both_orders_have_to_agree(
    second: str, outcome: str, sure: float
) -> None:
    def script(messages: Any, _: Any) -> AIMessage:
        first = good_is(messages) == "A"
        word, logprob = ("A", sure) if first else (second, math.log(0.6))
        return raw(word, {"content": [{"token": word, "logprob": logprob}]})

    verdict, _ = judged(script)
    assert verdict.outcome == outcome
    left = math.log(1 - math.exp(sure)) if sure else FLOOR
    wanted = (sure - left + math.log(1.5)) / 2  # the least that what is left allows
    assert verdict.margin == pytest.approx(wanted if outcome == "first" else 0.0)
    assert [vote.unlisted for vote in verdict.votes] == [("B",), (other(second),)]


def test_an_unlisted_letter_gives_no_label_by_what_it_could_have_been() -> None:
    """A judge that says A in both orders; B is not among the tokens listed in either."""

    def script(messages: Any, _: Any) -> AIMessage:
        rest = 1e-7 if good_is(messages) == "A" else 1e-4
        return said("A", {"A": 0.9998, "The": rest})

    verdict, _ = judged(script)
    assert (verdict.outcome, verdict.margin) == ("abstain", 0.0)  # once first, by 3.45


def test_an_unlisted_letter_is_bounded_by_what_is_left() -> None:
    verdict, _ = judged(lambda _m, _a: raw("A", {"content": [{"token": "A", "logprob": -0.01}]}))
    a, b = verdict.votes[0].logprobs or (0, 0)
    assert (a, math.exp(b)) == (-0.01, pytest.approx(1 - math.exp(-0.01)))


def test_no_rating_comes_from_a_tail() -> None:
    tail = {level: 1e-9 * (1 + int(level)) for level in "12345"}

    def script(_messages: Any, arguments: Any) -> AIMessage:
        if arguments.get("max_tokens") == 1:
            return said("<think>", {"<think>": 0.999, **tail}, finish="length")
        return said("<think>I would say 4 or 5.</think>2")

    rating, events = rated(script)
    assert (rating.value, rating.raw[-1]) == (2.0, "2")
    assert rating.mass == pytest.approx(sum(tail.values()))
    assert [event.outcome for event in events] == ["truncated", "ok"]


@pytest.mark.parametrize("form", ["{}", "Ġ{}", "▁{}", "**{}", "{}/", "[{}", "{}."])
def test_digits_are_digits_however_they_are_spelt(form: str) -> None:
    shares = {"1": 0.1, "3": 0.2, "5": 0.6}
    listed = {form.format(digit): share for digit, share in shares.items()}
    rating, _ = rated(lambda _m, _a: said("5", {**listed, "10": 0.05}))
    assert rating.mass == pytest.approx(0.9)
    assert rating.value == pytest.approx((0.1 + 0.6 + 3.0) / 0.9)
