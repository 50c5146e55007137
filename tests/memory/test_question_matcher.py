"""Which statement a question asks for, with the figures of `docs/choices.md`."""

from collections.abc import Sequence
from pathlib import Path

import asked
import pytest

from aloe.errors import ConfigError
from aloe.memory.cached_embedder import CachedEmbedder
from aloe.memory.embedder import MiniLmEmbedder, Vectors
from aloe.memory.question_labels import (
    Matching,
    calibrate,
    count_matches,
    match_labels,
    read_labels,
)
from aloe.memory.question_matcher import THRESHOLD, QuestionMatcher, find_open
from aloe.schema import Persona

ROOT = Path(__file__).parents[2]
PERSONA = Persona.of(
    "I am 34 years old. I mend bicycles in Porto. I have a son called Rui. I have asthma. "
    "I want to learn Greek.",
    "I like short replies. I cannot stand bullet points.",
)


EMBEDDER = CachedEmbedder(MiniLmEmbedder())


@pytest.fixture(scope="module")
def matcher() -> QuestionMatcher:
    return QuestionMatcher(EMBEDDER)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How old are you?", "I am 34 years old."),
        ("What do you do for a living?", "I mend bicycles in Porto."),
        ("Do you have any children?", "I have a son called Rui."),
        ("Do you have any health problems?", "I have asthma."),
        ("What would you like to learn?", "I want to learn Greek."),
        ("Do you want bullet points?", "I cannot stand bullet points."),
        ("Tell me a bit about yourself.", "I am 34 years old."),
        ("How do you like your answers?", "I like short replies."),
        ("How tall is the tower of Pisa?", None),
        ("Do you smoke?", None),
        ("What is the weather like?", None),
        ("Does that make sense?", None),
    ],
)
def test_a_question_gets_the_statement_that_answers_it(
    matcher: QuestionMatcher, question: str, text: str | None
) -> None:
    found = matcher.match(question, PERSONA.facts)
    assert (found and found.text) == text


def test_an_open_question_gets_the_first_statement_of_its_kind(matcher: QuestionMatcher) -> None:
    facts = PERSONA.facts[1:]
    assert matcher.match("Who are you?", facts) == facts[0]
    assert matcher.match("Who are you?", facts[-1:]) is None
    assert matcher.match("How should I answer?", facts) == PERSONA.facts[-2]


def test_of_no_statements_none_is_asked_for(matcher: QuestionMatcher) -> None:
    assert matcher.match("How old are you?", ()) is None
    assert matcher.match("Who are you?", ()) is None


def test_open_questions_are_told_from_others() -> None:
    assert [text for text in asked.ABOUT_THEM if find_open(text) != "fact"] == []
    for questions in (asked.OPEN_SEEN, asked.OPEN, asked.OPEN_FRESH, asked.OPEN_LAST):
        assert [text for text in questions if find_open(text) != "trait"] == []
    others = (*asked.NOT_ABOUT_THEM, *asked.CONTENT, *asked.CONTENT_FRESH, *asked.CONTENT_LAST)
    assert [text for text in others if find_open(text)] == []


def test_the_labels_are_whole_and_of_other_people_in_each_half() -> None:
    halves = {split: read_labels(split) for split in ("dev", "test")}
    count = {split: sum(len(each.asked) for each in found) for split, found in halves.items()}
    assert count == {"dev": 480, "test": 180}
    for found in halves.values():
        for each in found:
            texts = {fact.text for fact in Persona.of(each.profile, each.personality).facts}
            assert {one.about for one in each.asked} - {None} <= texts
            assert len({one.question for one in each.asked}) == len(each.asked)
            assert [one.question for one in each.asked if find_open(one.question)] == []
    dev, test = ({each.profile for each in found} for found in halves.values())
    assert dev & test == set()


def test_the_figures_on_the_kept_half_are_those_in_the_docs(matcher: QuestionMatcher) -> None:
    kept = count_matches(match_labels(matcher, "test"), THRESHOLD)
    assert (kept.right, kept.matched, kept.answerable) == (83, 101, 120)
    assert (round(kept.precision, 3), round(kept.recall, 3)) == (0.822, 0.692)
    told = " ".join((ROOT / "docs/choices.md").read_text(encoding="utf-8").split())
    assert "83 of 101" in told
    assert "83 of 120" in told


def test_the_nearest_vector_alone_does_worse() -> None:
    """The same number of matches, the surest by their vectors: fewer are right."""
    found = []
    for each in read_labels("test"):
        texts = [fact.text for fact in Persona.of(each.profile, each.personality).facts]
        likeness = EMBEDDER.embed([one.question for one in each.asked]) @ EMBEDDER.embed(texts).T
        for one, row in zip(each.asked, likeness, strict=True):
            found.append((float(row.max()), texts[int(row.argmax())] == one.about))
    assert sum(right for _, right in sorted(found, reverse=True)[:101]) < 75


def test_the_threshold_is_the_lowest_of_whose_matches_enough_are_right() -> None:
    def matching(score: float, right: bool) -> Matching:
        return Matching(score=score, right=right, answerable=True)

    found = [matching(3.1, False), matching(3.1, False)]
    found += [matching(4.6, right) for right in (True, True, True, True, False)]
    assert calibrate(found) == 3.25
    assert calibrate([*found, matching(4.4, False)]) == 4.5
    assert count_matches(found, 10).precision == 1
    figures = count_matches(found, 4.5)
    assert (figures.right, figures.matched, figures.answerable) == (4, 5, 7)


def test_another_embedder_is_refused() -> None:
    class Other:
        name = "openai:other"

        def embed(self, texts: Sequence[str]) -> Vectors:
            raise AssertionError

    with pytest.raises(
        ConfigError,
        match="set for all-MiniLM-L6-v2-int8; with the embedder openai:other they cannot be",
    ):
        QuestionMatcher(Other())
