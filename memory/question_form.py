"""What a question asks for, as far as its words show it: a topic, a detail, something of replies.

Embeddings put "Which language will the interview be in?" right beside "I have an interview next
week", which does not answer it. What tells them apart is form: a question about a detail of
something takes that thing for known, and one for a number or a time wants one in the answer.
"""

import re
from dataclasses import dataclass

from aloe.memory.question_topics import TOPICS
from aloe.memory.verifiable.asking import find_asked

_POLITE = re.compile(
    r"\A(?:could you tell me|may I (?:ask|know)|do you mind telling me|can you tell me"
    r"|could I have|might I ask|please tell me|tell me)\b|,? (?:if I may ask|please)\W*\Z",
    re.IGNORECASE,
)
_ASKS_FOR_NUMBER = re.compile(r"how (?:many|much|long|large|far|deep|high|old)\b", re.IGNORECASE)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty"
    r"|forty|fifty|sixty|seventy|eighty|ninety|hundred|half|dozen|only|both|twice|alone|nobody)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|\w+day|spring|summer|autumn|winter|night|morning|evening|year|month|week|day|next|last"
    r"|ago)\b",
    re.IGNORECASE,
)
_ABOUT_REPLIES = re.compile(
    r"\b(?:should|shall|may|can|must|could) I\b(?! help| do\b)|\bif I\b|\b(?:want|like) me to\b"
    r"|\bI (?:say|put|use|sound)\b|\b(?:an?|my|your|the|short|long) (?:\w+ )?(?:answer|repl)"
    r"|\bstep-by-step\b|\b(?:the|a) (?:kind word|comparison|next bit)\b|\bcompliments\b"
    r"|\bhumou?r\b|\b(?:choices|options) (?:should|shall|may|can) I\b",
    re.IGNORECASE,
)
_OPENING = re.compile(r"(?:\w+ )?(?:what|which|who|when|how|where)\b", re.IGNORECASE)
_ABOUT_USER = re.compile(
    r"\byou\b|\byour (?:age|job|profession|goal|home|house|free time|sundays|mind)\b", re.IGNORECASE
)
_ABOUT_THING = re.compile(
    r"(?:is|are|was|were|does|did|has|have|will) (?!you\b|there\b|it\b)", re.IGNORECASE
)
_REQUEST = re.compile(r"(?:shall|should|may|can|must|could) I\b", re.IGNORECASE)
_REWORDED = (
    (r"\b(to|for|with|about|of|from|give|tell|help|suit|suits|bother|annoy) you\b", r"\1 me"),
    (r"\A(?:do|did|would|will|can|could) you\b", "I"),
    (r"\A(?:are|were) you\b", "I am"),
    (r"\Ahave you\b", "I have"),
    (r"\A(?:is|are|was|were|does|did) your\b", "my"),
    (
        r"\A(?:how|what|where|which|who|when|why)\b(?: \w+){0,3}? "
        r"(?:do|did|are|have|would|will) you\b",
        "I",
    ),
    (r"\byour\b", "my"),
    (r"\byou\b", "I"),
)
"""Patterns of a question and what the answer says instead, applied in turn."""


@dataclass(frozen=True, kw_only=True)
class QuestionForm:
    """What a question asks for."""

    statement: str
    """The question turned into a statement of the user: "I have a dog"."""
    topics: frozenset[str]
    """Names in `TOPICS`; empty if it is about something else."""
    of_replies: bool
    """Whether it asks about replies, which a trait answers."""
    detail: bool
    """Whether it asks more about something that it takes for known."""
    wanted: re.Pattern[str] | None
    """What the answer has to hold, such as a number; None if anything will do."""


def read_question(question: str) -> QuestionForm:
    """Return what a question asks for."""
    plain = _POLITE.sub("", question).strip(" ,")
    of_replies = bool(find_asked(question) or _ABOUT_REPLIES.search(plain))
    aloof = bool(_OPENING.match(plain) and not _ABOUT_USER.search(plain))
    return QuestionForm(
        statement=_reword(plain),
        topics=frozenset(name for name, topic in TOPICS.items() if topic.asks.search(plain)),
        of_replies=of_replies,
        detail=not of_replies and (aloof or bool(_ABOUT_THING.match(plain))),
        wanted=_find_wanted(plain),
    )


def _reword(question: str) -> str:
    if request := _REQUEST.match(question):
        done = re.sub(r"\byour\b", "my", question[request.end() :])
        question = "I want you to" + re.sub(r"\byou\b", "me", done)
    else:
        for pattern, words in _REWORDED:
            question = re.sub(pattern, words, question, flags=re.IGNORECASE)
    return question.rstrip(" ?") + "."


def _find_wanted(question: str) -> re.Pattern[str] | None:
    if _ASKS_FOR_NUMBER.match(question):
        return _NUMBER
    return _TIME if question.lower().startswith("when ") else None
