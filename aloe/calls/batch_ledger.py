"""Which calls went into which batch: batches.jsonl, written before a batch is waited for.

A line names an uploaded file and the calls in it, before a batch is made of it; a second one the
batch. So whenever a run is killed, the next one finds what the server has already been asked: the
batch by its id, or by its file if the id could not be written any more. Which answers have arrived
is in events.jsonl alone: its lines name the batch they came from.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aloe.calls.event import read_events
from aloe.errors import InputError
from aloe.files.appending import append_lines
from aloe.secrets import redact

NAME = "batches.jsonl"
THEN = "finished work is kept: free some space, then run the same command again"


@dataclass(kw_only=True)
class SentBatch:
    """Calls that went out together."""

    file: str
    """Id of the uploaded file."""
    url: str
    """Base URL of the server."""
    key_variable: str | None
    """Environment variable of its key; None if it needs none."""
    model: str
    """As events call it."""
    calls: list[str]
    """Custom ids: the key of each call, with a number behind it where a key came before."""
    started: float
    """Unix time in seconds."""
    id: str | None = None
    """None if it is not known whether a batch was made of the file."""
    open: list[str] = field(default_factory=list)
    """Calls of which events.jsonl does not know the answer."""


class BatchLedger:
    """The batches of a run folder.

    Args:
        folder: the folder, which exists.
        events: the calls that are in its events.jsonl.

    Raises:
        InputError: a line is broken (with its number).
    """

    def __init__(self, folder: Path, events: Iterable[dict[str, Any]] = ()) -> None:
        self.path = folder / NAME
        self.batches: dict[str, SentBatch] = {}
        """By the id of their file, in the order in which they were sent."""
        if not self.path.exists():
            return
        # What follows the last line break was torn by a kill, or is being written.
        for number, line in enumerate(self.path.read_text("utf-8").split("\n")[:-1], 1):
            self._read(line, number)
        answered = Counter((event.get("batch"), event["key"]) for event in events)
        for sent in self.batches.values():
            for call in sent.calls:
                known = (sent.id, key_of(call))
                if answered[known] > 0:
                    answered[known] -= 1
                else:
                    sent.open.append(call)

    def _read(self, line: str, number: int) -> None:
        try:
            parts = json.loads(line)
            if "calls" in parts:
                self.batches[parts["file"]] = SentBatch(**parts)
            else:
                self.batches[parts["file"]].id = parts["id"]
        except (ValueError, TypeError, KeyError):
            reason = "not a batch; delete the line, and its calls are sent again"
            raise InputError(self.path, reason, line=number) from None

    def add(
        self, file: str, url: str, key_variable: str | None, model: str, calls: Sequence[str]
    ) -> SentBatch:
        """Write down that calls were uploaded.

        Raises:
            StoreError: the line cannot be written.
        """
        sent = SentBatch(
            file=file,
            url=redact(url),
            key_variable=key_variable,
            model=model,
            calls=list(calls),
            started=round(time.time(), 3),
        )
        line = {name: value for name, value in vars(sent).items() if name not in ("id", "open")}
        append_lines(self.path, json.dumps(line) + "\n", then=THEN)
        self.batches[file] = sent
        return sent

    def awaited(self) -> list[SentBatch]:
        """Return the batches with calls that are not answered, nor sent again in a later one."""
        found, later = [], set[str]()
        for sent in reversed(self.batches.values()):
            if any(key_of(call) not in later for call in sent.open):
                found.append(sent)
            later.update(map(key_of, sent.calls))
        return found[::-1]

    def name(self, sent: SentBatch, batch: str) -> None:
        """Write down which batch was made of a file.

        Raises:
            StoreError: the line cannot be written.
        """
        sent.id = batch
        append_lines(self.path, json.dumps({"file": sent.file, "id": batch}) + "\n", then=THEN)


def ledgers_in(folder: Path) -> list[BatchLedger]:
    """Return the batches of a run folder, and of those in it, as a bench folder has them.

    Raises:
        InputError: a line is broken (with its number).
    """
    paths = sorted(folder.rglob(NAME))
    return [BatchLedger(path.parent, read_events(path.parent / "events.jsonl")) for path in paths]


def custom_ids(keys: Iterable[str]) -> list[str]:
    """Return an id for each call; no two are the same, even where keys are."""
    seen: Counter[str] = Counter()
    ids = []
    for key in keys:
        seen[key] += 1
        ids.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    return ids


def key_of(custom_id: str) -> str:
    """Return the key of the call that has this custom id."""
    return custom_id.partition("-")[0]
