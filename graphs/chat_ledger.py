"""What a conversation has brought to light, as far as a program can tell.

No model is asked here, so it costs nothing to look after every reply: which wishes were said, which
of them a reply keeps, and what the assistants asked about. What else people say of themselves is
the inducer's to mark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aloe.agents.disclosing import texts_of_user
from aloe.memory.questions import find_questions_in
from aloe.memory.verifiable.asking import OPEN, find_asked
from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.hearing import find_all_heard, find_heard, find_wishing
from aloe.memory.verifiable.scoring import check_wishes
from aloe.schema import (
    AssistantNode,
    Disclosure,
    Node,
    Persona,
    Telling,
    list_revealed,
)


@dataclass(frozen=True, kw_only=True)
class WishMark:
    """One wish, and what a reply makes of it."""

    dimension: str
    value: str
    said: bool
    """Whether the person has said it by now."""
    kept: bool | None
    """None where there is no reply to look at."""

    @property
    def words(self) -> str:
        """The wish as people state it."""
        return find_wish(self.dimension, self.value).trait


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What is known of the person, and what was asked."""

    told: tuple[Disclosure, ...]
    """What the person said of themselves, oldest first."""
    wishes: Mapping[str, str]
    """Wanted value by dimension: those that the persona has, or else those that were said."""
    said: frozenset[str]
    """Dimensions of the wishes that were said, and not their opposites."""
    asked: tuple[str, ...]
    """Questions of the replies that the conversation went on with."""

    def marks(self, reply: AssistantNode | None) -> list[WishMark]:
        """Return the wishes, and whether `reply` keeps them."""
        says = reply is not None and bool(reply.content)
        kept = check_wishes(self.wishes, reply.content) if reply and says else {}
        return [
            WishMark(dimension=name, value=value, said=name in self.said, kept=kept.get(name))
            for name, value in self.wishes.items()
        ]


def keep_ledger(persona: Persona, path: Sequence[Node]) -> Ledger:
    """Return what the messages of a path have brought to light."""
    said = find_all_heard(texts_of_user(path))
    wishes = persona.preferences or said
    return Ledger(
        told=list_revealed(path),
        wishes=wishes,
        said=frozenset(name for name, value in said.items() if wishes.get(name) == value),
        asked=tuple(
            question
            for number, node in enumerate(path)
            if isinstance(node, AssistantNode)
            for question in find_questions_in(node.content, texts_of_user(path[:number]))
        ),
    )


def mark_wishes(text: str) -> tuple[Disclosure, ...]:
    """Return the sentences of a message that state a wish."""
    return tuple(Disclosure(quote=each) for each in find_wishing(text))


def note_tellings(text: str, path: Sequence[Node]) -> dict[str, Any]:
    """Return what a message states of wishes for the first time, and what a question came to.

    Args:
        text: the message.
        path: what was said before it.

    Returns:
        `told` and `asked` of a user's node.
    """
    reply = path[-1] if path and isinstance(path[-1], AssistantNode) else None
    known = find_all_heard(texts_of_user(path))
    stated = find_heard(text)
    questions = find_questions_in(reply.content, texts_of_user(path)) if reply else ()
    about = {name for each in questions if (name := find_asked(each))}
    told = tuple(
        _telling(name, value, about, reply)
        for name, value in stated.items()
        if known.get(name) != value
    )
    if any(each.why == "asked" for each in told):
        return {"told": told, "asked": "told"}
    again = about & {*stated, *([OPEN] if stated else [])}
    return {"told": told, "asked": "again" if again else None}


def _telling(name: str, value: str, about: set[str], reply: AssistantNode | None) -> Telling:
    """Return why a wish is stated: it was asked for, the reply breaks it, or neither."""
    if reply is not None and about & {name, OPEN}:
        return Telling(about=name, why="asked", reply=reply.id)
    if reply is not None and not find_wish(name, value).kept(reply.content):
        return Telling(about=name, why="contradicted", reply=reply.id)
    return Telling(about=name, why="volunteered")
