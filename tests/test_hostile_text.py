"""Whatever a text holds, a terminal is only ever given something to show."""

import asyncio
import re
from pathlib import Path

import pytest
from builders import config, grow, persona_lines
from command import RunAloe
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from aloe.console import EscapingConsole
from aloe.control_characters import TABLE, escape_json, show_controls
from aloe.memory.run_folder import RunFolder, read_run, read_trees
from aloe.schema import Persona
from aloe.views.browser import Browser
from aloe.views.picture import save_svg

FORBIDDEN = re.compile(f"[{''.join(re.escape(chr(code)) for code in TABLE)}]")
HOSTILE = (
    "\x1b]52;c;aGFjaw==\x07 \x1b[2J \x9b31m \u202egnp.exe\u202c [/bold] [link=file:///etc]x[/link] "
    "\x1b]0;title\x1b\\ \x00\x08\x7f\r"
)
"""Clipboard, clearing, C1, direction of writing, markup, the window's title, and the rest."""
PERSONA = Persona.of(f"I mend bicycles{HOSTILE}. I live in Porto.", f"I am short {HOSTILE}.")


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_reaches_a_console_with_its_powers(text: str) -> None:
    console = EscapingConsole(record=True, width=40, file=None, quiet=True)
    table = Table("column", text)
    table.add_row(text, Text(text))
    with console.capture() as capture:
        console.quiet = False
        console.print(Group(text, Text(text), table, Panel(text, title=Text(text))))
    assert not FORBIDDEN.search(capture.get())
    assert not FORBIDDEN.search(escape_json(show_controls(text)))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    grown = grow(config(turns=2), persona=PERSONA)
    said = [node.model_copy(update={"content": node.content + HOSTILE}) for node in grown.nodes]
    tree = grown.model_copy(update={"nodes": tuple(said)})
    folder.trees.write_text(tree.model_dump_json() + "\n", encoding="utf-8")
    return folder.path


@pytest.mark.parametrize("command", [
    ("trace", "{run}"),
    ("trace", "{run}", "--first"),
    ("trace", "{run}", "--json"),
    ("trace", "{run}", "--node", "{node}"),
    ("trace", "{run}", "--diff", "{node}"),
    ("trace", "{run}", "--search", "bicycles"),
    ("personas", "show", "{personas}"),
    ("personas", "stats", "{personas}", "--no-map"),
    ("trace", "{run}/\x1b]0;x\x07[/x]"),
    ("export", "{run}", "--format", "sft", "--out", "{run}/x[/x].jsonl"),
    ("report", "{run}"),
])  # fmt: skip
def test_no_command_passes_on_what_a_terminal_obeys(
    aloe: RunAloe, run: Path, command: tuple[str, ...]
) -> None:
    (tree,) = read_trees(run)
    (run / "personas.jsonl").write_text(persona_lines([PERSONA]), encoding="utf-8")
    named = {"run": run, "node": tree.nodes[0].id, "personas": run / "personas.jsonl"}
    ran = aloe(*(word.format(**named) for word in command))
    assert ran.code in (0, 2), ran.err
    assert "Traceback" not in ran.err
    assert ran.out + ran.err
    assert not FORBIDDEN.search(ran.out + ran.err)


def test_a_picture_stays_well_formed(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    save_svg(Text(HOSTILE), tmp_path / "x.svg", title="x")
    ElementTree.parse(tmp_path / "x.svg")


def test_nor_does_the_browser(run: Path) -> None:
    async def play() -> str:
        browser = Browser(lambda: read_run(run), Path("none"))
        async with browser.run_test(size=(120, 40)) as pilot:
            await pilot.press("down", "right", "down")
            await pilot.pause()
            return browser.export_screenshot()

    picture = asyncio.run(play())
    assert "I mend bicycles" in picture.replace("&#160;", " ")
    assert not FORBIDDEN.search(picture)
