"""Past conversations, as a model that is to answer now reads them."""

from collections.abc import Iterable

from aloe.files.lines import Place
from aloe.memory.formats.chats import Said


def join_turns(said: Iterable[Said], place: Place) -> list[dict[str, str]]:
    """Return messages in which user and assistant take turns, the user first.

    Several in a row by one of them become one, with a blank line between; system messages and what
    an assistant says before any user are left out.

    Raises:
        InputError: the last one is the user's, so the next message would be a second in a row.
    """
    found: list[dict[str, str]] = []
    for role, text in said:
        if role == "system" or (role == "assistant" and not found):
            continue
        if found and found[-1]["role"] == role:
            found[-1]["content"] += f"\n\n{text}"
        else:
            found.append({"role": role, "content": text})
    if found and found[-1]["role"] == "user":
        raise place.error("the past ends with a message of the user that nobody answered")
    return found
