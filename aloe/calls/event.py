"""One model call as a line of events.jsonl: written when it ends, read when a run is resumed.

A kill may tear the last line, which is skipped. Any other line that is not an event is refused: its
content is lost, and a run that resumed without it would pay for its call again.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NotRequired, TextIO

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from aloe.errors import InputError
from aloe.files.records import describe
from aloe.files.writing import explain_failure
from aloe.finish import Finish
from aloe.models.open import Message, Reply
from aloe.models.usage import Usage

OPTIONAL = ("batch", "too_long", "estimated")
"""Fields that are in a line only if they say something."""

_LINES = json.JSONEncoder(ensure_ascii=False)


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
    batch: str | None = None
    """Id of the batch that brought the answer; not in the line if the call was made at once."""
    too_long: bool = False
    """Whether the call failed because the conversation exceeds the model's context; in the line
    only if so."""
    estimated: bool = False
    """Whether the tokens of a failed call are made from its prompt; in the line only if so."""
    about: str | None = None
    """Node that the call was opened for: of a message, the one it answers, and None of the opening
    one; in the line only if it is another than `node`."""

    def enter(self, usage: Usage | Reply | None) -> None:
        """Note how many tokens the call took; nothing if nobody knows."""
        if usage is not None:
            self.input_tokens = usage.input_tokens
            self.cached_tokens = usage.cached_tokens
            self.output_tokens = usage.output_tokens


class _Reply(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow", allow_inf_nan=False, strict=True)  # type: ignore[misc]
    text: str
    finish: NotRequired[Finish]
    input_tokens: NotRequired[int]
    cached_tokens: NotRequired[int]
    output_tokens: NotRequired[int]
    logprobs: NotRequired[dict[str, float] | None]
    raw: NotRequired[str | None]
    reasoning: NotRequired[str]
    reasoning_tokens: NotRequired[int]
    estimated: NotRequired[bool]


class _Line(TypedDict):
    """What readers rely on; runs from before something was recorded lack it."""

    __pydantic_config__ = ConfigDict(extra="allow", allow_inf_nan=False, strict=True)  # type: ignore[misc]
    role: str
    model: NotRequired[str]
    tree: str | None
    node: str | None
    outcome: str
    started: NotRequired[float]
    latency: float
    input_tokens: int
    cached_tokens: NotRequired[int]
    output_tokens: int
    cost: float | None
    key: str
    carried: NotRequired[bool]
    prompt: NotRequired[list[str]]
    texts: NotRequired[dict[str, tuple[str, str]]]
    arguments: NotRequired[dict[str, Any]]
    reply: _Reply | None
    error: str | None
    batch: NotRequired[str | None]
    too_long: NotRequired[bool]
    about: NotRequired[str | None]
    estimated: NotRequired[bool]


@cache
def _adapter() -> TypeAdapter[_Line]:
    return TypeAdapter(_Line)


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
        fields = {k: v for k, v in vars(event).items() if v or k not in OPTIONAL}
        if event.about == event.node:
            del fields["about"]
        file.write(_LINES.encode(fields) + "\n")
        file.flush()


def read_events(path: Path, tree: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the events of one tree, or of all; those of other trees are passed over unread.

    Raises:
        InputError: a line is not an event (with its number).
    """
    if not path.exists():
        return
    wanted = (tree or "").encode()
    with path.open("rb") as file:  # in text mode, a bare carriage return would end a line too
        for number, line in enumerate(file, 1):
            if wanted not in line:
                continue
            try:
                event = parse_event(line)
            except ValueError as error:
                if not line.endswith(b"\n"):
                    return
                raise InputError(path, f"{error}; delete the line", line=number) from None
            if tree is None or event.get("tree") == tree:
                yield event


def parse_event(line: bytes) -> dict[str, Any]:
    """Return the event in a line.

    Raises:
        ValueError: it holds none; the message says why.
    """
    try:
        return dict(_adapter().validate_json(line))
    except ValidationError as error:
        raise ValueError(describe(error, "not a recorded call")) from None
