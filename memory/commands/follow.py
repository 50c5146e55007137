"""Watch the log of a run that another process is writing."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aloe.calls.recorded_call import RecordedCall
    from aloe.memory.run_folder import RunFolder

PAUSE = 0.25
"""Seconds between two looks at the file."""

STILL = 2.0
"""Seconds without a new line after which it is asked whether anybody is still writing."""


def new_exchanges(folder: "RunFolder", *, last: int) -> "Iterator[RecordedCall]":
    """Yield the `last` calls in the log, then new ones as they end, until nobody writes."""
    from aloe.calls.recorded_call import join_messages

    offset = folder.events.stat().st_size if folder.events.exists() else 0
    past = deque(join_messages(_lines(folder, until=offset)), maxlen=last)
    yield from past
    yield from join_messages(_lines(folder, start=offset))


def _lines(
    folder: "RunFolder", *, start: int = 0, until: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the events from byte `start`; up to byte `until`, or as long as somebody writes."""
    from aloe.calls.event import parse_event

    heard = time.monotonic()
    while not folder.events.exists() and folder.busy():
        time.sleep(PAUSE)
    if not folder.events.exists():
        return
    with folder.events.open("rb") as file:
        file.seek(start)
        while True:
            place = file.tell()
            line = file.readline()
            if line.endswith(b"\n"):
                heard = time.monotonic()
                with suppress(ValueError):  # it is not for whoever looks on to refuse a line
                    yield parse_event(line)
            elif until is not None:
                return
            else:
                file.seek(place)  # half a line: the rest is on its way
                if time.monotonic() - heard > STILL and not folder.busy():
                    return
                time.sleep(PAUSE)
