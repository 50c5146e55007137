"""Take the pictures of the documentation: `make pictures`.

Most are of the example that ships. Dashboard and tree are those of a live run on the embedded
model, so that the figures are real and the tree is small; the chat is one with two scripted
assistants. Chromium takes the picture of the HTML report; without it the one that is there stays.
"""

import asyncio
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from textual.pilot import Pilot

from aloe.benchmark.example import TREES
from aloe.benchmark.labelling import list_pairs
from aloe.console import say_written
from aloe.graphs.commands import dashboard
from aloe.label_sheet import BlindPair
from aloe.memory.run_folder import read_run, read_trees
from aloe.views.browser import Browser
from aloe.views.picture import save_screen, save_svg
from aloe.views.question import LabelQuestion

HERE = Path(__file__).parent / "pictures"
ALOE = [sys.executable, "-m", "aloe"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REPORT_SIZE = (1400, 900)
SCREEN = (110, 34)
CHAT = ["--model", "scripted:aloe.examples.two_assistants:same",
        "--beside", "scripted:aloe.examples.two_assistants:adapting"]  # fmt: skip


def take_all() -> None:
    """Take every picture."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        run_aloe("graph", "tree", "--svg", HERE / "graph.svg")
        run_aloe("example", place / "example", "--svg", HERE / "example.svg")
        trees = place / "example" / TREES
        run_aloe("trace", trees, "--svg", HERE / "trees.svg")
        run_aloe("trace", trees, "--highlight", "--svg", HERE / "highlight.svg")
        asyncio.run(take_browser(trees, HERE / "browser.svg"))
        take_label(trees, HERE / "label.svg")
        take_report(trees, HERE / "report.png")
        with (HERE / "chat.txt").open(encoding="utf-8") as said:
            chat = ("chat", *CHAT, "--out", place / "chat", "--svg", HERE / "chat.svg")
            run_aloe(*chat, stdin=said)
        take_dashboard(place, HERE / "dashboard.svg")
        run_aloe("trace", place / "run", "--first", "--svg", HERE / "tree.svg")


def run_aloe(*words: object, **options: Any) -> None:
    """Run a command of the program."""
    subprocess.run([*ALOE, *map(str, words)], check=True, **options)


async def take_browser(trees: Path, picture: Path) -> None:
    """Take the browser of trees at a reply and the calls for it."""
    browser = Browser(lambda: read_run(trees), trees / "events.jsonl")
    async with browser.run_test(size=SCREEN) as pilot:
        await press(pilot, "down", "right", "down", "down", "down")
        save_screen(browser.export_screenshot(title="aloe trace --tui"), picture)
    say_written(picture)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one after the other."""
    await pilot.pause()
    await pilot.press(*keys)
    await pilot.pause()


def take_label(trees: Path, picture: Path) -> None:
    """Take the first question that a person is asked."""
    pair = next(iter(list_pairs(read_trees(trees))))
    shown = BlindPair(tree=pair.tree, verdict=pair.verdict, rater="you")
    save_svg(LabelQuestion(pair.tree, shown.a, shown.b, "1 of 30"), picture, title="aloe label")
    say_written(picture)


def take_report(trees: Path, picture: Path) -> None:
    """Take the top of the HTML report, if there is a browser."""
    if CHROMIUM is None:
        print(f"there is no chromium here; {picture} stays as it is", file=sys.stderr)
        return
    run_aloe("report", trees)
    size = ",".join(map(str, REPORT_SIZE))
    flags = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={size}",
             f"--screenshot={picture}"]  # fmt: skip
    page = (trees / "report.html").resolve().as_uri()
    subprocess.run([CHROMIUM, *flags, page], check=True, stderr=subprocess.DEVNULL)
    say_written(picture)


class PhotographedDisplay(dashboard.RunDisplay):
    """Keeps the picture of the middle of a run."""

    picture = HERE / "dashboard.svg"

    def update(self) -> None:
        """Take the picture once half of the calls are made."""
        super().update()
        if self._share_done() >= 0.5 and self.picture:
            save_svg(self.panel(), self.picture, title="aloe simulate")
            type(self).picture = None


def take_dashboard(place: Path, picture: Path) -> None:
    """Take the live display of a run in this process."""
    from aloe.cli import main

    users = place / "personas.jsonl"
    run_aloe("personas", "verifiable", "--count", 3, "--wishes", 4, "--seed", 7, "--out", users)
    line = ["aloe", "simulate", "--config", "examples/demo.toml", "--personas", str(users)]
    line += ["--out", str(place / "run")]
    watched = patch.object(dashboard, "RunDisplay", PhotographedDisplay)
    with patch.object(sys, "argv", line), watched, suppress(SystemExit):
        main()
    say_written(picture)


if __name__ == "__main__":
    take_all()
