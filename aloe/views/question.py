"""Two replies as a person is asked about them: who the user is, what was said, A and B."""

from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from aloe.views.folding import Table, said
from aloe.views.marks import profile_of

if TYPE_CHECKING:
    from aloe.schema import AssistantNode, Tree

BESIDE = 90
"""Columns from which the replies stand side by side."""

KEYS = "a / b: better reply   t: tie   s: skip   u: undo   q: stop"


class LabelQuestion:
    """One comparison; nothing in it tells who wrote which reply or what the judge said."""

    def __init__(
        self, tree: "Tree", a: "AssistantNode", b: "AssistantNode", place: str, keys: str = KEYS
    ) -> None:
        self._shown = {"A": a.content, "B": b.content}
        self._persona = tree.played(a.parent)
        self._path = tree.path(a.parent)
        self._place = place
        self._keys = keys

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Rule(Text(self._place, "bold"), align="left")
        yield said(self._persona.text.strip() or profile_of(self._persona), "italic")
        yield Text()
        for node in self._path:
            yield Text(node.role, "bold cyan" if node.role == "user" else "bold")
            yield Padding(said(node.content), (0, 0, 0, 2))
        yield Rule(Text("which reply suits this user better?", "bold"), align="left")
        if options.max_width >= BESIDE:
            table = Table(box=None, expand=True, padding=(0, 2, 0, 0), show_header=False)
            table.add_column(ratio=1)
            table.add_column(ratio=1)
            table.add_row(*(Text(name, "bold green") for name in self._shown))
            table.add_row(*map(said, self._shown.values()))
            yield table
        else:
            for name, words in self._shown.items():
                yield Text(name, "bold green")
                yield Padding(said(words), (0, 0, 0, 2))
        yield Text(f"\n{self._keys}", "dim")
