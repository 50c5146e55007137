"""The left side of the browser: the run as a tree of trees.

Messages that simply follow one another stay on one level, as in the drawing. A tree's messages are
added when it is opened, so that a run with thousands opens at once.
"""

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Tree as Branches
from textual.widgets.tree import TreeNode

from aloe.views.grove import Grove, Place
from aloe.views.marks import profile_of
from aloe.views.tree import Drawer

if TYPE_CHECKING:
    from aloe.schema import Node


class Branch(Branches[Place]):
    """The trees, where left and right close and open."""

    ICON_NODE = "+ "
    ICON_NODE_EXPANDED = "- "
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "open", "Open", show=False),
        Binding("left", "close", "Close", show=False),
    ]

    def __init__(self, grove: Grove) -> None:
        super().__init__("run", id="left")
        self.show_root = False
        self.guide_depth = 2
        self._hung: dict[Place, TreeNode[Place]] = {}
        self.grow(grove)

    def grow(self, grove: Grove) -> None:
        """Hang in the trees that are shown, and nothing else."""
        self._grove = grove
        self._hung.clear()
        self.root.remove_children()
        for number in grove.numbers:
            tree = grove.trees[number]
            begun = ("unfinished ", "yellow") if tree.id in grove.unfinished else ""
            label = Text.assemble((tree.id[:8], "bold"), " ", begun, profile_of(tree.persona))
            self._hung[number, None] = self.root.add(label, data=(number, None))
        self.root.expand()

    @property
    def opened(self) -> list[int]:
        """Numbers of the trees that are open."""
        return [n for (n, node), at in self._hung.items() if node is None and at.is_expanded]

    @property
    def place(self) -> Place | None:
        """What is chosen."""
        return self.cursor_node.data if self.cursor_node else None

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

    def go(self, place: Place) -> None:
        """Open everything above a place, and choose it."""
        if place[1] is not None:
            self.fill(place[0])
        node = self._hung[place]
        above = node.parent
        while above is not None:
            above.expand()
            above = above.parent
        # What was just hung in gets its line on the screen with the next refresh.
        self.call_after_refresh(self.move_cursor, node)

    def open(self, number: int) -> None:
        """Open a tree."""
        self.fill(number)
        self._hung[number, None].expand()

    def fill(self, number: int) -> None:
        """Hang the messages of a tree in, unless they are."""
        root = self._hung[number, None]
        if root.children:
            return
        drawer = Drawer(tree=self._grove.trees[number], account=None, took={})
        for opening in self._grove.children(number, None):
            self._hang(root, number, drawer, opening)

    def _hang(self, root: TreeNode[Place], number: int, drawer: Drawer, start: "Node") -> None:
        follow = [start]
        while len(follow) == 1:
            (node,) = follow
            message = self._add(root, number, drawer, node)
            after = self._grove.children(number, node.id)
            replies = [each for each in after if each.role == "assistant"]
            follow = [each for each in after if each.role == "user"]
            for reply in replies:
                self._add(message, number, drawer, reply)
                follow += self._grove.children(number, reply.id)
            message.allow_expand = bool(replies)
            message.expand()
        for node in follow:
            self._hung[number, node.parent].allow_expand = True
            self._hang(self._hung[number, node.parent], number, drawer, node)

    def _add(
        self, root: TreeNode[Place], number: int, drawer: Drawer, node: "Node"
    ) -> TreeNode[Place]:
        words = " ".join(node.content.split()) or "(empty)"
        signs = "⚠" * bool(node.faults)
        signs += "◆" * len(node.revealed) if node.role == "user" else "◇" * len(node.mind_reading)
        label = Text(" ").join([drawer.line(node).head, Text(signs, "red"), Text(words)])
        added = self._hung[number, node.id] = root.add(label, data=(number, node.id))
        added.allow_expand = False
        return added
