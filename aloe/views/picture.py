"""A picture of what a terminal would show, as a self-contained SVG file."""

import re
from io import StringIO
from pathlib import Path

from rich.console import RenderableType
from rich.terminal_theme import SVG_EXPORT_THEME

from aloe.console import EscapingConsole
from aloe.files.writing import replace_text

WIDTH = 100
"""Columns of the terminal in the picture."""

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def save_svg(picture: RenderableType, path: Path, *, title: str) -> None:
    """Write `picture` to `path`.

    Raises:
        StoreError: the file cannot be written.
    """
    console = EscapingConsole(record=True, width=WIDTH, file=StringIO(), color_system="truecolor")
    console.print(picture)
    save_screen(console.export_svg(title=title, theme=SVG_EXPORT_THEME, unique_id="aloe"), path)


def save_screen(svg: str, path: Path) -> None:
    """Write a picture that rich or Textual drew to `path`.

    Raises:
        StoreError: the file cannot be written.
    """
    # They name fonts on a server of others; a reader's own will do.
    replace_text(path, _FONTS.sub("", svg))
