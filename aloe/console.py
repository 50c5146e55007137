"""The two streams of every command: results on stdout, everything else on stderr.

Rich detects from the stream whether there is a terminal: in a pipe there are no colours, no cursor
movements, and progress is an occasional plain line. Commands never print on their own.

Anything shown may come from a model, a server or somebody else's file. So texts are never read as
markup, and terminal control sequences are shown instead of sent (`EscapingConsole`).
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment

from aloe.control_characters import escape_json, show_controls
from aloe.errors import StoreError
from aloe.files.writing import explain_failure

PLAIN_INTERVAL = 10.0
"""Seconds between two progress lines where there is no terminal."""


def open_closed_streams() -> None:
    """Put the null device in the place of standard streams that are closed.

    Else the next file or socket gets their number: what is printed goes into it, and uvloop aborts.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


class EscapingConsole(Console):
    """A console on which texts can do nothing but be read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, markup=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of `renderable` with control characters made visible."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else show_controls(text), style, control)


class ProgressConsole(EscapingConsole):
    """A console for what nobody has to read: where it cannot be written, the work goes on."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, if that can be."""
        with suppress(OSError):
            super().print(*objects, **options)


@cache
def stdout() -> Console:
    """Return the console for results."""
    return EscapingConsole()


@cache
def stderr() -> Console:
    """Return the console for progress and errors."""
    return ProgressConsole(stderr=True)


def say(text: str, *, style: str | None = None) -> None:
    """Say one line to a person, on stderr and as it is."""
    stderr().print(text, style=style, highlight=False, soft_wrap=True)


def say_written(*paths: Path) -> None:
    """Say which files or folders a command wrote; on stderr, for stdout may be data."""
    say(f"wrote {', '.join(map(str, paths))}")


def say_error(text: str, trace: str = "") -> None:
    """Say what went wrong in one line.

    Args:
        text: what, without the name of the program.
        trace: traceback of the user's code; shown before it if the user asked for that.
    """
    if trace and tracebacks_wanted():
        say(trace.rstrip("\n"))
    elif trace:
        text = f"{text} (--traceback shows the way there)"
    say(f"aloe: {text}", style="red")


_wanted = False


def want_tracebacks(wanted: bool) -> None:
    """Set whether tracebacks of the user's code are shown, for the rest of the process."""
    global _wanted
    _wanted = wanted


def tracebacks_wanted() -> bool:
    """Whether tracebacks of the user's code are shown."""
    return _wanted


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Say on a terminal, as long as the block runs, what is waited for."""
    if not stderr().is_terminal:
        yield
        return
    with stderr().status(text):
        yield


def show(
    renderable: RenderableType, *, as_json: bool = False, lines: bool = False, cut: bool = True
) -> None:
    """Show a result to a person: on stdout, or on stderr if stdout is to end in JSON.

    Args:
        renderable: what to show.
        as_json: whether stdout is to end in JSON.
        lines: whether it is a list of lines: each is whole in a pipe, where other programs read
            it, and cut at a terminal's edge.
        cut: whether they are cut there, or go on below.
    """
    console = stderr() if as_json else stdout()
    with _writing("standard error" if as_json else "standard output"):
        edge = lines and console.is_terminal and cut
        console.print(
            renderable,
            soft_wrap=lines and not console.is_terminal,
            no_wrap=edge or None,
            overflow="ellipsis" if edge else None,
        )
        console.file.flush()


def show_text(text: str) -> None:
    """Show a result that other programs read: on stdout, neither wrapped nor coloured."""
    with _writing("standard output"):
        stdout().file.write(show_controls(text).rstrip("\n") + "\n")
        stdout().file.flush()


@contextmanager
def _writing(what: str) -> Iterator[None]:
    try:
        with explain_failure(what):
            yield
    except StoreError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer fails once only
        if isinstance(error.__context__, BrokenPipeError):  # whoever reads has enough
            raise SystemExit(1) from None
        raise


def finish(result: Mapping[str, Any], *, as_json: bool) -> None:
    """End a command: with `--json`, `result` is the last line on stdout."""
    if not as_json:
        return
    with _writing("standard output"):
        print(escape_json(json.dumps(result, ensure_ascii=False)), flush=True)


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
