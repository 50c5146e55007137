"""The trees of a run as they are browsed: which of them are shown, and where something is.

It knows nothing of a screen. A filter keeps the branches that lead to what it is about: messages,
all that stands above them, and the replies beside them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Protocol

from aloe.views.marks import profile_of, verdicts_about

if TYPE_CHECKING:
    from aloe.schema import Node, Tree

Place = tuple[int, str | None]
"""Number of a tree and id of a message in it; None for the tree as a whole."""


class Grown(Protocol):
    """The trees of a run, as `aloe.memory.run_folder.read_run` returns them."""

    @property
    def trees(self) -> "Sequence[Tree]":
        """All of them."""

    @property
    def unfinished(self) -> Collection[str]:
        """Ids of those that are not finished."""

    @property
    def running(self) -> bool:
        """Whether a process is working on the run."""


def _abstains(tree: "Tree", node: "Node") -> bool:
    """Whether a judge abstained on a reply, whatever its mark says of it."""
    return node.role == "assistant" and any(
        verdict.outcome == "abstain" for verdict in verdicts_about(tree, node)
    )


def _faulty(_tree: "Tree", node: "Node") -> bool:
    return bool(node.faults)


def _reads_minds(_tree: "Tree", node: "Node") -> bool:
    return node.role == "assistant" and bool(node.mind_reading)


def _judged(tree: "Tree", node: "Node") -> bool:
    return node.role == "assistant" and bool(verdicts_about(tree, node))


KINDS: "Mapping[str, Callable[[Tree, Node], bool]]" = {
    "abstain": _abstains,
    "fault": _faulty,
    "mind-reading": _reads_minds,
    "verdict": _judged,
}
"""What can be jumped to and filtered by."""

FILTERS = {
    "": "everything",
    "fault": "branches with a fault",
    "verdict": "branches with a verdict",
    "abstain": "branches where the judge abstained",
    "mind-reading": "branches where a reply read the user's mind",
    "unfinished": "unfinished trees",
    "persona": "trees of personas with some words in them ...",
}
"""What can be shown alone, in words."""


class Grove:
    """The trees, narrowed down to what is shown.

    Args:
        grown: the trees of a run.
        only: a name of `FILTERS`; empty for everything.
        words: what the persona has to say, where `only` is `persona`.
    """

    def __init__(self, grown: Grown, only: str = "", words: str = "") -> None:
        self.trees: Sequence[Tree] = grown.trees
        self.unfinished = grown.unfinished
        self.running = grown.running
        self.only = only
        self.words = words
        self.shown = cache(self._shown)

    def narrow(self, only: str, words: str = "") -> "Grove":
        """Return the same trees with another filter."""
        return Grove(self, only, words)

    def _shown(self, number: int) -> Collection[str]:
        """Return the ids of the messages of a tree that are shown."""
        tree = self.trees[number]
        every = tree.by_id.keys()
        if self.only in ("unfinished", "persona"):
            return every if self._is_shown_whole(tree) else ()
        if not self.only:
            return every
        is_kind = KINDS[self.only]
        kept: set[str] = set()
        for node in tree.nodes:
            if is_kind(tree, node):
                kept.update(each.id for each in tree.path(node.id))
                kept.update(each.id for each in tree.children(node.parent))
        return kept

    def _is_shown_whole(self, tree: "Tree") -> bool:
        if self.only == "unfinished":
            return tree.id in self.unfinished
        persona = f"{tree.persona.text} {profile_of(tree.persona)}"
        return self.words.casefold() in persona.casefold()

    @cached_property
    def numbers(self) -> list[int]:
        """Numbers of the trees that are shown."""
        every = range(len(self.trees))
        return [number for number in every if not self.only or self.shown(number)]

    @cached_property
    def places(self) -> list[Place]:
        """All places in the order in which they stand on the screen."""
        return [place for number in self.numbers for place in self._of(number)]

    def _of(self, number: int) -> Iterator[Place]:
        shown = self.shown(number)
        yield number, None
        yield from ((number, node.id) for node in self.trees[number].nodes if node.id in shown)

    def children(self, number: int, node: str | None) -> "list[Node]":
        """Return what is shown below a message, or of a tree's openings."""
        shown = self.shown(number)
        return [each for each in self.trees[number].children(node) if each.id in shown]

    def find_kind(self, kind: str) -> list[Place]:
        """Return the messages of a kind."""
        found: list[Place] = []
        for number, node in self.places:
            tree = self.trees[number]
            if node is not None and KINDS[kind](tree, tree.by_id[node]):
                found.append((number, node))
        return found

    def find_text(self, text: str) -> list[Place]:
        """Return the messages that contain a text, and the trees whose persona does."""
        wanted = text.casefold()
        return [place for place in self.places if wanted in self._text(place).casefold()]

    def _text(self, place: Place) -> str:
        tree = self.trees[place[0]]
        return tree.by_id[place[1]].content if place[1] else tree.persona.text

    def find_ids(self, start: str) -> list[Place]:
        """Return the trees and messages whose id starts so."""
        return [
            (number, node)
            for number, node in self.places
            if (node or self.trees[number].id).startswith(start)
        ]

    def count(self, only: str) -> int:
        """Return how many trees a filter would show."""
        return len(self.narrow(only).numbers)

    def find_next(self, found: Sequence[Place], here: Place | None, step: int) -> Place:
        """Return the next of some places behind `here`, or the one before; round at the end."""
        order = {place: at for at, place in enumerate(self.places)}
        at = order.get(here, 0) if here else 0
        ahead = [place for place in found if (order[place] - at) * step > 0]
        return (ahead or found)[0 if step > 0 else -1]
