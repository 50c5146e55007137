"""Pictures of a terminal, kept as text and compared with what is drawn now.

`pytest tests/views --update-snapshots` writes them anew; look at the difference before keeping it.
"""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

FOLDER = Path(__file__).parent / "snapshots"
WIDTHS = (160, 80, 50)
HEIGHT = 25

Compare = Callable[[str, RenderableType], None]


def drawn(picture: RenderableType, width: int) -> str:
    """Return `picture` as a terminal without colours shows it, blanks at line ends taken off."""
    console = Console(width=width, height=HEIGHT, file=StringIO(), emoji=False, record=True)
    console.print(picture)
    lines = console.export_text().split("\n")
    return "\n".join(line.rstrip() for line in lines)


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Compare:
    """Compare a picture at all widths with the one that is kept."""

    def compare(name: str, picture: RenderableType) -> None:
        found = "".join(f"{width} columns\n{drawn(picture, width)}\n" for width in WIDTHS)
        path = FOLDER / f"{name}.txt"
        if request.config.getoption("--update-snapshots"):
            FOLDER.mkdir(exist_ok=True)
            path.write_text(found, encoding="utf-8")
        assert found == path.read_text(encoding="utf-8")

    return compare
