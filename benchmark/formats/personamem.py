"""PersonaMem v1: questions after many sessions, by somebody whose liking changes over time.

`questions_SIZE.csv` names for each question the shared context and how much of it had been said;
the contexts stand beside it in `shared_contexts_SIZE.jsonl`. That part is the past, and the
question the only message. Each session opens with a system message that describes the person: it
becomes the profile, which a judge knows, and is not shown to the model under test, or there would
be nothing to infer. The options are not shown either: a reply is written freely.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aloe.benchmark.formats.history import join_turns
from aloe.errors import InputError
from aloe.files.lines import Place
from aloe.memory.formats.chats import Said, read_messages
from aloe.memory.formats.fields import Fields, read_number, read_objects, read_text

KEYS = {"user_question_or_message", "shared_context_id", "end_index_in_shared_context"}
LATER = {"user_query", "correct_answer", "incorrect_answers"}
"""Fields of v2, which is not read."""
CARD = "Current user persona:"
"""How the description of a person begins."""

Contexts = Mapping[str, list[Said]]


def fits(record: Any) -> bool:
    """Return whether a record is a question of PersonaMem."""
    return isinstance(record, dict) and any(keys <= record.keys() for keys in (KEYS, LATER))


def read_personamem(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the cases of a file of questions.

    Raises:
        InputError: it is of another version, a question is broken, or the contexts are not there.
    """
    contexts: Contexts = {}
    for place, record in read_objects(path):
        if not record.keys() >= KEYS:
            raise place.error("is of PersonaMem v2; only v1, with shared contexts, is read")
        contexts = contexts or _contexts(path)
        yield place, _case(record, contexts, place)


def _contexts(path: Path) -> Contexts:
    name = path.name.replace("questions", "shared_contexts").replace(".csv", ".jsonl")
    beside = path.with_name(name)
    if beside == path or not beside.is_file():
        raise InputError(path, "its contexts are missing; put shared_contexts_*.jsonl beside it")
    found: dict[str, list[Said]] = {}
    for place, record in read_objects(beside):
        if len(record) != 1:
            raise place.error("is not a context: expected one id with a list of messages")
        (key,) = record
        found[key] = read_messages(record, key, place)
    return found


def _case(record: Fields, contexts: Contexts, place: Place) -> dict[str, Any]:
    key = read_text(record, "shared_context_id", place)
    if key not in contexts:
        raise place.error(f"'shared_context_id' is '{key}', which is no context beside it")
    end = read_number(record, "end_index_in_shared_context", place)
    if not 0 <= end <= len(contexts[key]) or end != int(end):
        raise place.error(
            f"'end_index_in_shared_context' is {end:g}; a whole number of the "
            f"{len(contexts[key])} messages of its context is expected"
        )
    past = contexts[key][: int(end)]
    person = f"personamem {record.get('persona_id', key)}"
    return {
        "persona": {"profile": _card(past, place), "personality": ""},
        "why": f"{read_text(record, 'question_type', place)}; the original takes for right: "
        f"{_right(record, place)}",
        "profile": person,
        "personality": person,
        "turns": 1,
        "messages": {1: read_text(record, "user_question_or_message", place)},
        "history": join_turns(past, place),
    }


def _card(past: list[Said], place: Place) -> str:
    cards = (text for role, text in past if role == "system" and text.startswith(CARD))
    if not (card := next(cards, None)):
        raise place.error(f"its context has no system message that begins with '{CARD}'")
    return card.removeprefix(CARD).strip()


def _right(record: Fields, place: Place) -> str:
    """Return the right option, word for word."""
    mark = read_text(record, "correct_answer", place).strip()
    try:
        options = ast.literal_eval(read_text(record, "all_options", place))
        found: str = next(each for each in options if each.startswith(mark))
    except (ValueError, SyntaxError, TypeError, AttributeError, StopIteration):
        raise place.error(f"'all_options' holds no list with an option '{mark}'") from None
    return found.removeprefix(mark).strip()
