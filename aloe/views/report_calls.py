"""The calls that a page holds behind its folds: all of some trees, as far as there is room."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aloe.calls.recorded_call import join_event
from aloe.views.owners import Owners

if TYPE_CHECKING:
    from aloe.models.open import Message
    from aloe.schema import Node

OWNED = ("node", "role", "about")
"""What of an event says which message it belongs to."""

ROOM = 8_000_000
"""Characters of prompts and answers that a page has room for; further trees go without."""


@dataclass
class TreeCalls:
    """The calls of one tree as the page's script reads them; each text is there once."""

    texts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)
    _spelled: "dict[str, Message]" = field(default_factory=dict)
    _logged: list[dict[str, Any]] = field(default_factory=list)

    def data(self, nodes: "Iterable[Node]") -> dict[str, Any]:
        """Return what the page holds; `nodes` are the messages that calls may belong to."""
        owners = Owners(nodes)
        named = [{"node": owners.of(each)} for each in self._logged]
        return {
            "texts": self.texts,
            "calls": [name | call for name, call in zip(named, self.calls, strict=True)],
        }

    def add(self, event: Mapping[str, Any]) -> int:
        """Keep a call of the tree, given in order; return how many characters that took."""
        call, before = join_event(event, self._spelled), len(self.texts)
        sent = [[role, self._place(text)] for role, text in call.messages]
        self._logged.append({key: event[key] for key in OWNED if key in event})
        self.calls.append(
            {
                "role": event["role"],
                "model": event.get("model", ""),
                "outcome": event["outcome"],
                "took": _took(event),
                "sent": sent,
                "thoughts": call.thoughts,
                "said": event["error"] or call.text,
            }
        )
        return sum(map(len, (*self.texts[before:], call.text, call.thoughts)))

    def _place(self, text: str) -> int:
        """Return where a text is, once it is there."""
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
        return self._places[text]


def _took(event: Mapping[str, Any]) -> str:
    cost = "" if event["cost"] is None else f", ${event['cost']:.6f}"
    return (
        f"{event['latency']:.2f} s, {event['input_tokens']:,} tokens read, "
        f"{event['output_tokens']:,} written{cost}"
    )


class CallShelf:
    """Calls by tree, of the trees that are to be shown.

    Args:
        wanted: ids of these trees, the most wanted first.
        room: characters that there is room for.
    """

    def __init__(self, wanted: Iterable[str], room: int = ROOM) -> None:
        self._held = {tree: TreeCalls() for tree in wanted}
        self._sizes = dict.fromkeys(self._held, 0)
        self._room = room
        self._taken = 0

    def watch(self, events: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield the events of a run as they are, and keep what is wanted of them."""
        for event in events:
            tree = event["tree"]
            if tree in self._held:
                size = self._held[tree].add(event)
                self._sizes[tree] += size
                self._taken += size
                self._make_room()
            yield event

    def of(self, tree: str, nodes: "Iterable[Node]") -> dict[str, Any] | None:
        """Return the calls of a tree for the page; None if there was no room for them.

        Args:
            tree: its id.
            nodes: its messages; none of one that failed.
        """
        return self._held[tree].data(nodes) if tree in self._held else None

    def _make_room(self) -> None:
        """Let go of the least wanted trees until the others fit; of the first in any case not."""
        while len(self._held) > 1 and self._taken > self._room:
            last, _ = self._held.popitem()
            self._taken -= self._sizes.pop(last)
