import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, assistant, scripted_model, user
from hypothesis import given
from hypothesis import strategies as st

from aloe.agents.rating import PointwiseJudge, Rating, read_rating
from aloe.agents.scripted import reply as scripted
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import MIN_MASS, Config
from aloe.models.open import Reply
from aloe.models.words import RATING

OPENING = user("I hate lists. What is tea?")
REPLY = assistant("A plant, dried.", OPENING)


def rate(
    script: Callable[..., Any], *, text: str = REPLY.content, logprobs: bool = True
) -> tuple[Rating, list[Event]]:
    events: list[Event] = []
    judge = PointwiseJudge(
        model=scripted_model(script, logprobs=logprobs), calls=CallLog(on_event=events.append)
    )
    reply = assistant(text, OPENING)
    return asyncio.run(judge.rate(PERSONAS[0], "t", [], OPENING, reply)), events


def answered(text: str, **logprobs: float) -> Reply:
    return Reply(
        text=text,
        finish="stop",
        input_tokens=1,
        cached_tokens=0,
        output_tokens=1,
        logprobs={key.lstrip("_"): math.log(p) for key, p in logprobs.items()} or None,
    )


def read(reply: Reply) -> Rating:
    return read_rating(RATING.read(reply, MIN_MASS))


def test_settings_describe_the_judge_and_its_share_is_of_the_scale(tmp_path: Path) -> None:
    own = tmp_path / "score.md"
    own.write_text("## user\n{persona} {history} {message} {reply}")
    config = Config.model_validate({"prompts": {"judge_score": own}, "judge": {"min_mass": 0.25}})
    model = scripted_model(lambda messages, _: "4" if REPLY.content in messages[-1].text else "?")
    judge = PointwiseJudge.of(config, model, CallLog())
    assert (judge.prompt.path, judge.min_mass) == (own, 0.25)

    def share(text: str) -> float | None:
        reply = assistant(text, OPENING)
        return asyncio.run(judge.share(PERSONAS[0], "t", [], OPENING, reply))

    assert [share(REPLY.content), share("No."), share("")] == [0.75, None, 0.0]


def test_the_judge_sees_persona_message_and_reply_and_one_token_is_asked_for() -> None:
    seen: list[Any] = []

    def script(messages: Any, arguments: Any) -> str:
        seen.append(("\n".join(m.text for m in messages), arguments))
        return "4"

    rating, events = rate(script)
    assert (rating.value, rating.mass, rating.raw) == (4.0, None, "4")
    (prompt, arguments) = seen[0]
    for text in (PERSONAS[0].profile, PERSONAS[0].personality, OPENING.content, REPLY.content):
        assert text in prompt
    assert (arguments["max_tokens"], arguments["logprobs"]) == (1, True)
    assert [(event.node, event.outcome) for event in events] == [(REPLY.id, "ok")]


def test_the_expected_digit_is_finer_than_the_digit() -> None:
    rating = read(answered("4", _3=0.2, _4=0.6, _5=0.1, the=0.1))
    assert rating.value == pytest.approx((0.6 + 2.4 + 0.5) / 0.9)
    assert rating.mass == pytest.approx(0.9)


@pytest.mark.parametrize("text", ["4", " 4.", "4/5", "Score: 4", "**4**", "rating 4 / 5"])
def test_readable_answers(text: str) -> None:
    assert read(answered(text)).value == 4


@pytest.mark.parametrize("text", ["", "0", "6", "45", "4.5", "four", "4 or 5", "I give it a 4"])
def test_what_cannot_be_read_has_no_rating(text: str) -> None:
    assert read(answered(text)).value is None


def test_the_unreadable_is_counted() -> None:
    rating, events = rate(lambda _m, _a: "Good!")
    assert rating.value is None
    assert [event.outcome for event in events] == ["truncated", "unreadable"]


def test_log_probabilities_without_a_digit_leave_the_text() -> None:
    assert read(answered("5", the=0.5)).value == 5
    assert read(answered("well", the=0.5)).value is None


def test_an_empty_reply_has_no_rating_and_costs_no_call() -> None:
    assert rate(scripted, text="") == (Rating(value=None), [])


def test_the_scripted_judge_rates_what_takes_up_the_users_words() -> None:
    assert rate(scripted)[0].value == 1
    assert rate(scripted, text="As you mend bicycles in Porto, try mate.")[0].value == 4


@given(st.dictionaries(st.sampled_from("12345"), st.floats(1e-6, 1), min_size=1))
def test_an_expected_digit_lies_between_the_digits(shares: dict[str, float]) -> None:
    whole = sum(shares.values())
    rating = read(answered("x", **{f"_{level}": p / whole for level, p in shares.items()}))
    assert rating.value is not None
    assert rating.mass == pytest.approx(1)
    low, high = int(min(shares)), int(max(shares))
    assert low - 1e-9 <= rating.value <= high + 1e-9
