"""Which statement of a persona a question asks for; free text on both sides.

A user who answers what it was asked has to be told which of its statements that is, and told
nothing else, so that it cannot leak. The nearest vector alone is wrong in three cases of ten: it
sees that a question is *about* something, not that the statement answers it. So likeness counts
together with what the words show (see `aloe.memory.question_form`), in one weighted sum.

The weights and the threshold were set on the `dev` part of the labelled questions in
`questions.jsonl` and tried on the `test` part; `docs/choices.md` has the figures. They hold for
MiniLM only, so any other embedder is refused.
"""

import math
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from aloe.errors import ConfigError
from aloe.memory.embedder import Embedder, MiniLmEmbedder, Vectors
from aloe.memory.question_form import QuestionForm, read_question
from aloe.memory.question_topics import TOPICS, read_examples
from aloe.memory.verifiable.asking import OPEN, find_asked
from aloe.memory.words import find_content_words
from aloe.schema import Fact

WEIGHTS = {
    "likeness": 6.9,
    "told topic": 5.0,
    "like topic": 3.5,
    "topic likeness": 1.4,
    "words": 0.4,
    "words of a detail": -2.2,
    "lacks": -2.5,
    "other kind": -0.8,
    "trait for replies": 1.4,
}
"""What each piece of evidence counts: by logistic regression on the `dev` part, rounded."""
SHARPNESS = 15.0
"""How much more a near example counts than a far one in saying which topic a statement tells."""
THRESHOLD = 5.5
"""Score from which a statement answers: what `aloe.memory.question_labels.calibrate` finds."""

_ABOUT_THEM = re.compile(
    r"\babout (?:you|yourself)(?:\W*\Z| (?:and your|that you)\b)|\bintroduce yourself\b"
    r"|\bwho (?:are you|am I talking to|you are)\W*\Z|\bget to know you\b"
    r"|\b(?:about|describe|is|tell me) your (?:background|situation|life|story)(?: like)?\W*\Z",
    re.IGNORECASE,
)


def find_open(question: str) -> Literal["fact", "trait"] | None:
    """Return the kind of statement that an open question asks for; None if it is not open.

    "Tell me about yourself" asks for any fact, "How do you like your answers?" for any trait.
    """
    if _ABOUT_THEM.search(question):
        return "fact"
    return "trait" if find_asked(question) == OPEN else None


class QuestionMatcher:
    """Finds the statement of a persona that answers a question.

    Args:
        embedder: what makes the vectors.

    Raises:
        ConfigError: the threshold was not set for this embedder.
    """

    def __init__(self, embedder: Embedder) -> None:
        if embedder.name != MiniLmEmbedder.name:
            raise ConfigError(
                f"questions are matched by a threshold set for {MiniLmEmbedder.name}; "
                f"with the embedder {embedder.name} they cannot be: take minilm"
            )
        self._embedder = embedder
        self._statements = lru_cache(maxsize=256)(embedder.embed)

    def match(self, question: str, facts: Sequence[Fact]) -> Fact | None:
        """Return which of a persona's statements a question asks for, or None.

        Args:
            question: one question, as `aloe.memory.questions.find_questions_in` finds them.
            facts: the statements; an open question gets the first of its kind, so what was not
                told yet goes first.
        """
        if kind := find_open(question):
            return next((fact for fact in facts if fact.kind == kind), None)
        if not facts:
            return None
        scores = self.score(question, facts)
        best = int(scores.argmax())
        return facts[best] if scores[best] >= THRESHOLD else None

    def score(self, question: str, facts: Sequence[Fact]) -> npt.NDArray[np.float64]:
        """Return how well each statement answers a question that is not open; higher is better."""
        evidence = self.weigh(question, facts)
        return np.array([sum(WEIGHTS[name] * row[name] for name in WEIGHTS) for row in evidence])

    def weigh(self, question: str, facts: Sequence[Fact]) -> list[dict[str, float]]:
        """Return what speaks for and against each statement, by the names of `WEIGHTS`."""
        form = read_question(question)
        vectors = self._statements(tuple(fact.text for fact in facts))
        likeness = vectors @ self._embedder.embed([question, form.statement]).T
        return [
            self._weigh(question, form, fact, float(alike.sum()), nearness)
            for fact, alike, nearness in zip(
                facts, likeness, vectors @ self._examples.T, strict=True
            )
        ]

    def _weigh(
        self, question: str, form: QuestionForm, fact: Fact, likeness: float, nearness: Vectors
    ) -> dict[str, float]:
        told = find_told_topic(fact)
        free = fact.kind == "fact" and told is None and not form.detail
        share, nearest = _compare(fact, form, nearness) if free else (0.0, 0.0)
        words = min(len(find_content_words(question) & find_content_words(fact.text)), 2)
        return {
            "likeness": likeness,
            "told topic": float(told in form.topics),
            "like topic": share,
            "topic likeness": nearest,
            "words": float(0 if form.detail else words),
            "words of a detail": float(words if form.detail else 0),
            "lacks": float(form.wanted is not None and not form.wanted.search(fact.text)),
            "other kind": float(form.of_replies != (fact.kind == "trait")),
            "trait for replies": float(form.of_replies and fact.kind == "trait"),
        }

    @cached_property
    def _examples(self) -> Vectors:
        return self._embedder.embed([text for _, text in read_examples()])


def _compare(fact: Fact, form: QuestionForm, nearness: Vectors) -> tuple[float, float]:
    """Return the share of the examples near a fact that tell what is asked, and the nearest's."""
    pairs = zip(nearness.tolist(), read_examples(), strict=True)
    others = [(near, topic) for near, (topic, text) in pairs if text != fact.text]
    asked = [near for near, topic in others if topic in form.topics]
    total = sum(math.exp(SHARPNESS * near) for near, _ in others)
    return sum(math.exp(SHARPNESS * near) for near in asked) / total, max(asked, default=0.0)


def find_told_topic(fact: Fact) -> str | None:
    """Return the topic that the beginning of a fact tells: age, home or aim."""
    if fact.kind != "fact":
        return None
    told = (name for name, t in TOPICS.items() if t.states and t.states.search(fact.text))
    return next(told, None)
