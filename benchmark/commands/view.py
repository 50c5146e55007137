"""`aloe view`: runs in the browser, as they grow."""

from pathlib import Path
from typing import Annotated

import typer

from aloe.console import finish, say, show_text
from aloe.options import Json


def view(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Run or bench folders, or folders that hold some."),
    ],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 0,
    browser: Annotated[bool, typer.Option("--open", help="Open the browser as well.")] = False,
    as_json: Json = False,
) -> None:
    """Serve runs on this machine: a list, the report of each, and two side by side.

    Pages are made when they are asked for and load again when their run has grown. The server
    listens on 127.0.0.1 only and writes nothing. Ctrl-C ends it.

    Example: `aloe view runs --port 8000`
    """
    from aloe.benchmark.listed_runs import find_runs
    from aloe.benchmark.run_pages import RunPages
    from aloe.benchmark.run_server import RunServer

    found = find_runs(folders)
    with RunServer(RunPages(folders), port) as server:
        if not as_json:
            show_text(server.url)
        if found.caution:
            say(found.caution, style="yellow")
        finish({"url": server.url, "runs": sorted(found.runs)}, as_json=as_json)
        say("Ctrl-C ends it.", style="dim")
        if browser:
            import webbrowser

            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
