"""What a question is about, over all the questions written for it.

`asked.LAST`, `OPEN_LAST` and `CONTENT_LAST` were new to the rules when they were tried: 62 of 68,
10 of 12, and 3 of 50 false alarms. The rules were mended for what they missed then, as after the
two tries before.
"""

from collections.abc import Mapping, Sequence

import asked
import pytest

from aloe.memory.verifiable.asking import OPEN, find_asked
from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.phrases import find_questions

PHRASES = {
    half: {name: find_questions(name, half) for name in DIMENSIONS} for half in ("train", "test")
}


@pytest.mark.parametrize(
    "questions", [PHRASES["train"], PHRASES["test"], asked.FRESH, asked.LAST],
    ids=["train", "test", "fresh", "last"],
)  # fmt: skip
def test_a_question_about_a_dimension_is_told(questions: Mapping[str, Sequence[str]]) -> None:
    assert list(questions) == list(DIMENSIONS)
    for name, texts in questions.items():
        assert {text: find_asked(text) for text in texts} == dict.fromkeys(texts, name)


@pytest.mark.parametrize("questions", [asked.OPEN_SEEN, asked.OPEN, asked.OPEN_FRESH,
                                       asked.OPEN_LAST])  # fmt: skip
def test_an_open_question_is_about_no_dimension(questions: Sequence[str]) -> None:
    assert [text for text in questions if find_asked(text) != OPEN] == []


@pytest.mark.parametrize("questions", [asked.CONTENT_SEEN, asked.CONTENT, asked.CONTENT_FRESH,
                                       asked.CONTENT_LAST])  # fmt: skip
def test_a_question_about_something_else_is_about_nothing(questions: Sequence[str]) -> None:
    assert {text: find_asked(text) for text in questions if find_asked(text)} == {}


def test_what_is_said_before_a_question_does_not_count() -> None:
    assert find_asked("Thank you for telling me, do you like emoji?") == "emoji"
    assert find_asked("Sorry about that, how long is the wall?") is None
    assert find_asked("Before we turn to the garden, should I keep it brief?") == "length"
    assert find_asked("Hello Ana, is bold type okay with you?") == "emphasis"


def test_curly_quotation_marks_are_read_too() -> None:
    assert find_asked("Do you write \u201ccolour\u201d or \u201ccolor\u201d?") == "spelling"


@pytest.mark.parametrize("opening", ["Could you tell me whether", "Can you please let me know if",
                                     "Would you kindly tell me whether"])  # fmt: skip
@pytest.mark.parametrize("half", ["train", "test"])
def test_a_question_may_be_put_politely(half: str, opening: str) -> None:
    for name, texts in PHRASES[half].items():  # type: ignore[index]
        polite = [f"{opening} {text[0].lower()}{text[1:]}" for text in texts]
        assert {text: find_asked(text) for text in polite} == dict.fromkeys(polite, name)


@pytest.mark.parametrize("question", [
    "Could you tell me where you live?", "Can you tell me how long you have lived there?",
    "Could you let me know what your dog eats?", "Would you tell me how long the wall is?",
    "Can you say who wrote it?", "Could you write him a short note?", "Can you use a list there?",
])  # fmt: skip
def test_a_polite_question_about_something_else_is_about_nothing(question: str) -> None:
    assert find_asked(question) is None
