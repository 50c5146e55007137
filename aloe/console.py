"""The two streams of every command: results on stdout, everything else on stderr.

Rich detects from the stream whether there is a terminal: in a pipe there are no colours, no cursor
movements, and progress is an occasional plain line. Commands never print on their own.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live

PLAIN_INTERVAL = 10.0
"""Seconds between two progress lines where there is no terminal."""


@cache
def stdout() -> Console:
    """Return the console for results."""
    return Console(emoji=False)


@cache
def stderr() -> Console:
    """Return the console for progress and errors."""
    return Console(stderr=True, emoji=False)


def say(text: str, *, style: str | None = None) -> None:
    """Say one line to a person, on stderr and as it is."""
    stderr().print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def show(renderable: RenderableType, *, as_json: bool = False, lines: bool = False) -> None:
    """Show a result to a person: on stdout, or on stderr if stdout is to end in JSON.

    Args:
        renderable: what to show.
        as_json: whether stdout is to end in JSON.
        lines: whether it is a list of lines, to be cut at a terminal's edge and whole in a pipe,
            where other programs read them.
    """
    console = stderr() if as_json else stdout()
    console.print(renderable, soft_wrap=lines and not console.is_terminal)


def finish(result: Mapping[str, Any], *, as_json: bool) -> None:
    """End a command: with `--json`, `result` is the last line on stdout."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False), flush=True)


class Display:
    """A picture of work in progress: live on a terminal, a line now and then elsewhere.

    Subclasses give `panel` and `line`; `update` is cheap and may be called at every event.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._live: Live | None = None
        self._printed = 0.0

    def panel(self) -> RenderableType:
        """Return the live picture."""
        raise NotImplementedError

    def line(self) -> str:
        """Return the same in one plain line."""
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the display while the block runs, and its last state when the block ends."""
        if self.quiet:
            yield
        elif stderr().is_terminal:
            with Live(
                console=stderr(), get_renderable=self.panel, refresh_per_second=4, transient=True
            ) as self._live:
                yield
        else:
            self._printed = time.monotonic()
            yield
            say(self.line())

    def update(self) -> None:
        """Say that something changed."""
        if self.quiet or self._live:
            return
        if time.monotonic() - self._printed >= PLAIN_INTERVAL:
            self._printed = time.monotonic()
            say(self.line())
