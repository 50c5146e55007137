"""What can be seen to be wrong with a message without asking a model.

Simulators fail in known ways: they speak as the assistant, narrate, repeat what was said, say
nothing, only think, talk at length, or are cut off by a limit, a filter or a fault. Each is
detected by a plain rule, so that a message can be asked for again with the reason counted, and a
fault that stays is recorded on its node instead of passing as data.
"""

import re
from collections.abc import Iterable

from aloe.markup import message_in
from aloe.reply import Reply
from aloe.schema import Fault, sentences

ECHO_SHARE = 0.7
"""Share of a message's word trigrams found in one earlier message from which it is an echo."""

_AS_ASSISTANT = re.compile(
    r"\bas an? (?:\w+ )?(?:ai|language model)\b|\bI(?:'m| am) (?:just )?an? (?:ai|language model)\b"
    r"|\bhow (?:can|may) I (?:help|assist) you\b|\bI(?:'m| am) here to (?:help|assist)\b",
    re.IGNORECASE,
)
# One asterisk hugging each end, so neither **bold** nor 2 * 3 * 4; a single emphasised word inside
# a line is no stage direction.
_SPAN = r"(?<![*\w])\*(?![*\s])[^*\n]*(?<!\s)\*(?![*\w])"
_NARRATION = re.compile(rf"(?:^|\n)\s*{_SPAN}|{_SPAN}\s*(?:$|\n)|(?=\*[^\s*]+ ){_SPAN}")
_ENDINGS: dict[str, Fault] = {"length": "truncated", "content_filter": "filtered"}
_LABEL = re.compile(r"^(?:user|me|person|message|assistant|reply)\s*:\s*", re.IGNORECASE)


def tidied(reply: Reply) -> str:
    """Return the message without label, cut back to whole sentences if it was cut off."""
    text = reply.text
    if label := _LABEL.match(text):
        text = message_in(text[label.end() :])
    if reply.finish != "stop":
        whole = [piece for piece in sentences(text) if piece[-1] in ".!?"]
        text = " ".join(whole) or text
    return text


def user_faults(
    text: str, reply: Reply, earlier: Iterable[str], *, most_words: int
) -> tuple[Fault, ...]:
    """Return what is wrong with a simulated user's message, given all earlier messages.

    Args:
        text: the message, tidied.
        reply: what it was made from.
        earlier: all messages of the path, the assistant's too.
        most_words: a message with more is over-long.
    """
    if not text:
        return (silence(reply),)
    faults: list[Fault] = []
    if _AS_ASSISTANT.search(text):
        faults.append("role_confusion")
    if _NARRATION.search(text):
        faults.append("narration")
    if any(echoes(text, other) for other in earlier):
        faults.append("echo")
    if len(text.split()) > most_words:
        faults.append("over_long")
    cut = ending_fault(reply)
    if cut and (cut != "truncated" or text[-1] not in ".!?"):
        faults.append(cut)
    return tuple(faults)


def assistant_faults(text: str, reply: Reply) -> tuple[Fault, ...]:
    """Return what is wrong with a candidate reply as training data."""
    if not text:
        return (silence(reply),)
    cut = ending_fault(reply)
    return (cut,) if cut else ()


def ending_fault(reply: Reply) -> Fault | None:
    """Return what is wrong with how a reply ended; None if it is whole."""
    if reply.finish == "stop":
        return None
    return _ENDINGS.get(reply.finish, "failed")


def silence(reply: Reply) -> Fault:
    """Return the fault of a reply without a message."""
    return "only_reasoning" if reply.only_reasoned else "empty"


def echoes(text: str, other: str) -> bool:
    """Whether most of `text` stands in `other`."""
    mine, theirs = _trigrams(text), _trigrams(other)
    return bool(mine) and len(mine & theirs) / len(mine) >= ECHO_SHARE


def _trigrams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    size = min(3, len(words))
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)} if words else set()
