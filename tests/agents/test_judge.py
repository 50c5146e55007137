import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from builders import PERSONAS, assistant, comparison, scripted_model, user
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from aloe.agents.judge import Order, PreferenceJudge, decide, read_vote
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import MIN_MASS
from aloe.models.open import Reply
from aloe.models.words import COMPARISON
from aloe.schema import Verdict, Vote

OPENING = user("I hate lists. What is tea?")
GOOD = assistant("A plant, dried.", OPENING, agent="good")
BAD = assistant("- a leaf\n- a drink", OPENING, agent="bad")


def listing(liking: float) -> dict[str, float]:
    """Return log-probabilities of A and B, and of nothing else, whose difference is `liking`."""
    return {"A": -math.log1p(math.exp(-liking)), "B": -math.log1p(math.exp(liking))}


def logprob_answer(liking: float) -> AIMessage:
    top = [{"token": t, "logprob": p, "bytes": None} for t, p in listing(liking).items()]
    return AIMessage("A", response_metadata={"logprobs": {"content": [{"top_logprobs": top}]}})


def compare(
    script: Callable[..., Any],
    *,
    first: Any = GOOD,
    second: Any = BAD,
    min_margin: float = 0.1,
    logprobs: bool = True,
) -> tuple[Verdict, list[Event]]:
    events: list[Event] = []
    judge = PreferenceJudge(
        model=scripted_model(script, logprobs=logprobs),
        calls=CallLog(on_event=events.append),
        min_margin=min_margin,
    )
    verdict = asyncio.run(judge.compare(comparison(OPENING, first, second)))
    return verdict, events


def shown_as(prompt: str, reply: str) -> str:
    """Return the letter under which `reply` stands in the judge's prompt."""
    return "A" if f"[A] {reply}" in prompt else "B"


def honest(messages: Any, _arguments: Any) -> str:
    return shown_as(messages[-1].text, GOOD.content)


def biased(margin: float) -> Callable[..., AIMessage]:
    """Return a judge that likes GOOD by `margin`, and A by far more in any case."""

    def script(messages: Any, _arguments: Any) -> AIMessage:
        liking = margin if shown_as(messages[-1].text, GOOD.content) == "A" else -margin
        return logprob_answer(3.0 + liking)

    return script


def test_both_orders_are_shown_with_persona_conversation_and_message() -> None:
    prompts: list[str] = []

    def script(messages: Any, _arguments: Any) -> str:
        prompts.append("\n".join(m.text for m in messages))
        return "A"

    compare(script)
    assert len(prompts) == 2
    for prompt in prompts:
        for text in (PERSONAS[0].profile, PERSONAS[0].personality, OPENING.content):
            assert text in prompt
    assert {shown_as(prompt, GOOD.content) for prompt in prompts} == {"A", "B"}


def test_an_honest_judge_prefers_the_better_wherever_it_stands() -> None:
    verdict, _ = compare(honest)
    assert (verdict.outcome, verdict.preferred, verdict.margin) == ("first", GOOD.id, None)
    verdict, _ = compare(honest, first=BAD, second=GOOD)
    assert (verdict.outcome, verdict.preferred, verdict.rejected) == ("second", GOOD.id, BAD.id)


def read(reply: Reply, order: Order) -> Vote:
    return read_vote(COMPARISON.read(reply, MIN_MASS), order, judge="j")


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_judge_that_always_says_one_letter_abstains(letter: str) -> None:
    verdict, events = compare(lambda _m, _a: letter)
    assert verdict.outcome == "abstain"
    assert verdict.preferred is verdict.rejected is None
    assert [vote.choice for vote in verdict.votes] in (["first", "second"], ["second", "first"])
    assert [event.outcome for event in events] == ["ok", "ok"]


def test_with_log_probabilities_a_constant_bias_cancels() -> None:
    verdict, _ = compare(biased(0.5))
    assert verdict.outcome == "first"
    assert verdict.margin == pytest.approx(0.5)
    assert {vote.choice for vote in verdict.votes} == {"first", "second"}  # each alone says A
    verdict, _ = compare(biased(0.5), first=BAD, second=GOOD)
    assert (verdict.outcome, verdict.margin) == ("second", pytest.approx(-0.5))


@pytest.mark.parametrize(
    ("liking", "outcome"),
    [(0.0, "abstain"), (0.09, "abstain"), (-0.09, "abstain"), (0.11, "first"), (-0.11, "second")],
)
def test_a_margin_under_the_threshold_is_an_abstention(liking: float, outcome: str) -> None:
    verdict, _ = compare(biased(liking), min_margin=0.1)
    assert verdict.outcome == outcome
    assert verdict.margin == pytest.approx(liking)


def test_no_margin_at_all_is_no_label_whatever_the_threshold() -> None:
    verdict, _ = compare(lambda _m, _a: logprob_answer(3.0), min_margin=0.0)
    assert (verdict.outcome, verdict.margin) == ("abstain", 0.0)  # once the second


@pytest.mark.parametrize(
    "text",
    [
        "Both",
        "Message 1",
        "",
        "first",
        "A or B",
        "A and B",
        "AB",
        "I prefer A",
        "C",
        "1",
        "Neither",
    ],
)
def test_an_unreadable_answer_is_an_abstention_and_counted(text: str) -> None:
    verdict, events = compare(lambda _m, _a: text)
    assert verdict.outcome == "abstain"
    assert [vote.choice for vote in verdict.votes] == [None, None]
    assert [vote.raw for vote in verdict.votes] == [text, text]
    assert [event.outcome for event in events] == ["truncated", "unreadable"] * 2
    _, events = compare(lambda _m, _a: text or " ", logprobs=False)
    assert [event.outcome for event in events] == ["unreadable", "unreadable"]


def test_one_unreadable_answer_is_enough_to_abstain() -> None:
    def script(messages: Any, arguments: Any) -> str:
        letter = honest(messages, arguments)
        return "A" if letter == "A" else "Both"

    assert compare(script)[0].outcome == "abstain"


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("A", "first"),
        (" b.\n", "second"),
        ("[A]", "first"),
        ("**B**", "second"),
        ("Reply A", "first"),
        ("Answer: B", "second"),
        ("'a'", "first"),
        ("TIE", "tie"),
        ("Tie.", "tie"),
    ],
)
def test_readable_answers(text: str, choice: str) -> None:
    reply = Reply(text=text, finish="stop", input_tokens=1, cached_tokens=0, output_tokens=1)
    assert read(reply, "first-second").choice == choice
    mirrored = {"first": "second", "second": "first", "tie": "tie"}[choice]
    assert read(reply, "second-first").choice == mirrored


def test_a_tie_in_both_orders_is_a_tie_and_in_one_is_none() -> None:
    assert compare(lambda _m, _a: "TIE")[0].outcome == "tie"

    def script(messages: Any, arguments: Any) -> str:
        return "TIE" if honest(messages, arguments) == "B" else "A"

    assert compare(script)[0].outcome == "abstain"


def test_identical_replies_tie_without_a_call() -> None:
    verdict, events = compare(honest, second=assistant(GOOD.content, OPENING, agent="bad"))
    assert (verdict.outcome, verdict.votes, events) == ("tie", (), [])


@pytest.mark.parametrize("change", ["{}\n", "\u200b{}", "  {} "])
def test_replies_that_look_alike_tie_without_a_call(change: str) -> None:
    text = change.format(GOOD.content.replace(" ", "\n", 1))
    verdict, events = compare(honest, second=assistant(text, OPENING, agent="bad"))
    assert (verdict.outcome, verdict.votes, events) == ("tie", (), [])


@pytest.mark.parametrize("nothing", ["", "\u200b\u2060"])
@pytest.mark.parametrize("both", [True, False])
def test_an_empty_reply_is_never_compared(both: bool, nothing: str) -> None:
    empty = assistant(nothing, OPENING, agent="bad")
    other = assistant("", OPENING, agent="good") if both else GOOD
    for first, second in ((other, empty), (empty, other)):
        verdict, events = compare(honest, first=first, second=second)
        assert (verdict.outcome, verdict.votes, events) == ("abstain", (), [])


def test_one_token_is_asked_for_where_log_probabilities_are() -> None:
    asked: list[Any] = []

    def script(_messages: Any, arguments: Any) -> str:
        asked.append((arguments.get("max_tokens"), arguments.get("logprobs")))
        return "A"

    compare(script)
    compare(script, logprobs=False)
    assert asked == [(1, True)] * 2 + [(None, None)] * 2


def test_the_two_votes_are_two_samples() -> None:
    seeds: list[int] = []

    def script(_messages: Any, arguments: Any) -> str:
        seeds.append(arguments["seed"])
        return "A"

    compare(script)
    assert len(set(seeds)) == 2


def vote(order: str, liking: float) -> Vote:
    reply = Reply(
        text="A",
        finish="stop",
        input_tokens=1,
        cached_tokens=0,
        output_tokens=1,
        logprobs=listing(liking),
    )
    return read(reply, order)  # type: ignore[arg-type]


odds = st.floats(-20, 20)


@given(odds, odds)
def test_the_margin_is_the_average_of_both_orders(a: float, b: float) -> None:
    outcome, margin = decide((vote("first-second", a), vote("second-first", b)), 0.1)
    assert margin == pytest.approx((a - b) / 2, abs=1e-6)
    mirrored, other = decide((vote("second-first", a), vote("first-second", b)), 0.1)
    assert other == pytest.approx(-margin)
    assert mirrored == {"first": "second", "second": "first"}.get(outcome, outcome)


def test_a_letter_that_is_not_listed_counts_as_the_least_likely_listed() -> None:
    reply = Reply(
        text="A",
        finish="stop",
        input_tokens=1,
        cached_tokens=0,
        output_tokens=1,
        logprobs={"A": -0.1, "The": -4.0, "I": -6.0},
    )
    assert read(reply, "first-second").logprobs == (
        -0.1,
        -6.0,
    )


def test_log_probabilities_without_either_letter_leave_the_text() -> None:
    reply = Reply(
        text="Both",
        finish="stop",
        input_tokens=1,
        cached_tokens=0,
        output_tokens=1,
        logprobs={"Both": -0.1},
    )
    found = read(reply, "first-second")
    assert (found.logprobs, found.choice) == (None, None)


def test_no_vote_is_no_preference() -> None:
    assert decide((), 0.1) == ("abstain", None)
    assert not math.isnan(decide((vote("first-second", 1.0),), 0.1)[1] or 0)
