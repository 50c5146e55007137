"""Calls as a list, one a line, the way a log is read."""

from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from aloe.control_characters import show_controls

if TYPE_CHECKING:
    from aloe.calls.recorded_call import RecordedCall


def call_line(exchange: "RecordedCall", words: str | None = None) -> Text:
    """Return when, who, for which tree and node, how it went, what it took and the words.

    Args:
        exchange: the call.
        words: what it came to; None for the answer as it came.
    """
    event = exchange.event
    ok = event["outcome"] == "ok"
    start = datetime.fromtimestamp(event["started"]).astimezone()
    said = event["error"] or exchange.text if words is None else words
    return Text.assemble(
        (f"{start:%H:%M:%S} ", "dim"),
        (f"{event['role']:<8} ", "bold"),
        (f"{(event['tree'] or '-')[:6]} {(event['node'] or '-')[:6]} ", "dim"),
        (f"{event['outcome']:<10} ", "green" if ok else "red"),
        (f"{event['latency']:6.2f} s {event['output_tokens']:4} tok ", "dim"),
        show_controls(" ".join(said.split())),
    )


def matches(exchange: "RecordedCall", agent: str | None, search: str | None) -> bool:
    """Whether the call is one of `agent` that has `search` in what was sent or said."""
    if agent and exchange.event["role"] != agent:
        return False
    texts = [exchange.text, exchange.event["error"] or "", *(t for _, t in exchange.messages)]
    return not search or any(search.casefold() in text.casefold() for text in texts)
