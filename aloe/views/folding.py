"""Tables that lose nothing.

In rich, a table's cell drops what does not fit: the end of a long address, and of a sentence in a
script without blanks. Here it folds. So every table of this project is one of these (a test checks
it), and a column that is to be cut says so: `overflow="ellipsis"`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table as CuttingTable
from rich.text import Text

from aloe.control_characters import show_controls

LEAST = 16
"""Columns that texts need to stand beside their names."""
GAP = 2
"""Columns between a name and its text."""


class Table(CuttingTable):
    """A table of rich whose cells fold what is too long for a line."""

    @classmethod
    def grid(cls, *headers: Any, **given: Any) -> "Table":
        """Return a table without lines and header, as in rich."""
        found = super().grid(*headers, **given)
        assert isinstance(found, cls)
        return found

    def add_column(self, *args: Any, **given: Any) -> None:
        """Add a column as in rich; `overflow` is `fold` unless it is given."""
        super().add_column(*args, **{"overflow": "fold", **given})

    def add_row(self, *cells: Any, **given: Any) -> None:
        """Add a row as in rich; columns that nobody has added fold as well."""
        for _ in cells[len(self.columns) :]:
            self.add_column()
        super().add_row(*cells, **given)


@dataclass(frozen=True)
class Pairs:
    """Names and texts in two columns, or one under the other where there is no room for that."""

    rows: Sequence[tuple[Text, Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.beside(options.max_width):
            for name, text in self.rows:
                yield name
                yield Padding(text, (0, 0, 0, 2))
            return
        table = Table.grid(padding=(0, GAP))
        table.add_column(no_wrap=True)
        table.add_column()
        for row in self.rows:
            table.add_row(*row)
        yield table

    def beside(self, width: int) -> bool:
        """Whether both columns have room."""
        return width - self.names >= LEAST

    @property
    def names(self) -> int:
        """Columns that the names take."""
        return max((name.cell_len for name, _ in self.rows), default=0) + GAP


def grid(lines: Mapping[str, str]) -> Pairs:
    """Return names and texts, the names in bold."""
    return Pairs(
        [
            (Text(name, "bold"), said(text, "red" if name == "trouble" else ""))
            for name, text in lines.items()
        ]
    )


def said(words: str, style: str = "") -> Text:
    """Return what somebody said as it is shown; each character takes the room it is counted for."""
    return Text(show_controls(words), style)
