"""PrefEval: does a reply follow a preference that was stated, chosen, or let on before?

Of a row in `explicit_preference`, the preference is the first message and the question the second.
Of one in `implicit_preference`, the conversation that shows the preference is the past and the
question is the only message. The preference is the personality in all of them, so a judge knows it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aloe.benchmark.formats.history import join_turns
from aloe.files.lines import Place
from aloe.memory.formats.chats import Said
from aloe.memory.formats.fields import Fields, read_objects, read_text, sort_of
from aloe.schema import digest

KEYS = {"preference", "question"}
CHOICE = ("query", "assistant_options", "user_selection", "assistant_acknowledgment")
"""Messages of a choice-based conversation, the user's first."""


def fits(record: Any) -> bool:
    """Return whether a record is one of PrefEval."""
    return isinstance(record, dict) and record.keys() >= KEYS


def read_prefeval(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the cases of a file.

    Raises:
        InputError: a record is broken, or is one of the multiple-choice form.
    """
    for place, record in read_objects(path):
        yield place, _case(record, place)


def _case(record: Fields, place: Place) -> dict[str, Any]:
    if "classification_task_options" in record:
        raise place.error(
            "is of PrefEval's multiple choice, which is not played; give a file of "
            "explicit_preference or implicit_preference"
        )
    preference, question = (read_text(record, name, place) for name in ("preference", "question"))
    explicit = "conversation" not in record
    messages = {1: preference, 2: question} if explicit else {1: question}
    return {
        "persona": {"profile": "", "personality": preference},
        "why": read_text({"explanation": "", **record}, "explanation", place, empty=True),
        "profile": digest(preference),
        "personality": digest(preference),
        "turns": len(messages),
        "messages": messages,
        "history": [] if explicit else join_turns(_past(record, place), place),
    }


def _past(record: Fields, place: Place) -> Iterator[Said]:
    talk = record["conversation"]
    if not isinstance(talk, dict) or not talk:
        raise place.error(f"'conversation' is {sort_of(talk)}; an object with messages is expected")
    roles = ("user", "assistant")
    if CHOICE[0] in talk:
        for number, name in enumerate(CHOICE):
            yield roles[number % 2], read_text(talk, name, place, "'conversation': ")
        return
    for name, turn in talk.items():  # "turn1" in the description, "0" in the files
        if not isinstance(turn, dict):
            raise place.error(f"'conversation': '{name}' is {sort_of(turn)}, not an object")
        for role in roles:
            yield role, read_text(turn, role, place, f"'conversation': '{name}': ")
