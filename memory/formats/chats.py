"""Plain conversations: OpenAI's `messages`, ShareGPT, WildChat and SimulatorArena.

One path each, without siblings and without a comparison. The user begins and turns alternate; a
conversation that does otherwise is refused, not mended: where two messages of one side follow each
other, nobody knows what the second answers. A last message without a reply stays, as a leaf. A
message with more than text, such as a call of a tool, is refused: its text alone was never said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from aloe.files.fields import list_held
from aloe.files.lines import Place
from aloe.memory.formats.conversation import (
    IMPORTED,
    Conversation,
    ConversationTurn,
    ScoredReply,
    unknown,
)
from aloe.memory.formats.fields import (
    Fields,
    read_list,
    read_name,
    read_text,
    sort_of,
)
from aloe.schema import digest
from aloe.verdict import HUMAN
from aloe.wording import visible

Said = tuple[str, str]
"""Role (`system`, `user` or `assistant`) and text of a message."""

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
SHAREGPT = {
    "system": "system", "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant",
    "assistant": "assistant", "bing": "assistant", "bard": "assistant",
}  # fmt: skip
"""Roles of `from`, by what is written there."""


CALLS = ("tool_calls", "tool_call", "tool_call_id", "function_call")
MEDIA = ("images", "image", "audio", "video", "files", "refusal")
"""Fields of a message that are part of what was said; others, such as a date, are about it."""

REASONING = {"reasoning", "reasoning_content", "reasoning_details", "thinking"}
"""Fields that hold what a model thought before it replied."""

TEXTS = (None, "text", "input_text", "output_text")
"""Types of the parts that are text."""
THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
"""Types of the parts that are what a model thought."""

SYSTEM_FIELDS = ("system", "system_prompt")
"""Fields of a record beside its messages that hold a system message."""


def count_reasoning(record: Fields) -> int:
    """Return how many messages of a record come with what a model thought before them."""
    lists = (value for value in record.values() if isinstance(value, list))
    messages = (each for value in lists for each in value if isinstance(each, dict))
    return sum(not REASONING.isdisjoint(list_held(each)) or _thinks(each) for each in messages)


def _thinks(message: Fields) -> bool:
    """Whether a part of a message is what a model thought."""
    lists = (value for value in message.values() if isinstance(value, list))
    parts = (each for value in lists for each in value if isinstance(each, dict))
    return any(part.get("type") in THOUGHTS for part in parts)


def convert_messages(record: Fields, place: Place) -> Conversation:
    """Return a record with OpenAI's or Anthropic's `messages`; `system` may stand beside them."""
    said = add_system(record, read_messages(record, "messages", place), place)
    return _talk(said, place, read_name(record, "id", place))


def convert_sharegpt(record: Fields, place: Place) -> Conversation:
    """Return a record of ShareGPT, with `from` and `value`; `system` may stand beside them."""
    turns = read_list(record, "conversations", place)
    said = [_sharegpt(turn, place, number) for number, turn in enumerate(turns, 1)]
    return _talk(add_system(record, said, place), place, read_name(record, "id", place))


def convert_wildchat(record: Fields, place: Place) -> Conversation:
    """Return a row of WildChat: people talking with the `model` named."""
    name = "conversation_hash" if "conversation_hash" in record else "conversation_id"
    key = read_text(record, name, place)
    said = read_messages(record, "conversation", place)
    model = read_text(record, "model", place)
    return _talk(said, place, key, agent=model, user=HUMAN)


def convert_arena(record: Fields, place: Place) -> Conversation:
    """Return a dialogue of SimulatorArena, of a person at work with the `model` named."""
    asked = _texts(record, "user_queries", place, empty=False)
    answered = _texts(record, "ai_responses", place, empty=True)
    if len(asked) - len(answered) not in (0, 1):
        raise place.error(
            f"'user_queries' has {len(asked)} texts and 'ai_responses' {len(answered)}; as many "
            "are expected, or one more query"
        )
    said: list[Said] = []
    for query, response in zip_longest(asked, answered):
        said += (
            [("user", query)] if response is None else [("user", query), ("assistant", response)]
        )
    model = read_text(record, "model", place)
    found = _talk(said, place, None, agent=model, user=HUMAN)
    person = read_name(record, "workerId", place)
    return replace(found, persona=unknown(person)) if person else found


def _texts(record: Fields, name: str, place: Place, *, empty: bool) -> list[str]:
    found = record.get(name)
    if not isinstance(found, list) or not found:
        raise place.error(f"'{name}' is {sort_of(found)}; a list of texts is expected")
    for number, each in enumerate(found, 1):
        if not isinstance(each, str):
            raise place.error(f"item {number} of '{name}' is no text but {sort_of(each)}")
        if not empty and not visible(each):
            raise place.error(f"item {number} of '{name}' is empty")
    return found


def has_messages(value: Any, keys: set[str]) -> bool:
    """Return whether a value is a list of objects that have these keys."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and keys <= each.keys() for each in value)
    )


def read_messages(record: Fields, name: str, place: Place) -> list[Said]:
    """Return the messages of a field, whose roles are those of OpenAI's chat.

    Raises:
        InputError: one has another role, or no text.
    """
    return [
        _message(message, ROLES, "role", "content", place, f"message {number} of '{name}': ")
        for number, message in enumerate(read_list(record, name, place), 1)
    ]


def add_system(
    record: Fields, said: Sequence[Said], place: Place, names: Sequence[str] = SYSTEM_FIELDS
) -> list[Said]:
    """Return messages with the system message that fields beside them hold, if any.

    One that stands in several places is one; different ones are put together.

    Raises:
        InputError: a field holds anything but text.
    """
    told = [text for name in names if visible(text := _system(record, name, place))]
    if not told:
        return list(said)
    opens = bool(said) and said[0][0] == "system"
    texts = dict.fromkeys([*told, said[0][1]] if opens else told)
    return [("system", "\n\n".join(texts)), *said[opens:]]


def _system(record: Fields, name: str, place: Place) -> str:
    if name not in list_held(record):
        return ""
    text = record[name]
    if isinstance(text, list):
        return "\n".join(_parts(text, place, f"'{name}' "))
    return read_text(record, name, place, empty=True)


def take_turns(
    said: Sequence[Said], place: Place, *, agent: str = IMPORTED, what: str = ""
) -> tuple[tuple[ConversationTurn, ...], bool]:
    """Return the exchanges of a conversation, and whether a system message opened it.

    Raises:
        InputError: it does not begin with the user, or the two do not take turns.
    """
    system = bool(said) and said[0][0] == "system"
    rest = said[1:] if system else said
    where = f"{what}: " if what else ""
    if not rest:
        raise place.error(f"{where}holds no message of a user")
    for number, (role, _) in enumerate(rest):
        wanted = ("user", "assistant")[number % 2]
        if role != wanted:
            at = number + 1 + system
            raise place.error(
                f"{where}message {at} is by the {role}; expected the {wanted} here: a conversation "
                "begins with the user, and the two take turns"
            )
    pairs = [rest[at : at + 2] for at in range(0, len(rest), 2)]
    exchanges = (
        ConversationTurn(
            message=pair[0][1],
            replies=tuple(ScoredReply(text=text, agent=agent) for _, text in pair[1:]),
        )
        for pair in pairs
    )
    return tuple(exchanges), system


def _talk(
    said: Sequence[Said],
    place: Place,
    key: str | None,
    *,
    agent: str = IMPORTED,
    user: str = IMPORTED,
) -> Conversation:
    exchanges, system = take_turns(said, place, agent=agent)
    name = key or digest(said)
    return Conversation(
        id=name, exchanges=exchanges, persona=unknown(name), user=user, system=system
    )


def _sharegpt(turn: Fields, place: Place, number: int) -> Said:
    where = f"message {number} of 'conversations': "
    return _message(turn, SHAREGPT, "from", "value", place, where)


def _message(
    message: Fields, roles: Mapping[str, str], by: str, content: str, place: Place, where: str
) -> Said:
    role = message.get(by)
    if not isinstance(role, str) or role not in roles:
        known = ", ".join(roles)
        raise place.error(f"{where}'{by}' is {role!r}; expected is one of {known}")
    text = message.get(content)
    if isinstance(text, list):
        text = "\n".join(_parts(text, place, f"{where}'{content}' "))
    for name in list_held(message):
        if name in CALLS or name in MEDIA:
            does = "calls a tool" if name in CALLS else f"has '{name}'"
            raise place.error(f"{where}{does}; trees hold text only")
    by_user = roles[role] == "user"
    if text is None and content in message and not by_user:
        text = ""
    return roles[role], read_text({content: text}, content, place, where, empty=not by_user)


def _parts(parts: Sequence[Any], place: Place, where: str) -> Iterator[str]:
    """Yield the texts of parts; what a model thought is left out.

    Raises:
        InputError: a part is anything else.
    """
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else None
        kind = part.get("type") if isinstance(part, dict) else sort_of(part)
        if kind in THOUGHTS:
            continue
        if not isinstance(text, str) or kind not in TEXTS:
            raise place.error(f"{where}has a part that is {kind!r}; trees hold text only")
        yield text
