"""Labelled questions: what each asks for among the statements of a persona, by a person's word.

`questions.jsonl` has 44 personas, each with fifteen questions. About ten of a persona's questions
are answered by one of its statements; the others are not, and most of them are about the same
things. The threshold of `aloe.memory.question_matcher` is set on the `dev` personas and tried on
the twelve `test` ones, whose questions were written after its rules. Both again:

    python -m aloe.memory.question_labels
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from aloe.files.records import read_records
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.question_matcher import THRESHOLD, QuestionMatcher
from aloe.schema import Persona

QUESTIONS = Path(__file__).parent / "questions.jsonl"

RIGHT = 0.8
"""Share of the matches that the threshold wants to be right."""

Split = Literal["dev", "test"]


class LabelledQuestion(BaseModel):
    """A question and the statement that answers it; None if none of the persona's does."""

    model_config = ConfigDict(frozen=True)

    question: str
    about: str | None


class LabelledPersona(BaseModel):
    """A persona and what it is asked."""

    model_config = ConfigDict(frozen=True)

    split: Split
    profile: str
    personality: str
    asked: tuple[LabelledQuestion, ...]


@dataclass(frozen=True, kw_only=True)
class Matching:
    """The best statement for a labelled question."""

    score: float
    right: bool
    """Whether it is the one that answers."""
    answerable: bool
    """Whether any does."""


@dataclass(frozen=True, kw_only=True)
class MatchingFigures:
    """What a threshold does to labelled questions."""

    matched: int
    right: int
    answerable: int

    @property
    def precision(self) -> float:
        """Share of the matches that are right; 1 if there are none."""
        return self.right / self.matched if self.matched else 1.0

    @property
    def recall(self) -> float:
        """Share of the answerable questions that are matched right."""
        return self.right / self.answerable


def read_labels(split: Split) -> list[LabelledPersona]:
    """Return the labelled personas of one part."""
    found = [LabelledPersona.model_validate(raw) for _, raw in read_records(QUESTIONS)]
    return [each for each in found if each.split == split]


def match_labels(matcher: QuestionMatcher, split: Split) -> list[Matching]:
    """Return the best statement, under no threshold, for each labelled question of one part."""
    found = []
    for labelled in read_labels(split):
        facts = Persona.of(labelled.profile, labelled.personality).facts
        for each in labelled.asked:
            scores = matcher.score(each.question, facts)
            best = int(scores.argmax())
            right, score = facts[best].text == each.about, float(scores[best])
            found.append(Matching(score=score, right=right, answerable=each.about is not None))
    return found


def count_matches(found: Sequence[Matching], threshold: float) -> MatchingFigures:
    """Return what `threshold` does to labelled questions."""
    matched = [each for each in found if each.score >= threshold]
    return MatchingFigures(
        matched=len(matched),
        right=sum(each.right for each in matched),
        answerable=sum(each.answerable for each in found),
    )


def calibrate(found: Sequence[Matching]) -> float:
    """Return the lowest threshold, in quarters, of whose matches at least `RIGHT` are right."""
    steps = (0.25 * step for step in range(-40, 80))
    return next(each for each in steps if count_matches(found, each).precision >= RIGHT)


def main() -> None:
    """Print what the rule finds on the `dev` part, and what it does to both."""
    matcher = QuestionMatcher(MiniLmEmbedder())
    found = {split: match_labels(matcher, split) for split in get_args(Split)}
    print(f"threshold {calibrate(found['dev'])}, in use {THRESHOLD}")
    for split, labels in found.items():
        figures = count_matches(labels, THRESHOLD)
        print(
            f"{split}: {figures.right} of {figures.matched} matches right ({figures.precision:.1%})"
            f", of {figures.answerable} answerable questions {figures.recall:.1%}; "
            f"{len(labels)} questions"
        )


if __name__ == "__main__":
    main()
