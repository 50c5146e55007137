import asyncio
import json

import pytest
from builders import PERSONAS, scripted_model, user
from hypothesis import given
from hypothesis import strategies as st

from aloe.agents.inducer import Inducer
from aloe.calls.event import Event
from aloe.calls.log import CallLog

SAID = "I am 40. What is tea? I hate lists."


def induce(answer: str, said: str = SAID) -> tuple[list[str], str]:
    events: list[Event] = []
    model = scripted_model(lambda _messages, _arguments: answer)
    inducer = Inducer(model=model, calls=CallLog(on_event=events.append))
    found = asyncio.run(inducer.induce("t", user(said)))
    return [each.quote for each in found], events[0].outcome


@pytest.mark.parametrize(
    ("answer", "quotes", "outcome"),
    [
        ('{"1": "user", "2": "topic", "3": "user"}', ["I am 40.", "I hate lists."], "ok"),
        ('Sure: {"1": "user", "2": "topic", "3": "topic"} I hope it helps', ["I am 40."], "ok"),
        ('{"1": "topic", "2": "topic", "3": "topic"}', [], "ok"),
        ('```json\n{"1": "User ", "2": "topic", "3": "TOPIC",}\n```', ["I am 40."], "ok"),
        ("{'1': 'topic', '2': 'topic', '3': 'user'}", ["I hate lists."], "ok"),
        ("{1: user, 2: topic, 3: topic}", ["I am 40."], "ok"),
        ('{"1": "user", // age\n"2": "topic", "3": "topic"}', ["I am 40."], "ok"),
        ('{"sentences": {"1": "user", "2": "topic", "3": "topic"}}', ["I am 40."], "ok"),
        ('{"1": "user", "2": "topic"}', [], "unreadable"),
        ('{"9": "user", "0": "user", "x": 1}', [], "unreadable"),
        ('{"1": ["user"], "2": null, "3": "User"}', [], "unreadable"),
        ('{"1": "user", "2": "both", "3": "topic"}', [], "unreadable"),
        ("{}", [], "unreadable"),
        ("I am a nurse.", [], "unreadable"),
        ("", [], "unreadable"),
        ('{"1": "user"', [], "unreadable"),
        ('["user"]', [], "unreadable"),
        ("} {", [], "unreadable"),
        ('{"1": "user"} {"2": "user"}', [], "unreadable"),
    ],
)
def test_marks(answer: str, quotes: list[str], outcome: str) -> None:
    assert induce(answer) == (quotes, outcome)


@given(
    said=st.text(min_size=1).filter(str.strip),
    answer=st.text()
    | st.dictionaries(st.sampled_from("123456789"), st.sampled_from(["user", "topic", "x"])).map(
        json.dumps
    ),
)
def test_whatever_the_model_answers_only_words_of_the_user_enter(said: str, answer: str) -> None:
    quotes, _ = induce(answer, said)
    assert all(quote in said for quote in quotes)


def test_it_sees_the_message_and_nothing_of_the_persona() -> None:
    asked: list[str] = []

    def script(messages: list[object], arguments: dict[str, object]) -> str:
        asked.extend(str(message) for message in messages)
        shape = arguments["response_format"]["json_schema"]["schema"]  # type: ignore[index]
        assert shape["required"] == ["1", "2", "3"]
        return "{}"

    inducer = Inducer(model=scripted_model(script), calls=CallLog())  # type: ignore[arg-type]
    asyncio.run(inducer.induce("t", user(SAID)))
    assert "1. I am 40.\\n2. What is tea?\\n3. I hate lists." in asked[-1]
    for fact in PERSONAS[0].facts:
        assert fact.text not in "".join(asked)
