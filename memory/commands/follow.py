"""Watch the log of a run that another process is writing."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from aloe.calls.recorded_call import RecordedCall
    from aloe.memory.run_folder import RunFolder
    from aloe.models.open import Message

T = TypeVar("T")

PAUSE = 0.25
"""Seconds between two looks at the file."""

STILL = 2.0
"""Seconds without a new line after which it is asked whether anybody is still writing."""


def follow_calls(
    folder: "RunFolder", show: "Callable[[RecordedCall], T | None]", *, last: int
) -> Iterator[T]:
    """Yield what is shown of calls: the `last` in the log, then new ones until nobody writes.

    Args:
        folder: the run.
        show: told of every call in order; returns None for one that is not to be shown.
        last: how many of the past.
    """
    from aloe.calls.recorded_call import join_event

    texts: dict[str, Message] = {}
    past: deque[T] = deque(maxlen=last)
    caught_up = False
    for event in _lines(folder):
        if event is None:
            caught_up = True
            yield from past
            past.clear()
        elif (shown := show(join_event(event, texts))) is not None:
            if caught_up:
                yield shown
            else:
                past.append(shown)


def _lines(folder: "RunFolder") -> Iterator[dict[str, Any] | None]:
    """Yield the events, and None whenever all that is there is read, while somebody writes."""
    from aloe.calls.event import parse_event

    heard = time.monotonic()
    while not folder.events.exists() and folder.busy():
        time.sleep(PAUSE)
    if not folder.events.exists():
        return
    with folder.events.open("rb") as file:
        while True:
            place = file.tell()
            line = file.readline()
            if line.endswith(b"\n"):
                heard = time.monotonic()
                with suppress(ValueError):  # it is not for whoever looks on to refuse a line
                    yield parse_event(line)
            else:
                file.seek(place)  # half a line: the rest is on its way
                yield None
                if time.monotonic() - heard > STILL and not folder.busy():
                    return
                time.sleep(PAUSE)
