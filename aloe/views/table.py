"""The trees of a run, one a row, with as many columns as the terminal has room for."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from aloe.turns import count_turns
from aloe.views.account import Account
from aloe.views.folding import Table
from aloe.views.marks import profile_of, short

if TYPE_CHECKING:
    from aloe.schema import Tree

PERSONA = 18
"""Columns that the persona has at least."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What a table says about one tree."""

    tree: "Tree"
    account: Account | None
    unfinished: bool = False

    @property
    def turns(self) -> int:
        """Depth of the tree, without a closing question."""
        return count_turns(self.tree)

    @property
    def decided(self) -> int:
        """Comparisons with a preferred reply."""
        return sum(verdict.preferred is not None for verdict in self.tree.verdicts)

    @property
    def preferred(self) -> float | None:
        """Share of the comparisons with a preferred reply; None if nothing was compared."""
        return self.decided / len(self.tree.verdicts) if self.tree.verdicts else None

    def count(self, outcome: str) -> int:
        """Return how many comparisons ended so."""
        return sum(verdict.outcome == outcome for verdict in self.tree.verdicts)

    @property
    def faults(self) -> int:
        """Faults of all messages."""
        return sum(len(node.faults) for node in self.tree.nodes)

    @property
    def minds(self) -> int:
        """Replies that read the user's mind."""
        return sum(bool(reply.mind_reading) for reply in self.tree.replies)

    @property
    def checked(self) -> int:
        """Replies that were looked at for what the user had not told; 0 in an imported tree."""
        found = self.minds or any(user.checked for user in self.tree.users)
        return len(self.tree.replies) if found else 0

    def result(self) -> dict[str, Any]:
        """Return the row for machines."""
        tree, account = self.tree, self.account
        return {
            "id": tree.id,
            "persona": tree.persona.id,
            "finished": not self.unfinished,
            "nodes": len(tree.nodes),
            "turns": self.turns,
            "comparisons": len(tree.verdicts),
            "preferred": self.decided,
            "tie": self.count("tie"),
            "abstain": self.count("abstain"),
            "faults": self.faults,
            "mind_reading": self.minds if self.checked else None,
            "seconds": round(account.seconds, 2) if account else None,
            "cost": account.cost if account and not account.unpriced else None,
        }


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


COLUMNS: dict[str, Callable[[Sums], str]] = {
    "nodes": lambda each: str(len(each.tree.nodes)),
    "turns": lambda each: str(each.turns),
    "preferred": lambda each: _share(each.preferred),
    "tie": lambda each: str(each.count("tie")),
    "abstain": lambda each: str(each.count("abstain")),
    "faults": lambda each: str(each.faults),
    "minds": lambda each: str(each.minds) if each.checked else "-",
    "seconds": lambda each: f"{each.account.seconds:.1f}" if each.account else "-",
    "cost": lambda each: each.account.money if each.account else "-",
}

NOTES = {
    "preferred": "comparisons won",
    "abstain": "judge undecided",
    "minds": "replies using what was not told",
}
"""What is not plain from the name of a column."""

FIRST = ("preferred", "abstain", "faults", "turns", "minds", "nodes", "tie", "cost", "seconds")
"""Columns by how much they matter where there is no room for all."""


class TreeTable:
    """A table that fits itself to the width it is given."""

    def __init__(
        self,
        trees: "Sequence[Tree]",
        accounts: Mapping[str, Account],
        unfinished: Container[str] = (),
    ) -> None:
        self.rows = [
            Sums(tree=tree, account=accounts.get(tree.id), unfinished=tree.id in unfinished)
            for tree in trees
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        digits = 16 if options.max_width >= 100 else short((r.tree.id for r in self.rows), 6)
        columns = self._columns(options.max_width - digits - 2 - PERSONA)
        table = Table(box=None, header_style="bold", expand=True, pad_edge=False)
        table.add_column("tree", no_wrap=True)
        table.add_column("persona", no_wrap=True, overflow="ellipsis", ratio=1)
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
        for row in self.rows:
            cells = [Text(COLUMNS[name](row), _style(name, row)) for name in columns]
            table.add_row(row.tree.id[:digits], _persona(row), *cells)
        yield table
        notes = "; ".join(f"{name}: {NOTES[name]}" for name in columns if name in NOTES)
        if notes and self.rows:
            yield Text(notes, "dim")

    def _columns(self, room: int) -> list[str]:
        chosen = set()
        for name in FIRST:
            room -= max([len(name), *(len(COLUMNS[name](row)) for row in self.rows)]) + 2
            if room < 0:
                break
            chosen.add(name)
        return [name for name in COLUMNS if name in chosen]


def _persona(row: Sums) -> Text:
    begun = ("unfinished ", "yellow") if row.unfinished else ""
    return Text.assemble(begun, profile_of(row.tree.persona))


def _style(name: str, row: Sums) -> str:
    troubles = {"faults": row.faults, "minds": row.minds}
    return "red" if troubles.get(name) else ""
