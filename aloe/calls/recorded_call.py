"""What passed between an agent and its model: an event with its messages put in their place.

Events list the messages that were sent and spell each out once per tree (see `aloe.calls.log`);
read in order, the lines of a tree contain everything. Runs too old to have recorded this have no
messages, and say so.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aloe.calls.event import read_events
from aloe.models.markup import message_in
from aloe.models.thoughts import joined_thoughts

if TYPE_CHECKING:
    from aloe.models.open import Message


@dataclass(frozen=True, kw_only=True)
class RecordedCall:
    """One model call with what was sent."""

    event: Mapping[str, Any]
    """The line of events.jsonl; see `aloe.calls.event.Event`."""
    messages: "tuple[Message, ...]"
    """Exactly what was sent, in order; empty if the log does not hold it."""

    @property
    def text(self) -> str:
        """What the model answered; empty if the call failed."""
        return message_in(self._said)

    @property
    def thoughts(self) -> str:
        """What the model thought before it answered."""
        reply = self.event.get("reply") or {}
        return joined_thoughts(reply.get("reasoning", ""), self._said)

    @property
    def _said(self) -> str:
        reply = self.event.get("reply") or {"text": ""}
        return str(reply.get("raw") or reply["text"])


def read_calls(path: Path, tree: str | None = None) -> list[RecordedCall]:
    """Return the calls in an events file, of one tree or of all, in the order they ended."""
    return list(join_messages(read_events(path, tree)))


def join_messages(events: Iterable[Mapping[str, Any]]) -> Iterator[RecordedCall]:
    """Yield each event with its messages; `events` must hold the earlier ones of its tree."""
    texts: dict[str, Message] = {}
    for event in events:
        yield join_event(event, texts)


def join_event(event: Mapping[str, Any], texts: "dict[str, Message]") -> RecordedCall:
    """Return an event with its messages.

    Args:
        event: of some tree.
        texts: what earlier events of the tree spelled out, by name; added to.
    """
    texts |= {name: (role, text) for name, (role, text) in event.get("texts", {}).items()}
    names = event.get("prompt", [])
    known = tuple(texts[name] for name in names if name in texts)
    return RecordedCall(event=event, messages=known if len(known) == len(names) else ())
