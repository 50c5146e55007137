"""PRISM: 1,500 people, each in talks with several models whose replies they scored 1 to 100.

`conversations.jsonl` holds whole conversations and `utterances.jsonl` the same, a line a reply;
either will do, and both must say the same. `survey.jsonl` is read beside them: what people wrote
about themselves is their profile, and what they would tell a model about how to behave their
personality. Without it a person's persona is empty. A line that is no JSON ends the import whatever
is set aside, because of utterances it would leave a conversation with a hole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from aloe.errors import InputError
from aloe.files.lines import OnBad, Place
from aloe.files.records import read_records
from aloe.memory.formats.conversation import Conversation, ConversationTurn, ScoredReply, described
from aloe.memory.formats.fields import Fields, read_list, read_number, read_text
from aloe.verdict import HUMAN
from aloe.wording import visible

EMPTY = "EMPTY STRING"
"""What the data write for an empty text."""

Part = Literal["conversations", "utterances", "survey"]
KEYS: Mapping[Part, set[str]] = {
    "conversations": {"conversation_id", "user_id", "conversation_history"},
    "utterances": {"utterance_id", "conversation_id", "user_prompt", "model_response"},
    "survey": {"user_id", "self_description", "system_string"},
}
"""The fields by which a line of each file is known."""

TEXTS = ("self_description", "system_string")
"""What the survey says of a person."""


def part_of(record: Any) -> Part | None:
    """Return which file of PRISM a record is from."""
    fits = (
        part for part, keys in KEYS.items() if isinstance(record, dict) and keys <= record.keys()
    )
    return next(fits, None)


@dataclass
class _Found:
    """What the files hold."""

    talks: list[tuple[Place, Fields]] = field(default_factory=list)
    utterances: dict[str, list[tuple[Place, Fields]]] = field(default_factory=dict)
    people: dict[str, tuple[Place, Fields]] = field(default_factory=dict)


def read_prism(files: Sequence[Path], on_bad: OnBad) -> Iterator[tuple[Place, Conversation]]:
    """Yield the conversations of PRISM's files.

    Args:
        files: conversations, utterances or both, and the survey or not.
        on_bad: called with the error of each conversation that cannot be used.

    Raises:
        InputError: a line is of no file of PRISM, the two disagree, a person is described in two
            ways, or `on_bad` raises.
    """
    found = _sort(files)
    talks: dict[str, tuple[Place, Conversation]] = {}
    repeats: list[tuple[Place, Conversation]] = []
    for place, record in found.talks:
        try:
            talk = _talk(record, place, found.people)
        except InputError as error:
            on_bad(error)
            continue
        again = talk.id in talks
        there, known = talks.setdefault(talk.id, (place, talk))
        if known == talk:
            repeats += [(place, talk)] * again
        else:
            on_bad(place.error(f"conversation {talk.id} differs from that of {there}"))
    for key, rows in found.utterances.items():
        try:
            talk = _talk(_history(key, rows), rows[0][0], found.people)
        except InputError as error:
            on_bad(error)
            continue
        there, known = talks.setdefault(key, (rows[0][0], talk))
        if known != talk:
            raise rows[0][0].error(f"conversation {key} differs from that of {there}")
    yield from talks.values()
    yield from repeats


def _sort(files: Sequence[Path]) -> _Found:
    found = _Found()
    for file in files:
        for place, record in read_records(file):
            match part_of(record):
                case "conversations":
                    found.talks.append((place, record))
                case "utterances":
                    key = read_text(record, "conversation_id", place)
                    found.utterances.setdefault(key, []).append((place, record))
                case "survey":
                    _add_person(found.people, place, record)
                case None:
                    known = ", ".join(KEYS)
                    raise place.error(f"is no line of PRISM's {known}; leave other files out")
    if not found.talks and not found.utterances:
        raise InputError(files[0], "holds no conversations; name conversations.jsonl as well")
    return found


def _add_person(people: dict[str, tuple[Place, Fields]], place: Place, record: Fields) -> None:
    user = read_text(record, "user_id", place)
    there, known = people.setdefault(user, (place, record))
    if other := next((name for name in TEXTS if known[name] != record[name]), None):
        raise place.error(
            f"'{other}' of {user} differs from that of {there}; leave one of the two lines out"
        )


def _talk(record: Fields, place: Place, people: Mapping[str, tuple[Place, Fields]]) -> Conversation:
    key, user = (read_text(record, name, place) for name in ("conversation_id", "user_id"))
    history = read_list(record, "conversation_history", place)
    exchanges = []
    for number, (turn, messages) in enumerate(groupby(history, key=lambda each: each.get("turn"))):
        if turn != number:
            raise place.error(
                f"conversation {key}: 'turn' is {turn!r} where {number} is expected; turns count "
                "from 0"
            )
        exchanges.append(_exchange(list(messages), place, f"turn {number}: "))
    _, person = people.get(user, (place, {}))
    texts = (_text(person, name, place) if person else "" for name in TEXTS)
    return Conversation(
        id=key,
        exchanges=tuple(exchanges),
        persona=described(f"prism {user}", *texts),
        user=HUMAN,
        rater=f"{HUMAN}:{user}",
    )


def _exchange(messages: Sequence[Fields], place: Place, where: str) -> ConversationTurn:
    first, *others = messages
    if first.get("role") != "user":
        raise place.error(f"{where}'role' is {first.get('role')!r} where 'user' is expected")
    replies = []
    for number, each in enumerate(others, 1):
        at = f"{where}reply {number}: "
        if each.get("role") != "model":
            raise place.error(f"{at}'role' is {each.get('role')!r} where 'model' is expected")
        replies.append(
            ScoredReply(
                text=_text(each, "content", place, at),
                agent=read_text(each, "model_name", place, at),
                score=read_number(each, "score", place, at),
            )
        )
    chosen = [number for number, each in enumerate(others) if _chosen(each, place, where)]
    if others and not chosen:
        raise place.error(f"{where}no reply has 'if_chosen' true, and one is expected to")
    if len({replies[number] for number in chosen}) > 1:
        raise place.error(
            f"{where}several replies have 'if_chosen' true; the talk goes on with one"
        )
    message = _text(first, "content", place, where)
    if not visible(message):
        raise place.error(f"{where}'content' of the user is empty")
    return ConversationTurn(
        message=message, replies=tuple(replies), goes_on=chosen[0] if chosen else 0
    )


def _chosen(fields: Fields, place: Place, where: str) -> bool:
    value = fields.get("if_chosen")
    if not isinstance(value, bool):
        raise place.error(f"{where}'if_chosen' is {value!r}; true or false is expected")
    return value


def _text(fields: Fields, name: str, place: Place, where: str = "") -> str:
    text = read_text(fields, name, place, where, empty=True)
    return "" if text == EMPTY else text


def _history(key: str, rows: Sequence[tuple[Place, Fields]]) -> Fields:
    """Return the lines of one conversation as conversations.jsonl has it."""
    ordered = sorted(
        rows,
        key=lambda row: tuple(read_number(row[1], n, row[0]) for n in ("turn", "within_turn_id")),
    )
    history: list[Fields] = []
    for place, row in ordered:
        prompt = {"turn": row["turn"], "role": "user", "content": row["user_prompt"]}
        if not history or history[-1]["turn"] != row["turn"]:
            opened = prompt
            history.append(opened)
        elif prompt != opened:
            raise place.error(f"turn {row['turn']}: 'user_prompt' differs from the line before")
        copied = {name: row.get(name) for name in ("turn", "model_name", "score", "if_chosen")}
        history.append({**copied, "role": "model", "content": row["model_response"]})
    user = ordered[0][1].get("user_id")
    return {"conversation_id": key, "user_id": user, "conversation_history": history}
