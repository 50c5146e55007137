import asyncio
import json
from typing import Any

import pytest
from builders import PERSONAS, scripted_model, user
from hypothesis import given
from hypothesis import strategies as st

from aloe.agents.inducer import Inducer
from aloe.agents.prompt import shipped
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import Size
from aloe.schema import sentences

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


@pytest.mark.parametrize(
    ("answer", "quotes"),
    [
        ('{"1. I am 40": "yes", "2. What is tea": "no", "3. I hate lists": "yes"}', [0, 2]),
        ('{"3. I hate": "no", "2": "no", "1. I am 40.": "Yes"}', [0]),
        ('{"1": "user", "2. What": "topic", "3": "no"}', [0]),
        ('{"1. I am 40": "yes", "2. What is tea": "no"}', None),
        ('{"1. I am 40": "yes", "2. What is tea": "no", "4. I": "yes"}', None),
    ],
)
def test_marks_behind_the_words(answer: str, quotes: list[int] | None) -> None:
    said = sentences(SAID)
    expected = ([said[i] for i in quotes], "ok") if quotes is not None else ([], "unreadable")
    assert induce(answer) == expected


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("How can I make them grow faster?", False),
        ("What is tea?", False),
        ("Where would I begin, and how?", False),
        ("Why do I sleep badly since my divorce?", True),
        ("How do I keep hens off the desk when I work from home?", True),
        ("Can you keep it short?", True),
        ("What a day I had!", True),
        ("What is that emoji doing there?", True),
        ("Why didn't you stop after sixty words?", True),
        ("Wie halte ich meine Hühner?", True),
    ],
)
def test_a_plain_question_tells_nothing(text: str, kept: bool) -> None:
    assert induce('{"1": "yes"}', text) == ([text] if kept else [], "ok")


@pytest.mark.parametrize(
    ("size", "keys", "marks"),
    [
        ("small", ["1", "2", "3"], {"user", "topic"}),
        ("full", ["1. I am 40", "2. What is tea", "3. I hate lists"], {"yes", "no"}),
    ],
)
def test_answers_have_the_form_of_the_prompts_examples(
    size: Size, keys: list[str], marks: set[str]
) -> None:
    shapes: list[Any] = []

    def script(_: object, arguments: dict[str, Any]) -> str:
        shapes.append(arguments["response_format"]["json_schema"]["schema"])
        return "{}"

    prompt = shipped("inducer", size)
    inducer = Inducer(model=scripted_model(script), calls=CallLog(), prompt=prompt)
    asyncio.run(inducer.induce("t", user(SAID)))
    assert shapes[0]["required"] == [*shapes[0]["properties"]] == keys
    assert {mark for each in shapes[0]["properties"].values() for mark in each["enum"]} == marks


def test_quotes_and_strokes_of_a_message_break_no_key() -> None:
    shapes: list[Any] = []

    def script(_: object, arguments: dict[str, Any]) -> str:
        shapes.append(arguments["response_format"]["json_schema"]["schema"])
        return "{}"

    inducer = Inducer(model=scripted_model(script), calls=CallLog())
    asyncio.run(inducer.induce("t", user('My "boss" says C:\\\\ is full today. Why?')))
    assert shapes[0]["required"] == ["1. My boss says C", "2. Why"]


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
        assert len(shape["required"]) == 3
        return "{}"

    inducer = Inducer(model=scripted_model(script), calls=CallLog())  # type: ignore[arg-type]
    asyncio.run(inducer.induce("t", user(SAID)))
    assert "1. I am 40.\\n2. What is tea?\\n3. I hate lists." in asked[-1]
    for fact in PERSONAS[0].facts:
        assert fact.text not in "".join(asked)
