"""What an inducer's answer says: which sentences of a message tell something about the user.

Plain questions tell nothing, whatever the model says: models tend to mark what follows a fact along
with it. Some complaints are worded as questions ("Where is the greeting?"), so whoever can tell
them apart names them.
"""

import re
from collections.abc import Collection, Sequence

from aloe.files.json_objects import read_object
from aloe.schema import Disclosure

MARKS = {"user": True, "yes": True, "topic": False, "no": False}
"""What a sentence can be marked with, and whether it then tells something about the user."""

_QUESTION = re.compile(r"\W*(?:how|what|which|where|when|why|who)\b[^.!]*\?\W*\Z", re.IGNORECASE)
_ASKING = re.compile(
    r"\b(?:can|could|should|shall|do|did|would|will|may|might|must|am|have) I\b", re.IGNORECASE
)
_OWN = re.compile(r"\b(?:I|my|mine|me|we|our|us)\b|\bI'", re.IGNORECASE)


def read_disclosures(
    answer: str, said: Sequence[str], telling: Collection[str] = ()
) -> tuple[Disclosure, ...] | None:
    """Return what an inducer's answer takes for told of the sentences `said`; None: unreadable.

    Args:
        answer: what the model wrote.
        said: the sentences of the message.
        telling: those of them that tell something though they are worded as questions.
    """
    marks = _marks(answer, len(said))
    if marks is None:
        return None
    marked = zip(said, marks, strict=True)
    return tuple(
        Disclosure(quote=text)
        for text, mark in marked
        if MARKS[mark] and (text in telling or not _only_asks(text))
    )


def _only_asks(text: str) -> bool:
    """Whether a sentence is a question that says no more of the user than that they ask."""
    return bool(_QUESTION.match(text)) and not _OWN.search(_ASKING.sub("", text))


def _marks(text: str, count: int) -> list[str] | None:
    """Return the mark of each sentence; None unless the answer has one for every sentence."""
    found = read_object(text) or {}
    inner = next(iter(found.values()), None)
    if len(found) == 1 and isinstance(inner, dict):  # {"sentences": {...}}
        found = {str(key): mark for key, mark in inner.items()}
    by_number = {str(key).partition(".")[0].strip(): mark for key, mark in found.items()}
    given = [by_number.get(str(number)) for number in range(1, count + 1)]
    marks = [mark.strip().lower() if isinstance(mark, str) else "" for mark in given]
    return marks if set(marks) <= MARKS.keys() else None
