"""What a question is about, over all the questions written for it.

`asked.LAST`, `OPEN_LAST` and `CONTENT_LAST` were new to the rules when they were tried: 62 of 68,
10 of 12, and 3 of 50 false alarms. The rules were mended for what they missed then, as after the
two tries before.
"""

import re
from collections.abc import Mapping, Sequence

import asked
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe.memory.questions import drop_questions, find_questions_in
from aloe.memory.verifiable.asking import OPEN, drop_questions_about, find_asked
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


@pytest.mark.parametrize(
    ("dimension", "question"),
    [
        ("contractions", "Do you like contractions such as `it's`?"),
        ("contractions", "Do you mind contractions, as in “Why don't you?”, in replies?"),
        ("thanks", "Would a word of thanks, as in `thank you`, be welcome?"),
        ("hedging", 'Do you like hedging such as "Perhaps?" in my replies?'),
        ("thanks", "**Would a word of thanks be welcome?**"),
    ],
)
def test_a_question_is_dropped_with_all_that_stands_in_it(dimension: str, question: str) -> None:
    for before, after in (
        ("Rest.", "Sleep."),
        ("## Is it so?\nRest `now?`.", "- Sleep."),
        ("", ""),
    ):
        text = f"{before} {question} {after}"
        kept = drop_questions_about(dimension, text)
        assert re.sub(r"[\s*]", "", kept) == re.sub(r"[\s*]", "", before + after)
        assert drop_questions_about(dimension, kept) == kept
        assert drop_questions_about("spelling", text) == text


PIECES = st.sampled_from((
    "Rest.", "Would a word of thanks be welcome?", "Is it so?", "`a?`", "```\nb?\n```", '"Why?"',
    "**Do you like emoji?**", "## Heading?", "\n", "- One.", "(do you like thanks?)", "*So?*",
))  # fmt: skip


@given(pieces=st.lists(PIECES, max_size=8), gap=st.sampled_from((" ", "\n", "  ")))
def test_what_is_dropped_are_the_questions_that_are_found(pieces: list[str], gap: str) -> None:
    text = gap.join(pieces)
    asked: list[str] = []
    assert drop_questions(text, lambda each: bool(asked.append(each))) == text
    assert asked == list(find_questions_in(text))
    kept = drop_questions(text, lambda _: True)
    assert find_questions_in(kept) == ()
    assert all(text.count(each) == kept.count(each) for each in ("Rest.", "One."))
