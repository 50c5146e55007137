"""The questions of a reply: the sentences that want an answer from the user.

A question mark alone tells too much: a reply also quotes questions that others should be asked,
and has headings and code with the mark in them. It tells too little where a reply says "tell me
how you sleep". "Let me know if you need more" is how replies end and asks nothing. Nor does a
question that the user asked: a reply that repeats it is about to answer it.
"""

import re
from collections.abc import Callable, Iterable

from aloe.memory.unsaid import CODE
from aloe.schema import Persona
from aloe.sentences import EMPHASIS, sentences, sentences_of_markdown

_ASIDE = re.compile(
    rf"{CODE}|^\s*(?:#{{1,6}}\s|>)[^\n]*|\"[^\"\n]*\?\"|\u201c[^\u201d\n]*\?\u201d",
    re.DOTALL | re.MULTILINE,
)
"""Code, headings, block quotations and quoted questions."""
_MARKED = re.compile(r"[?\uff1f\u061f]\W*\Z")
_REQUEST = re.compile(
    r"(?:(?:so|and|but|now|please|just|first|also|then)\b,?\s+)*"
    r"(?:(?:please\s+)?tell me(?! (?:if|when)\b)"
    r"|let me know,?\s+(?:what|which|how|where|when|who|why|whether|your|about|a bit)\b"
    r"|(?:share|describe|specify)\b.*\byour)\b",
    re.IGNORECASE,
)
"""What asks without a question mark."""
_LIST_MARK = re.compile(r"^[\s*_(\u2022-]*(?:\d+[.)]\s+)?[*_(]*")


def find_questions_in(reply: str, messages: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the sentences of a reply that ask the user something, in order.

    List marks, emphasis and brackets around a sentence are left out. Quoted questions, headings
    and code ask nothing.

    Args:
        reply: what the assistant wrote.
        messages: of the user, before the reply; a question that stands in one asks nothing, in
            whatever case and with whatever spaces, also behind a colon ("You ask: ...").
    """
    pieces = (_clean(piece) for piece in sentences_of_markdown(_ASIDE.sub(" ", reply)))
    asked = tuple(piece for piece in pieces if _asks(piece))
    said = [_plain(message) for message in messages] if asked else []
    return tuple(piece for piece in asked if not any(_repeats(piece, each) for each in said))


def drop_questions(reply: str, about: Callable[[str], bool]) -> str:
    """Return a reply without those of its questions that `about` picks, and what stands in them.

    Args:
        reply: what the assistant wrote.
        about: is given each question as `find_questions_in` returns it.
    """
    if not any(map(about, find_questions_in(reply))):
        return reply
    kept, places = _without_asides(reply)
    start, spans = 0, []
    for piece in sentences(kept):
        start = kept.index(piece, start)
        question = _clean(piece)
        if _asks(question) and about(question):
            first = start + piece.index(question)
            spans.append((places[first], places[first + len(question) - 1] + 1))
        start += len(piece)
    for first, end in reversed(spans):
        reply = reply[:first] + reply[end:]
    return reply


def _without_asides(reply: str) -> tuple[str, list[int]]:
    """Return a reply without asides and without emphasis behind sentences, and where it is from."""
    kept: list[str] = []
    places: list[int] = []
    done = 0
    for aside in [*_ASIDE.finditer(reply), None]:
        begin = aside.start() if aside else len(reply)
        kept.append(reply[done:begin])
        places += range(done, begin)
        if aside:
            kept.append(" ")
            places.append(begin)
            done = aside.end()
    text = "".join(kept)
    marks = {place for each in EMPHASIS.finditer(text) for place in range(*each.span())}
    return (
        "".join(char for place, char in enumerate(text) if place not in marks),
        [origin for place, origin in enumerate(places) if place not in marks],
    )


def count_wanted(persona: Persona) -> int:
    """Return how many questions of each reply somebody wants to be asked, whatever they bring."""
    return int(persona.preferences.get("question") == "asked")


def _repeats(question: str, message: str) -> bool:
    """Whether a question, or what stands behind its last colon, stands in a plain message."""
    words = re.sub(r"[^\w?\uff1f\u061f]+\Z", "", _plain(question))
    ends = {words, words.rpartition(":")[2].strip()} - {""}
    return any(re.search(rf"(?<!\w){re.escape(end)}(?!\w)", message) for end in ends)


def _plain(text: str) -> str:
    return " ".join(re.sub("[\u2018\u2019]", "'", text).casefold().split())


def _clean(piece: str) -> str:
    if piece.count("(") > piece.count(")"):  # its end was taken for the end of the sentence
        piece = piece.rpartition("(")[2]
    return re.sub(r"[\s*_)]+\Z", "", _LIST_MARK.sub("", piece))


def _asks(piece: str) -> bool:
    return bool(re.search(r"\w", piece) and (_MARKED.search(piece) or _REQUEST.match(piece)))
