"""One conversation tree as a drawing.

Ten turns nested message by message would be twenty levels deep, which no terminal has room for. So
messages that simply follow one another stay on one level, and the drawing branches only where
several replies are continued, and no further to the right than leaves room for words. Where there
is room, marks, scores and words form columns; elsewhere the words get their own lines.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree as Branches

from aloe.number_format import counted
from aloe.players import group_agents
from aloe.turns import is_closing
from aloe.views.account import Account
from aloe.views.folding import Table, grid, said
from aloe.views.marks import (
    CELLS,
    LEGEND,
    NOBODY,
    fact_text,
    notes,
    preference,
    score,
    short,
)
from aloe.views.table import Sums
from aloe.views.tellings import describe_revealed, describe_tellings, find_told

if TYPE_CHECKING:
    from aloe.schema import AssistantNode, Node, Tree, UserNode

BODY = 36
"""Columns that words need to stand beside their marks, and to move to the right."""
GUIDE = 4
"""Columns by which a branch stands to the right of what it hangs on."""
WIDE = 110
"""Columns from which what a message took is shown beside it."""
SCORES = "2/3 ▮ votes for it, +0.75 ▮▮ log-odds of being better, ▯ against it"
"""What stands beside a reply that was compared."""
SCORE = 5 + 1 + CELLS
"""Columns of a score, such as `+0.75 ▮▮`, where there is one."""
SHOWN = 400
"""Characters of a message that are shown unless all are asked for."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One message with what is known about it."""

    turn: Text
    who: Text
    score: Text
    body: Text
    took: Text

    @property
    def head(self) -> Text:
        """All but the words."""
        return Text(" ").join(part for part in (self.turn, self.who, self.score) if part.plain)


@dataclass(frozen=True, kw_only=True)
class Drawer:
    """Draws one tree.

    Args:
        tree: the tree.
        account: what all its calls took; None if not known.
        took: the same by message (`aloe.views.owners`); empty if not known.
        state: what there is to say of a tree that is not finished; empty for nothing.
        search: what to mark in the words; None for nothing.
        full: whether long messages are shown to their end.
    """

    tree: "Tree"
    account: Account | None
    took: Mapping[str, Account]
    state: str = ""
    search: str | None = None
    full: bool = False

    def drawing(self) -> RenderableType:
        """Return head, branches and legend."""
        legend = [LEGEND, SCORES] if self.tree.verdicts else [LEGEND]
        return Group(
            head(self.tree, self.account), Forks(self), *(Text(line, "dim") for line in legend)
        )

    def branch(self, start: "Node") -> "Level":
        """Return what follows `start` up to where the talk branches."""
        lines: list[Line] = []
        after = self.tree.by_id[start.parent] if start.parent else None
        follow: list[Node] = [start]
        while len(follow) == 1:
            (node,) = follow
            lines.append(self.line(node))
            replies = [n for n in self.tree.children(node.id) if n.role == "assistant"]
            lines += map(self.line, replies)
            follow = [n for n in self.tree.children(node.id) if n.role == "user"]
            follow += [after for reply in replies for after in self.tree.children(reply.id)]
        title = Text(f"after {after.agent} {after.id[: self.digits]}" if after else "", "dim")
        scored = bool(self.tree.verdicts)
        return Level(title=title, lines=tuple(lines), follow=tuple(follow), scored=scored)

    @cached_property
    def digits(self) -> int:
        """How many digits of an id tell the nodes apart."""
        return short(node.id for node in self.tree.nodes)

    def line(self, node: "Node") -> Line:
        """Return the line of one message."""
        return self._user(node) if node.role == "user" else self._assistant(node)

    def _user(self, node: "UserNode") -> Line:
        body = self._words(node, "")
        for line in describe_revealed(self.tree, node):
            body.append(said(f"\n{line}", "magenta"))
        for line in describe_tellings(self.tree, node):
            body.append(said(f"\n{line}", "dim"))
        if node.repaired:
            body.append(f"\nrepaired: {', '.join(node.repaired)}", "dim")
        style = "bold cyan"
        turn = "-" if is_closing(self.tree, node) else str(node.turn)
        return self._line(node, Text(turn, style), Text(node.agent, style), body)

    def _assistant(self, node: "AssistantNode") -> Line:
        continued = bool(self.tree.children(node.id))
        marks = ("▶" if continued else " ") + preference(self.tree, node)
        who = Text(f"{marks} {node.agent}", "bold green" if continued else "green dim")
        body = self._words(node, "" if continued else "dim")
        for fact in node.mind_reading:
            body.append(said(f"\n◇ {fact_text(self.tree, fact)}", "red"))
        return self._line(node, Text(), who, body)

    def _line(self, node: "Node", turn: Text, who: Text, body: Text) -> Line:
        if node.faults:
            body.append(f"\n⚠ {', '.join(node.faults)}", "red")
        for name, value in notes(node).items():
            body.append(said(f"\n{name}: {value}", "blue"))
        if self.search:
            body.highlight_words([self.search], "reverse bold", case_sensitive=False)
        who = Text.assemble(who, (f" {node.id[: self.digits]}", "dim"))
        return Line(turn=turn, who=who, score=self._score(node), body=body, took=self._took(node))

    def _took(self, node: "Node") -> Text:
        found = self.took.get(node.id, Account())
        words = f"{found.seconds:.1f} s {found.output_tokens} tok" if found.calls else ""
        return Text(words, "dim")

    def _score(self, node: "Node") -> Text:
        found = score(self.tree, node) if node.role == "assistant" else None
        if found is None:
            return Text()
        style = "green" if found.share > 0 else "red" if found.share < 0 else "dim"
        return Text(f"{found.text} {found.bar}".rstrip(), style)

    def _words(self, node: "Node", style: str) -> Text:
        words = node.content or "(empty)"
        search = (self.search or "").casefold()
        hidden = words[max(0, SHOWN - len(search) + 1) :]  # what would be cut, in part or whole
        wanted = search and search in hidden.casefold()
        if len(words) > SHOWN and not (self.full or wanted):
            words = words[:SHOWN].rstrip() + f" … ({len(words) - SHOWN:,} characters more: --full)"
        return said(words, style)


@dataclass(frozen=True)
class Forks:
    """All branches of a drawing, as far to the right as there is room."""

    drawer: Drawer

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        tree = self.drawer.tree
        title = Text(f"tree {tree.id}", "bold")
        if self.drawer.state:
            title.append(f" {self.drawer.state}", "yellow")
        root = Branches(title, guide_style="dim")
        for opening in tree.children(None):
            self._hang(root, opening, options.max_width - GUIDE)
        yield root

    def _hang(self, above: Branches, start: "Node", room: int) -> None:
        """Hang what follows `start` on `above`; the next ones beside it if they need the room."""
        level = self.drawer.branch(start)
        branch = above.add(level)
        fits = room - GUIDE >= BODY
        for node in level.follow:
            self._hang(branch if fits else above, node, room - GUIDE * fits)


@dataclass(frozen=True)
class Level:
    """Messages that follow each other without a choice, and what follows them."""

    title: Text
    """Which reply it goes on from; empty at the opening."""
    lines: tuple[Line, ...]
    follow: "tuple[Node, ...]"
    """Where the talk goes on; several if it branches, none if it ends."""
    scored: bool
    """Whether there is a column for scores."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.title:
            yield self.title
        with_took = options.max_width >= WIDE
        beside = options.max_width - self._marks(with_took) >= BODY
        yield self._columns(with_took) if beside else Group(*self._stack())
        if len(self.follow) > 1:
            yield Text(f"{len(self.follow)} ways to go on:", "dim")

    def _marks(self, with_took: bool) -> int:
        """Return the columns that all but the words take."""
        lines = self.lines
        score = max(SCORE, *(line.score.cell_len for line in lines)) + 1 if self.scored else 0
        took = max(line.took.cell_len for line in lines) + 1 if with_took else 0
        turn = max(line.turn.cell_len for line in lines) + 1
        who = max(line.who.cell_len for line in lines) + 1
        return turn + who + score + took

    def _columns(self, with_took: bool) -> Table:
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(no_wrap=True)
        if self.scored:
            grid.add_column(no_wrap=True, min_width=SCORE)
        grid.add_column(ratio=1)
        if with_took:
            grid.add_column(no_wrap=True, justify="right")
        for line in self.lines:
            score = [line.score] if self.scored else []
            took = [line.took] if with_took else []
            grid.add_row(line.turn, line.who, *score, line.body, *took)
        return grid

    def _stack(self) -> Iterator[RenderableType]:
        for line in self.lines:
            yield line.head
            yield Padding(line.body, (0, 0, 0, 2))


def head(tree: "Tree", account: Account | None = None) -> RenderableType:
    """Return who the persona is and what came of the tree."""
    persona = tree.persona
    lines = {"profile": persona.profile, "personality": persona.personality}
    lines = {name: text for name, text in lines.items() if text} or {"persona": NOBODY}
    if persona.preferences:
        lines["wishes"] = ", ".join(f"{name} {want}" for name, want in persona.preferences.items())
    if tree.mood:
        lines["mood"] = tree.mood
    if tree.disclosure:
        lines["tells"] = tree.disclosure
    lines["models"] = _models(tree)
    lines["tree"] = _sums(Sums(tree=tree, account=account))
    if account:
        lines["spent"] = account.text
    return grid(lines)


def _models(tree: "Tree") -> str:
    agents = group_agents(tree)
    return "; ".join(f"{model} ({', '.join(names)})" for model, names in agents.items())


def _sums(sums: Sums) -> str:
    tree = sums.tree
    told = sum(len(find_told(tree, user)) for user in tree.users)
    size = (
        f"{counted(sums.turns, 'turn')}, {counted(len(tree.nodes), 'message')}, "
        f"{counted(len(tree.ends), 'path')}, {counted(told, 'thing')} told"
    )
    if not tree.verdicts:
        return size
    return (
        f"{size}; {sums.decided} of {counted(len(tree.verdicts), 'comparison')} decided, "
        f"{sums.count('tie')} tie, {sums.count('abstain')} abstain"
    )
