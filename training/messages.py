"""Messages from files, converted to the form used in training.

A message is a role and a text. The text may be OpenAI's list of text parts; anything else in a
message (tool calls, pictures, reasoning) would be lost on the way to the template, so such a row is
refused. A reply is one message by the assistant. A whole conversation gives one row per reply, each
with everything said before it: packing computes the shared part once, so learning only the last
reply would save nothing.
"""

from collections.abc import Iterator
from typing import Any

from aloe.files.fields import list_held
from aloe.training.export import ChatMessage
from aloe.wording import visible

ROLES = ("system", "user", "assistant")

Turn = tuple[list[ChatMessage], list[ChatMessage]]
"""A prompt and the one message that replies to it."""


class UnfitError(Exception):
    """A row cannot be trained on; says why, for the error that names its line."""


def read_prompt(value: Any) -> list[ChatMessage]:
    """Return the messages of a prompt, which ends with one of the user.

    Raises:
        UnfitError: it is something else.
    """
    messages = _messages(value, "prompt")
    if not messages or not visible(messages[-1]["content"]):
        raise UnfitError("'prompt' is empty")
    if messages[-1]["role"] != "user":
        raise UnfitError("'prompt' must end with a user message")
    return messages


def read_reply(value: Any, column: str) -> list[ChatMessage]:
    """Return a reply as a list of one message.

    Raises:
        UnfitError: it is something else.
    """
    messages = _messages(value, column)
    if not messages or not visible(messages[-1]["content"]):
        raise UnfitError(f"'{column}' is empty")
    if len(messages) > 1:
        raise UnfitError(
            f"'{column}' has {len(messages)} messages and a reply is one; put those before it into "
            "'prompt', or give whole conversations as 'messages' to sft"
        )
    if (role := messages[0]["role"]) != "assistant":
        raise UnfitError(f"'{column}' has the role '{role}'; a reply has 'assistant'")
    return messages


def read_turns(value: Any) -> Iterator[Turn]:
    """Yield every reply of a conversation in OpenAI's layout, with what was said before it.

    A reply with `"weight": 0` is part of what was said and is not learnt.

    Raises:
        UnfitError: a reply answers nothing, a message is left without one, or there is none.
    """
    column = "messages"
    weights = [_weight(raw, number) for number, raw in enumerate(_list(value, column), 1)]
    messages = _messages([_without_weight(raw) for raw in value], column)
    if messages and messages[-1]["role"] != "assistant":
        raise UnfitError("'messages' does not end with a reply of the assistant")
    if not any(messages[i]["role"] == "assistant" and w for i, w in enumerate(weights)):
        raise UnfitError("'messages' holds no reply to learn")
    for place, (message, weight) in enumerate(zip(messages, weights, strict=True)):
        if message["role"] == "assistant" and weight:
            yield _turn(messages, place)


def _turn(messages: list[ChatMessage], place: int) -> Turn:
    where = f"message {place + 1} of 'messages'"
    if not place or messages[place - 1]["role"] != "user":
        raise UnfitError(f'{where} replies to no user message; with "weight": 0 it is not learnt')
    for number in (place, place + 1):
        if not visible(messages[number - 1]["content"]):
            raise UnfitError(f"message {number} of 'messages' is empty")
    return messages[:place], [messages[place]]


def _weight(raw: Any, number: int) -> int:
    """Return 1 if a message is to be learnt, 0 if not."""
    role, weight = (raw.get("role"), raw.get("weight")) if isinstance(raw, dict) else (None, None)
    if weight is None:
        return 1
    if isinstance(weight, bool) or weight not in (0, 1):
        raise UnfitError(f"message {number} of 'messages' has the weight {weight!r}, not 0 or 1")
    if weight and role != "assistant":
        raise UnfitError(f"message {number} of 'messages' has a weight, which only replies have")
    return int(weight)


def _without_weight(raw: Any) -> Any:
    return {k: v for k, v in raw.items() if k != "weight"} if isinstance(raw, dict) else raw


def _list(value: Any, column: str) -> list[Any]:
    if not isinstance(value, list):
        raise UnfitError(f"'{column}' is not a list of messages with role and content")
    return value


def _messages(value: Any, column: str) -> list[ChatMessage]:
    raws = enumerate(_list(value, column), 1)
    return [_message(raw, f"message {number} of '{column}'") for number, raw in raws]


def _message(raw: Any, where: str) -> ChatMessage:
    if not isinstance(raw, dict):
        raise UnfitError(f"{where} is not an object with role and content")
    if (role := raw.get("role")) not in ROLES:
        raise UnfitError(f"{where} has the role {role!r}; known are {', '.join(ROLES)}")
    for key in list_held(raw):
        if key not in ("role", "content"):
            raise UnfitError(f"{where} has '{key}'; only role and content are trained on")
    return {"role": role, "content": _content(raw.get("content"), where)}


def _content(value: Any, where: str) -> str:
    if isinstance(value, list):
        value = "\n".join(_part(part, where) for part in value)
    if not isinstance(value, str):
        raise UnfitError(f"{where} has no text as its content")
    return value


def _part(part: Any, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get("text") if isinstance(part, dict) else None
    if kind != "text" or not isinstance(text, str):
        raise UnfitError(f"{where} has a part of type {kind!r}; only text is trained on")
    return text
