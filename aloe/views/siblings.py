"""Replies to one message side by side, or one under the other where there is no room."""

from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from aloe.control_characters import show_controls
from aloe.number_format import counted
from aloe.views.folding import Table, said
from aloe.views.marks import fact_text, preference, score
from aloe.views.node import verdict_view
from aloe.views.tellings import describe_revealed, describe_tellings

if TYPE_CHECKING:
    from aloe.schema import AssistantNode, Node, Tree, UserNode

COLUMN = 34
"""Characters a reply needs to stand beside another."""


def find_exchange(tree: "Tree", node: "Node") -> "tuple[UserNode, list[AssistantNode]]":
    """Return a user's message and the replies to it, of which `node` is one or the other."""
    user = node if node.role == "user" else tree.by_id[node.parent]
    assert user.role == "user"
    return user, [each for each in tree.children(user.id) if each.role == "assistant"]


class SiblingView:
    """The replies to `user`, what tells them apart, and how they were compared."""

    def __init__(
        self, tree: "Tree", user: "UserNode", replies: "list[AssistantNode]", *, raw: bool = False
    ) -> None:
        self._tree = tree
        self._user = user
        self._replies = replies
        self._raw = raw

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text.assemble((f"{self._user.turn} user ", "bold cyan"), said(self._user.content))
        for line in describe_revealed(self._tree, self._user):
            yield said(line, "magenta")
        for line in describe_tellings(self._tree, self._user):
            yield Text(line, "dim")
        yield Text()
        beside = options.max_width >= COLUMN * len(self._replies)
        yield self._columns() if beside else Group(*self._stack())
        shown = {reply.id for reply in self._replies}
        for verdict in self._tree.verdicts_on(self._user.id):
            if {verdict.first, verdict.second} <= shown:
                yield from verdict_view(self._tree, verdict, raw=self._raw)

    def _columns(self) -> Table:
        table = Table(box=None, expand=True, padding=(0, 2, 0, 0), show_header=False)
        for _ in self._replies:
            table.add_column(ratio=1)
        table.add_row(*map(self._head, self._replies))
        table.add_row(*map(self._words, self._replies))
        return table

    def _stack(self) -> list[RenderableType]:
        return [part for r in self._replies for part in (self._head(r), self._words(r), Text())]

    def _head(self, reply: "AssistantNode") -> Text:
        found = score(self._tree, reply)
        continued = "▶" if self._tree.children(reply.id) else " "
        text = Text(f"{continued}{preference(self._tree, reply)} {reply.agent} ", "bold green")
        text.append(reply.id[:6], "dim")
        if found:
            text.append(f" {found.text} {found.bar}", "green" if found.share > 0 else "red")
        return text

    def _words(self, reply: "AssistantNode") -> Text:
        """Return the reply; words that no sibling has are bold."""
        others = {w for each in self._replies if each != reply for w in each.content.split()}
        text = Text()
        for index, word in enumerate(reply.content.split(" ")):
            own = others and not set(word.split()) <= others
            text.append((" " if index else "") + show_controls(word), "bold" if own else "")
        if not reply.content:
            text.append("(empty)", "dim")
        text.append(f"\n{counted(len(reply.content.split()), 'word')}", "dim")
        if reply.hint:
            text.append(f"\nhint: {reply.hint}", "magenta")
        for fact in reply.mind_reading:
            text.append(f"\n◇ {fact_text(self._tree, fact)}", "red")
        if reply.faults:
            text.append(f"\n⚠ {', '.join(reply.faults)}", "red")
        return text
