"""A browser through the trees of a run: the views of `aloe trace`, with the arrow keys.

The left side shows the run as a tree of trees; messages that simply follow one another stay on one
level, as in the drawing. The right side shows everything about the selection. A tree's messages are
added when it is opened, so that a run with thousands opens at once; jumps search the trees
themselves, not the screen, and open their target.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.filter import LineFilter
from textual.widgets import Footer, Static
from textual.widgets import Tree as Branches
from textual.widgets.tree import TreeNode

from aloe.calls.recorded_call import RecordedCall, read_calls
from aloe.views.escape_filter import EscapeFilter
from aloe.views.marks import LEGEND, preference, profile_of
from aloe.views.node import calls_about, node_view
from aloe.views.siblings import SiblingView
from aloe.views.tree import Drawer, head

if TYPE_CHECKING:
    from aloe.schema import AssistantNode, Tree, UserNode

    AnyNode = UserNode | AssistantNode

Place = tuple[int, str | None]
"""Number of a tree and id of a message in it; None for the tree as a whole."""


def _abstains(tree: "Tree", node: "AnyNode") -> bool:
    return node.role == "assistant" and preference(tree, node) == "?"


def _faulty(_tree: "Tree", node: "AnyNode") -> bool:
    return bool(node.faults)


def _reads_minds(_tree: "Tree", node: "AnyNode") -> bool:
    return node.role == "assistant" and bool(node.mind_reading)


KINDS: "dict[str, Callable[[Tree, AnyNode], bool]]" = {
    "abstain": _abstains,
    "fault": _faulty,
    "mind-reading": _reads_minds,
}
"""What can be jumped to."""


class Branch(Branches[Place]):
    """The left side, where left and right close and open."""

    ICON_NODE = "+ "
    ICON_NODE_EXPANDED = "- "
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "open", "Open", show=False),
        Binding("left", "close", "Close", show=False),
    ]

    def action_open(self) -> None:
        """Open what is chosen, or go to the first thing in it."""
        node = self.cursor_node
        if node and node.allow_expand and not node.is_expanded:
            node.expand()
        elif node and node.children:
            self.move_cursor(node.children[0])

    def action_close(self) -> None:
        """Close what is chosen, or go to what it hangs on."""
        node = self.cursor_node
        if node and node.allow_expand and node.is_expanded:
            node.collapse()
        elif node and node.parent and not node.parent.is_root:
            self.move_cursor(node.parent)


class Browser(App[None]):
    """The whole screen.

    Args:
        trees: the trees of a run.
        events: its events file; it need not exist.
    """

    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-below"), (100, "-beside")]  # noqa: RUF012
    CSS = """
    #both { layout: vertical; }
    .-beside #both { layout: horizontal; }
    Branch { width: 1fr; height: 1fr; }
    #right { width: 1fr; height: 1fr; border-top: solid $primary; padding: 0 1; }
    .-beside #right { border-top: none; border-left: solid $primary; }
    #legend { height: auto; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "jump('abstain', 1)", "abstain"),
        Binding("f", "jump('fault', 1)", "fault"),
        Binding("m", "jump('mind-reading', 1)", "mind-reading"),
        Binding("A", "jump('abstain', -1)", "abstain before", show=False),
        Binding("F", "jump('fault', -1)", "fault before", show=False),
        Binding("M", "jump('mind-reading', -1)", "mind-reading before", show=False),
        Binding("d", "beside", "replies / calls"),
        Binding("tab", "focus_next", "other side"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, trees: "Sequence[Tree]", events: Path) -> None:
        super().__init__(ansi_color=True)
        self._trees = trees
        self._events = events
        self._read: tuple[int, list[RecordedCall]] | None = None
        self._hung: dict[Place, TreeNode[Place]] = {}
        self._siblings = False

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line passes before the terminal gets it."""
        return [*super().get_line_filters(), EscapeFilter()]

    def compose(self) -> ComposeResult:
        """Lay out both sides, the legend and the keys."""
        with Container(id="both"):
            branch = Branch("run", id="left")
            branch.show_root = False
            branch.guide_depth = 2
            for number, tree in enumerate(self._trees):
                label = Text.assemble((tree.id[:8], "bold"), " ", profile_of(tree.persona))
                self._hung[number, None] = branch.root.add(label, data=(number, None))
            branch.root.expand()
            yield branch
            with VerticalScroll(id="right"):
                yield Static(id="words")
        yield Static(Text(LEGEND), id="legend")
        yield Footer()

    def on_mount(self) -> None:
        """Choose the first tree."""
        self.query_one(Branch).focus()
        self._go((0, None))

    def on_tree_node_expanded(self, event: Branches.NodeExpanded[Place]) -> None:
        """Hang in the messages of a tree that is opened."""
        if event.node.data:
            self._fill(event.node.data[0])

    def on_tree_node_highlighted(self, event: Branches.NodeHighlighted[Place]) -> None:
        """Show what is chosen."""
        self._show(event.node.data)

    def action_beside(self) -> None:
        """Show replies side by side instead of the calls for one, or the other way round."""
        self._siblings = not self._siblings
        node = self.query_one(Branch).cursor_node
        self._show(node.data if node else None)

    def action_jump(self, kind: str, step: int) -> None:
        """Go to the next message of a kind, or the one before; round at the end."""
        found = [place for place in self._places if self._is(kind, place)]
        if not found:
            self.notify(f"no {kind} in these trees")
            return
        node = self.query_one(Branch).cursor_node
        here = self._places.index(node.data) if node and node.data else 0
        ahead = [place for place in found if (self._places.index(place) - here) * step > 0]
        last = found[0] if step > 0 else found[-1]
        self._go((ahead[0] if step > 0 else ahead[-1]) if ahead else last)

    @cached_property
    def _places(self) -> list[Place]:
        """All places in the order in which they stand on the screen."""
        return [place for number in range(len(self._trees)) for place in self._of(number)]

    def _of(self, number: int) -> Iterator[Place]:
        yield number, None
        for node in self._trees[number].nodes:
            yield number, node.id

    def _is(self, kind: str, place: Place) -> bool:
        number, node = place
        tree = self._trees[number]
        return node is not None and KINDS[kind](tree, tree.by_id[node])

    def _go(self, place: Place) -> None:
        """Open everything above `place`, and select it."""
        if place[1] is not None:
            self._fill(place[0])
        node = self._hung[place]
        above = node.parent
        while above is not None:
            above.expand()
            above = above.parent
        # What was just hung in gets its line on the screen with the next refresh.
        self.call_after_refresh(self.query_one(Branch).move_cursor, node)

    def _fill(self, number: int) -> None:
        """Hang the messages of a tree in."""
        root, tree = self._hung[number, None], self._trees[number]
        if root.children:
            return
        drawer = Drawer(tree=tree, account=None, took={})
        for opening in tree.children(None):
            self._hang(root, number, drawer, opening)

    def _hang(self, root: TreeNode[Place], number: int, drawer: Drawer, start: "AnyNode") -> None:
        follow = [start]
        while len(follow) == 1:
            (node,) = follow
            message = self._add(root, number, drawer, node)
            after = drawer.tree.children(node.id)
            replies = [each for each in after if each.role == "assistant"]
            follow = [each for each in after if each.role == "user"]
            for reply in replies:
                self._add(message, number, drawer, reply)
                follow += drawer.tree.children(reply.id)
            message.allow_expand = bool(replies)
            message.expand()
        for node in follow:
            self._hung[number, node.parent].allow_expand = True
            self._hang(self._hung[number, node.parent], number, drawer, node)

    def _add(
        self, root: TreeNode[Place], number: int, drawer: Drawer, node: "AnyNode"
    ) -> TreeNode[Place]:
        words = " ".join(node.content.split()) or "(empty)"
        signs = "⚠" * bool(node.faults)
        signs += "◆" * len(node.revealed) if node.role == "user" else "◇" * len(node.mind_reading)
        label = Text(" ").join([drawer.line(node).head, Text(signs, "red"), Text(words)])
        added = self._hung[number, node.id] = root.add(label, data=(number, node.id))
        added.allow_expand = False
        return added

    def _show(self, place: Place | None) -> None:
        if place is None:
            return
        number, name = place
        tree = self._trees[number]
        words = self.query_one("#words", Static)
        self.query_one("#right").scroll_home(animate=False)
        if name is None:
            words.update(head(tree))
            return
        node = tree.by_id[name]
        user = node if node.role == "user" else tree.by_id[node.parent]
        replies = [each for each in tree.children(user.id) if each.role == "assistant"]
        if self._siblings and user.role == "user" and replies:
            words.update(SiblingView(tree, user, replies))
        else:
            words.update(node_view(tree, node, calls_about(node, self._exchanges(number))))

    def _exchanges(self, number: int) -> list[RecordedCall]:
        """Return the calls of a tree; those of the last one are kept."""
        if self._read is None or self._read[0] != number:
            self._read = number, read_calls(self._events, self._trees[number].id)
        return self._read[1]
