"""One model call as a line of events.jsonl: written when it ends, read when a run is resumed.

A kill may tear the last line, and a line may not be an event at all: both are skipped.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from aloe.files.writing import explain_failure
from aloe.models.open import Message


@dataclass(kw_only=True)
class Event:
    """One model call, as in events.jsonl."""

    role: str
    """Name of the agent that called."""
    model: str
    tree: str | None
    """Tree the call worked for; None outside of trees."""
    node: str | None
    """Node that the call wrote, judged or read; of a failed call, the node it answered."""
    outcome: str = "ok"
    """`ok`, a fault such as `empty` or `unreadable`, or `error`."""
    started: float = 0.0
    """Unix time in seconds."""
    latency: float = 0.0
    """Seconds from the question to the answer."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    """US dollars; None if the model's price is not known."""
    key: str = ""
    """Hash of role, model, messages and arguments, the sampling seed among them."""
    carried: bool = False
    """Whether the line comes from another run, so that nothing was spent on it in this one."""
    prompt: list[str] = field(default_factory=list)
    """Ids of the messages that were sent, in order."""
    texts: dict[str, Message] = field(default_factory=dict)
    """Role and text by id, of the messages that no earlier line of the tree spells out."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """What was sent beside the messages and the sampling settings of the role."""
    reply: dict[str, Any] | None = None
    """The answer as it came; None if the call failed."""
    error: str | None = None


@contextmanager
def appending(path: Path) -> Iterator[TextIO]:
    """Open an events file for further lines; what could not be written has been reported then.

    Raises:
        StoreError: it cannot be opened.
    """
    with explain_failure(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def write_event(file: TextIO, event: Event) -> None:
    """Add one line.

    Raises:
        StoreError: it cannot be written (a full disk, say).
    """
    then = "finished work is kept: free some space, then run the same command again"
    with explain_failure("the log of calls", then):
        file.write(json.dumps(vars(event), ensure_ascii=False) + "\n")
        file.flush()


def read_events(path: Path, tree: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the events of one tree, or of all; those of other trees are passed over unread."""
    if not path.exists():
        return
    wanted = (tree or "").encode()
    with path.open("rb") as file:  # in text mode, a bare carriage return would end a line too
        for line in file:
            if (
                wanted in line
                and (event := parse_event(line)) is not None
                and (tree is None or event.get("tree") == tree)
            ):
                yield event


def parse_event(line: bytes) -> dict[str, Any] | None:
    """Return the event in a line; None for a torn line, left by a kill."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
