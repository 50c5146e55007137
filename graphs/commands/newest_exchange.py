"""The newest exchange of one conversation, in words, for the live picture of a run.

What the user and the assistants say is shown as it comes. What the others answer is no sentence
but JSON or a letter, so it is shown when the exchange is complete and it is known what came of it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from aloe.judge_names import is_judge
from aloe.schema import AssistantNode, UserNode
from aloe.views.answers import describe_note, describe_revealed, describe_verdict
from aloe.views.folding import Pairs, said

if TYPE_CHECKING:
    from aloe.calls.event import Event
    from aloe.graphs.context import FinishedExchange

HOLD = 2.0
"""Seconds for which one conversation is shown, so that a person can read it."""

WATCHED = 64
"""Exchanges that are kept."""

LINES = 8
"""Messages of an exchange that are shown."""

FIGURES = 16
"""Lines of a screen that the figures of the run need."""

Line = tuple[str, str]
"""Who, and what."""

Place = tuple[str, str | None]
"""The tree and the user message of an exchange: branches of a tree grow at the same time."""


class NewestExchange:
    """The newest user message of a conversation with what came of it."""

    def __init__(self) -> None:
        self._lines: dict[Place, list[Line]] = {}
        self._shown: Place | None = None
        self._since = 0.0

    def add(self, event: "Event") -> None:
        """Record a finished call; one that failed, or is no sentence, says nothing.

        Nor does a reply whose message is not known.
        """
        if not event.reply or not event.tree or not _speaks(event):
            return
        line = event.role, " ".join(str(event.reply["text"]).split())
        if event.role == "user":
            self._put((event.tree, event.node), [line])
        elif lines := self._lines.get((event.tree, event.about)):
            self._put((event.tree, event.about), [*lines, line])

    def finish(self, exchange: "FinishedExchange") -> None:
        """Record an exchange that is complete."""
        user = next((each.id for each in exchange.nodes if isinstance(each, UserNode)), None)
        self._put((exchange.tree, user), list(describe_exchange(exchange)))

    def _put(self, place: Place, lines: list[Line]) -> None:
        """Keep what was said, and show it once the exchange on the screen had its time."""
        self._lines.pop(place, None)
        self._lines[place] = lines
        if len(self._lines) > WATCHED:
            del self._lines[next(iter(self._lines))]
        if self._shown not in self._lines or time.monotonic() - self._since > HOLD:
            self._shown, self._since = place, time.monotonic()

    def view(self) -> RenderableType:
        """Return a line or two for each of the messages."""
        return Lines(tuple(self._lines[self._shown] if self._shown else ())[-LINES:])


@dataclass(frozen=True)
class Lines:
    """Who said what, whole where the screen has room for it."""

    lines: tuple[Line, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        pairs = Pairs([(Text(role, "bold"), said(words)) for role, words in self.lines])
        width = options.max_width - (pairs.names if pairs.beside(options.max_width) else 2)
        texts = [text.wrap(console, max(1, width), overflow="fold") for _, text in pairs.rows]
        rooms = share_out([len(text) for text in texts], console.height - FIGURES)
        yield Pairs(
            [
                (name, _cut(list(text), room))
                for (name, _), text, room in zip(pairs.rows, texts, rooms, strict=True)
            ]
        )


def _cut(lines: Sequence[Text], room: int) -> Text:
    """Return the first of the lines, and how many more there are."""
    shown = Text("\n").join(lines[:room])
    return shown.append(f"\n… {len(lines) - room} more lines", "dim") if lines[room:] else shown


def share_out(wanted: Sequence[int], room: int) -> list[int]:
    """Return how many lines each text gets of `room`: those that want little get all they want.

    Each gets one at least.
    """
    given = [0] * len(wanted)
    for rank, place in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        given[place] = min(wanted[place], max(1, room // (len(wanted) - rank)))
        room -= given[place]
    return given


def _speaks(event: "Event") -> bool:
    """Whether an answer is a message, and neither a mark nor a vote nor a note."""
    silent = event.role in ("inducer", "reader") or is_judge(event.role)
    return not silent and "response_format" not in event.arguments


def describe_exchange(exchange: "FinishedExchange") -> Iterator[Line]:
    """Yield who did what in an exchange: words said, things revealed, notes, preferences."""
    agents = {each.id: each.agent for each in exchange.nodes if isinstance(each, AssistantNode)}
    for node in exchange.nodes:
        yield ("user" if isinstance(node, UserNode) else node.agent), " ".join(node.content.split())
        if isinstance(node, UserNode):
            yield "inducer", describe_revealed(each.quote for each in node.revealed)
        for role, note in node.notes.items():
            yield role, describe_note(note)
    for verdict in exchange.verdicts:
        yield "judge", describe_verdict(verdict, agents)
