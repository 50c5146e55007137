"""CUPID: preferences that hold in one context, shown by feedback in earlier sessions.

The sessions are the past, one after the other, and the request is the only message. The preference
that holds now and the checklist of a good reply are the personality, so a judge knows both.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aloe.benchmark.formats.history import join_turns
from aloe.files.lines import Place
from aloe.memory.formats.chats import read_messages
from aloe.memory.formats.fields import Fields, read_list, read_objects, read_text, sort_of

KEYS = {"current_request", "current_contextual_preference", "current_checklist"}


def fits(record: Any) -> bool:
    """Return whether a record is an instance of CUPID."""
    return isinstance(record, dict) and record.keys() >= KEYS


def read_cupid(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the cases of a file.

    Raises:
        InputError: a record is broken.
    """
    for place, record in read_objects(path):
        yield place, _case(record, place)


def _case(record: Fields, place: Place) -> dict[str, Any]:
    sessions = read_list(record, "prior_interactions", place)
    past = [said for each in sessions for said in read_messages(each, "dialogue", place)]
    person = read_text(record, "persona_id", place).partition("+")[0]
    factor = read_text(record, "current_context_factor", place)
    kind = record.get("instance_type")
    wanted = (read_text(record, "current_contextual_preference", place), *_checklist(record, place))
    return {
        "persona": {"profile": "", "personality": "\n".join(wanted)},
        "why": f"{kind or 'context'}: {factor}",
        "profile": f"cupid {person}",
        "personality": f"cupid {person}",
        "turns": 1,
        "messages": {1: read_text(record, "current_request", place)},
        "history": join_turns(past, place),
    }


def _checklist(record: Fields, place: Place) -> list[str]:
    found = record["current_checklist"]
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise place.error(f"'current_checklist' is {sort_of(found)}; a list of texts is expected")
    return found
