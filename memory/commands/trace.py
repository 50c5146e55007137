"""`aloe trace`: see what the agents did."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from aloe.console import finish, say_written, show, stderr, stdout
from aloe.errors import INTERRUPTED, ConfigError
from aloe.extras import needs
from aloe.memory.commands.traced_run import TracedRun
from aloe.options import Json, RunOrTrees, Svg, is_given, refuse_unread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aloe.calls.recorded_call import RecordedCall

LAST = 10
"""Calls of the past that `--follow` begins with."""

WHAT = ("--highlight", "--node", "--diff")
"""Flags that say what is shown."""

UNREAD = {
    "--follow": (*WHAT, "--first", "--tui", "--svg"),
    "--tui": (*WHAT, "--agent", "--search", "--full", "--raw", "--svg", "--json"),
    "--highlight": ("--node", "--diff", "--agent", "--search", "--full", "--raw"),
    "--node": ("--diff", "--full"),
    "--diff": ("--agent", "--search", "--full"),
}
"""Flags that are not read, by the flag beside which they are not."""

READ = {
    "--raw": ("--node", "--diff", "--agent", "--follow"),
    "--full": ("--tree", "--first", "--agent", "--follow"),
}
"""Flags that are read beside one of some others only."""


def trace(
    run: RunOrTrees,
    tree: Annotated[
        str | None, typer.Option("--tree", metavar="ID", help="Draw this one; a prefix is enough.")
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Draw the first tree.")] = False,
    highlight: Annotated[
        bool, typer.Option("--highlight", help="Show the exchange with the clearest preference.")
    ] = False,
    node: Annotated[
        str | None, typer.Option("--node", metavar="ID", help="Show all calls for one message.")
    ] = None,
    diff: Annotated[
        str | None,
        typer.Option("--diff", metavar="ID", help="Show the replies to a message side by side."),
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="List the calls of one agent.")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            "--search", metavar="TEXT", help="Only what contains this text; drawings highlight it."
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show long messages in full.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Show votes and answers as they came, not in words.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Watch the calls of a running simulation.")
    ] = False,
    tui: Annotated[bool, typer.Option("--tui", help="Browse with the arrow keys.")] = False,
    svg: Svg = None,
    as_json: Json = False,
) -> None:
    """List the trees of a run, draw one of them, or show one message with all its calls.

    Ids are shown in the list and the drawings; the first few digits are enough.

    Example: `aloe trace runs/first --tree 3fa9`
    """
    _check_read(locals())
    trace = TracedRun(
        run=run, wanted=tree, first=first, agent=agent, search=search, full=full, raw=raw
    )
    if follow:
        _follow(trace, as_json=as_json)
        return
    if tui:
        _browse(trace)
        return
    picture, result = trace.highlight() if highlight else trace.picture(node, diff)
    show(picture, as_json=as_json, lines=agent is not None and not node, cut=not full)
    if svg:
        _save(picture, svg)
    finish(result, as_json=as_json)


def _check_read(arguments: "Mapping[str, object]") -> None:
    """Make sure that every flag has a part in what is shown.

    Raises:
        ConfigError: one has none.
    """
    given = {f"--{name.removeprefix('as_')}": value for name, value in arguments.items()}
    for flag, unread in UNREAD.items():
        if is_given(given[flag]):
            refuse_unread({name: given[name] for name in unread}, f"beside {flag}")
    for flag, others in READ.items():
        if not any(is_given(given[other]) for other in others):
            refuse_unread({flag: given[flag]}, f"without {', '.join(others[:-1])} or {others[-1]}")


def _save(picture: RenderableType, svg: Path) -> None:
    """Save a view as a picture."""
    from aloe.views.picture import save_svg

    save_svg(picture, svg, title="aloe trace")
    say_written(svg)


def _follow(trace: TracedRun, *, as_json: bool) -> None:
    """Print calls as they end, until nobody works on the folder any more."""
    from aloe.memory.commands.follow import follow_calls
    from aloe.memory.run_folder import RunFolder, explain_lack
    from aloe.memory.verifiable.phrases import find_stated
    from aloe.views.answers import Interpreter
    from aloe.views.calls import call_line

    if not trace.run.is_dir():
        raise explain_lack(trace.run, "trees.jsonl", "there is no run folder here to follow")
    seen, interpreter = 0, Interpreter(tells=find_stated, min_mass=trace.min_mass)

    def line(call: "RecordedCall") -> Text | None:
        words = None if trace.raw else interpreter.interpret(call)
        return call_line(call, words) if trace.is_wanted(call) else None

    try:
        for each in follow_calls(RunFolder(trace.run), line, last=LAST):
            seen += 1
            show(each, as_json=as_json, lines=True, cut=not trace.full)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    stderr().print(f"no process is working on {trace.run}", style="dim", highlight=False)
    finish({"calls": seen}, as_json=as_json)


def _browse(trace: TracedRun) -> None:
    """Open the browser."""
    if not stdout().is_terminal:
        raise ConfigError("--tui needs a terminal; leave it out to write to a file or a pipe")
    try:
        from aloe.views.browser import Browser
    except ModuleNotFoundError as error:
        raise ConfigError(needs("--tui", "textual", error.name)) from None
    trace.choose()
    Browser(lambda: replace(trace).choose(), trace.events, trace.min_mass).run()
