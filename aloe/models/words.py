"""One-word answers, and how they are read from what a model said.

If the server returned log-probabilities, the probabilities of the possible answers are read from
them, all spellings of a word added up. They are meaningful only if the model was about to answer:
one that starts with `<think>` or a bracket still leaves a small probability on every letter, and
the ratio of those says nothing. So together they must have `min_mass`; otherwise the text is parsed
strictly, after any thoughts.

Judges and readers (`aloe.agents`) read by this, and so do the views that say what they said.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aloe.config import MIN_MASS
from aloe.models.logprobs import FLOOR, add_up, keep_usable, total
from aloe.models.reply import Reply
from aloe.models.thoughts import split_thoughts

UNSEEN = 0.05
"""Probability of all words below which a reply that was cut is taken for a thought: where a model's
template opens the thoughts, nothing else tells that a reply begins inside them."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model answered."""

    raw: str
    """Untouched."""
    mass: float | None = None
    """Probability within 0..1 that the answer begins with one of the words; None if not known."""
    logprobs: Mapping[str, float] = field(default_factory=dict)
    """Log-probability, within ln 1e-9..0, of each word that the server listed; empty if `mass` is
    too small to be an answer."""
    most: float = FLOOR
    """The most that the log-probability of a word can be which is not listed."""
    word: str | None = None
    """The likeliest word or, without log-probabilities, what the text says; None: unreadable."""
    thinking: bool = False
    """Whether the model is, or seems to be, thinking still."""
    hesitant: bool = False
    """Whether the words had too little mass where the answer began, so that its text is a draw."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words to choose from, in upper case, and how a text says one of them."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    """Matches all of an answer; its group 1 is the word."""
    weighed: bool = False
    """Whether an answer that is `hesitant` counts as unreadable."""

    def read(self, reply: Reply, min_mass: float = MIN_MASS) -> Answer:
        """Read a reply.

        Args:
            reply: what the model said.
            min_mass: the probability that the words must have together to be read as odds.
        """
        unended = split_thoughts(reply.said).unended
        only = bool(reply.thoughts) and not reply.text
        thinking = unended or only or not reply.said  # a server may have taken thoughts out
        answer = Answer(raw=reply.said, thinking=thinking)
        if listed := keep_usable(reply.logprobs or {}):
            found = self._found(listed)
            mass = min(total(found.values()), 1.0)
            answer = replace(answer, mass=mass)
            if found and mass >= min_mass:
                left = max(0.0, 1 - total(listed.values()))
                most = min(min(listed.values()), math.log(left) if left else FLOOR)
                likeliest = max(found, key=lambda word: found[word])
                return replace(answer, logprobs=found, most=max(most, FLOOR), word=likeliest)
            unseen = mass < UNSEEN and reply.finish != "stop" and _has_word(reply.said)
            answer = replace(
                answer,
                thinking=answer.thinking or unseen,
                hesitant=not (reply.thoughts or self._hides_thoughts(reply, listed, mass)),
            )
        match = self.pattern.fullmatch("" if unended else reply.text)
        return replace(answer, word=match[1].upper() if match else None)

    def _found(self, listed: Mapping[str, float]) -> dict[str, float]:
        """Return the log-probability of each word that is listed, all spellings added up."""
        found: dict[str, list[float]] = {}
        for token, value in listed.items():
            if word := self._begun(token):
                found.setdefault(word, []).append(value)
        return {word: add_up(values) for word, values in found.items()}

    def _hides_thoughts(self, reply: Reply, listed: Mapping[str, float], mass: float) -> bool:
        """Whether what is listed seems to be of thoughts that the server took out of a reply."""
        likeliest = max(listed, key=lambda token: listed[token])
        return mass < UNSEEN and reply.finish == "stop" and self._begun(likeliest) is None

    def _begun(self, token: str) -> str | None:
        """Return the one word that a token is the beginning of, whatever its case and marks."""
        letters = re.sub(r"^[\W_]+|[\W_]+$", "", unicodedata.normalize("NFKC", token)).upper()
        words = [word for word in self.words if letters and word.startswith(letters)]
        return words[0] if len(words) == 1 else None


def _has_word(text: str) -> bool:
    return bool(re.search(r"[^\W_]", text))


COMPARISON = Words(
    words=("A", "B", "TIE"),
    pattern=re.compile(r"\W*(?:(?:reply|answer)\b\W*)?(A|B|TIE)\W*", re.IGNORECASE),
)
"""Which of two replies is better."""
RATING = Words(
    words=("1", "2", "3", "4", "5"),
    pattern=re.compile(r"\W*(?:(?:score|rating)\b\W*)?([1-5])(?:\s*/\s*5)?\W*", re.IGNORECASE),
)
"""How good one reply is."""
DOUBT = Words(
    words=("YES", "NO"), pattern=re.compile(r"\W*(yes|no)\b\W*", re.IGNORECASE), weighed=True
)
"""Whether a message may be the user's."""


def read_level(answer: Answer) -> float | None:
    """Return the level within 1..5 of an answer of `RATING`; None if it is unreadable.

    That is the expected digit, or without log-probabilities the digit that stands alone.
    """
    found = answer.logprobs
    if not found:
        return None if answer.word is None else float(answer.word)
    whole = total(found.values())
    return sum(int(level) * math.exp(value) for level, value in found.items()) / whole
