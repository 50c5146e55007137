"""Reusing the answers of one run in another: to replay it without a server, or to fork it.

An events file holds every answer under the key of its call, which covers role, model, base URL,
messages, parameters and the sampling seed, and with it the number of the sample. So a recording is
an events file without a torn last line. A run uses it by having it in its own folder before the
first call: calls with the same key are answered from it, once each, and the rest are made.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aloe.calls.event import read_events
from aloe.errors import InputError
from aloe.files.writing import replace_chunks


def record(events: Path, file: Path) -> int:
    """Write the calls in `events` to `file`; return how many there are.

    Raises:
        StoreError: the file cannot be written.
    """
    return _write(file, read_events(events))


def carry(
    source: Path, events: Path, stands: Callable[[Mapping[str, Any]], bool] = lambda _: True
) -> int:
    """Begin the events file of a run with the lines of another; return how many there are.

    Args:
        source: recording or events file.
        events: the new run's events file.
        stands: whether a line stands for its call; another is only there to be read.

    Raises:
        InputError: there is no source, or it is none.
        StoreError: the events file cannot be written.
    """
    if not source.is_file():
        raise InputError(source, "there is no such recording")
    return _write(events, _carried(source, stands))


def find_plain_models(source: Path) -> frozenset[str]:
    """Return the names of the models that a recording shows to take no arguments of a call.

    Whether a model takes a seed or gives log-probabilities decides what else it is asked, and one
    that is stood in for cannot be looked at.

    Raises:
        InputError: it is no recording.
    """
    asked, took = set[str](), set[str]()
    for line in read_events(source):
        if "arguments" in line and "model" in line:
            (took if line["arguments"] else asked).add(line["model"])
    return frozenset(asked - took)


def _carried(source: Path, stands: Callable[[Mapping[str, Any]], bool]) -> Iterator[dict[str, Any]]:
    for line in read_events(source):
        key = line["key"] if stands(line) else ""
        yield {**line, "key": key, "carried": True, "cost": 0.0}


def _write(path: Path, lines: Iterator[dict[str, Any]]) -> int:
    return replace_chunks(path, (f"{json.dumps(e, ensure_ascii=False)}\n".encode() for e in lines))
