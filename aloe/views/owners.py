"""Which message each call of a tree belongs to.

A call is logged under the message that it wrote, read or judged. What is asked again writes drafts
that no tree holds; their calls say as well which message they were opened for (`about`), and so
which one came of them. Logs from before that was written leave drafts to nobody. A call that failed
is logged under the message that it was to answer, and belongs to the answer, if there is one.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aloe.schema import Node

Place = tuple[str | None, str]
"""A message that was answered, None before the opening one, and the role that answered it."""


class Owners:
    """Finds the message of each call of one tree.

    Calls must be given in order, since a draft is written before it is read.

    Args:
        nodes: the messages of the tree.
    """

    def __init__(self, nodes: "Iterable[Node]") -> None:
        self._known: dict[str | None, str] = {}
        self._written: dict[Place, str | None] = {}
        self._drafts: dict[str, str | None] = {}
        self._authors: dict[str, str] = {}
        for node in nodes:
            self._known |= dict.fromkeys(_ids_of(node), node.id)
            place = node.parent, "user" if node.role == "user" else node.agent
            self._authors[node.id] = place[1]
            # Where several samples of an answer were made, a draft may be of any of them.
            self._written[place] = None if place in self._written else node.id

    def of(self, event: Mapping[str, Any]) -> str | None:
        """Return the id of the message that a call belongs to; None if it is not in the tree."""
        name = event["node"]
        if event.get("outcome") == "error" and self._is_answered(name, event["role"]):
            return self._written.get((self._known.get(name, name), event["role"]))
        if name in self._known:
            return self._known[name]
        if name is not None and "about" not in event:
            return self._drafts.get(name)
        about = event.get("about")
        owner = self._written.get((self._known.get(about, about), event["role"]))
        if name is not None:
            self._drafts[name] = owner
        return owner

    def _is_answered(self, name: str | None, role: str) -> bool:
        """Whether a message is one that a role answers, and none that it wrote."""
        return role in self._authors.values() and self._authors.get(name or "") != role


def _ids_of(node: "Node") -> tuple[str, ...]:
    """Return the ids under which calls about `node` are logged."""
    return (*node.former, node.id) if node.role == "user" else (node.id,)
