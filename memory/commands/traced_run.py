"""What `aloe trace` shows of a run: each view as a picture for a person, and as data for a machine.

Trees that are not finished are shown like the others, and said to be unfinished.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from aloe.errors import AloeError, InputError
from aloe.number_format import counted
from aloe.views.folding import said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aloe.calls.recorded_call import RecordedCall
    from aloe.memory.run_folder import RunTrees
    from aloe.schema import Node, Tree

Shown = tuple[RenderableType, dict[str, Any]]
"""For a person, and for a machine."""

LAST = 10
"""Trees without a complete exchange that are named."""


@dataclass(frozen=True, kw_only=True)
class TracedRun:
    """What was asked for, and what the folder has of it."""

    run: Path
    wanted: str | None
    first: bool
    agent: str | None
    search: str | None
    full: bool
    raw: bool

    @property
    def events(self) -> Path:
        """Log of the calls; it need not exist."""
        from aloe.memory.run_folder import folder_of

        return folder_of(self.run) / "events.jsonl"

    @property
    def min_mass(self) -> float:
        """The probability from which the run reads judges' words as odds, as far as it says so."""
        from aloe.config import MIN_MASS, read_stored
        from aloe.memory.run_folder import folder_of

        try:
            return read_stored(folder_of(self.run) / "config.toml").judge.min_mass
        except AloeError:  # there are no settings, or none that can be read now
            return MIN_MASS

    @cached_property
    def found(self) -> "RunTrees":
        """The trees, unfinished ones included; none of a run that has only begun."""
        from aloe.memory.run_folder import read_run

        return read_run(self.run)

    @property
    def trees(self) -> "list[Tree]":
        """The trees, finished ones first."""
        return self.found.trees

    def choose(self) -> "RunTrees":
        """Return the trees that were asked for: one, or all.

        Raises:
            InputError: there are none, or not exactly one starts with the id.
        """
        found = self.found
        trees = [self.tree()] if self.wanted or self.first else found.trees
        if not trees:
            raise InputError(self.run, "no exchange is complete yet; --follow shows the calls")
        return replace(found, trees=trees)

    def picture(self, node: str | None, diff: str | None) -> Shown:
        """Return what to show."""
        if node is not None:
            return self._node(*self._find(node))
        if diff is not None:
            return self._diff(*self._find(diff))
        if self.agent:
            return self._calls()
        if self.wanted or self.first:
            return self._drawing(self.tree())
        return self._listing()

    def highlight(self) -> Shown:
        """Return the exchange whose preference is clearest."""
        from aloe.memory.highlight import find_highlight

        found = find_highlight(self.choose().trees)
        if found is None:
            raise InputError(
                self.run, "no comparison here has a preference for a reply that lost to nobody"
            )
        return found, found.result()

    def tree(self) -> "Tree":
        """Return the one tree that was asked for.

        Raises:
            InputError: none starts with the id, or several do.
        """
        found = [each for each in self.trees if each.id.startswith(self.wanted or "")]
        if not found and not self.wanted:
            raise InputError(self.run, "no exchange is complete yet; --follow shows the calls")
        if not found:
            reason = f"no tree whose id starts with '{self.wanted}'; `aloe trace` lists them"
            raise InputError(self.run, reason)
        if len(found) > 1 and not self.first:
            reason = f"{len(found)} trees start with '{self.wanted}'; give more of the id"
            raise InputError(self.run, reason)
        return found[0]

    def _find(self, start: str) -> "tuple[Tree, Node]":
        """Return the message whose id starts so."""
        trees = [self.tree()] if self.wanted or self.first else self.trees
        found = {n.id: (t, n) for t in trees for n in t.nodes if n.id.startswith(start)}
        if not found:
            raise InputError(self.run, f"no message whose id starts with '{start}'")
        if len(found) > 1:
            reason = f"{len(found)} messages start with '{start}'; give more of the id, or --tree"
            raise InputError(self.run, reason)
        return next(iter(found.values()))

    def is_wanted(self, call: "RecordedCall") -> bool:
        """Whether a call is of the tree, of the agent and has the text that were asked for."""
        from aloe.views.calls import matches

        of_tree = (call.event["tree"] or "").startswith(self.wanted or "")
        return of_tree and matches(call, self.agent, self.search)

    def _node(self, tree: "Tree", node: "Node") -> Shown:
        from aloe.calls.recorded_call import read_calls
        from aloe.views.node import calls_about, node_view

        every = calls_about(tree, node, read_calls(self.events, tree.id))
        calls = [each for each in every if self.is_wanted(each)]
        result = {"node": node.model_dump(mode="json"), "calls": list(map(plain_call, calls))}
        return node_view(tree, node, calls, raw=self.raw, min_mass=self.min_mass), result

    def _diff(self, tree: "Tree", node: "Node") -> Shown:
        from aloe.views.siblings import SiblingView, find_exchange

        user, replies = find_exchange(tree, node)
        if len(replies) < 2:
            raise InputError(self.run, f"message {user.id} has no two replies to compare")
        verdicts = [verdict.model_dump(mode="json") for verdict in tree.verdicts_on(user.id)]
        result = {"nodes": [each.model_dump(mode="json") for each in replies]}
        return SiblingView(tree, user, replies, raw=self.raw), {**result, "verdicts": verdicts}

    def _calls(self) -> Shown:
        from aloe.calls.recorded_call import read_calls
        from aloe.memory.verifiable.phrases import find_stated
        from aloe.views.answers import Interpreter
        from aloe.views.calls import call_line

        # By the ids in the log: a tree without a complete exchange has calls as well.
        every = read_calls(self.events, self.tree().id if self.first else None)
        interpreter = Interpreter(tells=find_stated, min_mass=self.min_mass)
        said = [(each, None if self.raw else interpreter.interpret(each)) for each in every]
        calls = [(each, words) for each, words in said if self.is_wanted(each)]
        if not calls:
            known = ", ".join(sorted({each.event["role"] for each in every}))
            reason = f"no such call of '{self.agent}'; agents here: {known or 'none'}"
            raise InputError(self.events, reason)
        lines = (call_line(each, words) for each, words in calls)
        return Group(*lines), {"calls": [plain_call(each) for each, _ in calls]}

    def _drawing(self, tree: "Tree") -> Shown:
        from aloe.calls.event import read_events
        from aloe.views.account import accounts
        from aloe.views.owners import Owners
        from aloe.views.tree import Drawer

        events = list(read_events(self.events, tree.id))
        state = describe_state(self.found, tree)
        drawer = Drawer(
            tree=tree,
            account=accounts(events, lambda event: event["tree"]).get(tree.id),
            took=accounts(events, Owners(tree.nodes).of),
            state=state,
            search=self.search,
            full=self.full,
        )
        return drawer.drawing(), tree.model_dump(mode="json") | ({"state": state} if state else {})

    def _listing(self) -> Shown:
        from aloe.calls.event import read_events
        from aloe.views.account import Spending
        from aloe.views.search import hits
        from aloe.views.table import TreeTable

        spent = Spending(read_events(self.events))
        hit = {each.id: hits(each, self.search) for each in self.trees} if self.search else None
        shown = [each for each in self.trees if hit is None or hit[each.id]]
        if self.search and not shown:
            raise InputError(self.run, f"no tree holds '{self.search}'")
        table = TreeTable(shown, spent.by_tree, self.found.unfinished)
        parts: list[RenderableType] = [table]
        if hit:
            parts += ["", *(line for each in shown for line in hit[each.id])]
        parts += self._missing(spent.last)
        return Group(*parts), {"trees": [row.result() for row in table.rows]}

    def _missing(self, last: "Mapping[str, Mapping[str, Any]]") -> Iterator[Text]:
        """Yield lines about the trees of which there is nothing yet, by their last call."""
        known = {each.id for each in self.trees}
        missing = {tree: event for tree, event in last.items() if tree not in known}
        if self.found.unfinished:
            working = "a process is" if self.found.running else "no process is"
            begun = counted(len(self.found.unfinished), "tree")
            yield Text(f"unfinished: {begun}; {working} working", "dim")
        if missing:
            begun = counted(len(missing), "tree")
            yield Text(f"without a complete exchange: {begun}", "dim")
        for tree, event in list(missing.items())[:LAST]:
            why = event["error"] or f"{event['role']} {event['outcome']}"
            yield said(f"  {tree}  last call: {why}", "dim")


def describe_state(found: "RunTrees", tree: "Tree") -> str:
    """Return what there is to say of a tree that is not finished; nothing of one that is."""
    if tree.id not in found.unfinished:
        return ""
    return "unfinished, growing" if found.running else "unfinished, no process is working on it"


def plain_call(call: "RecordedCall") -> dict[str, Any]:
    """Return a call as JSON, with its messages in place of their names."""
    event = {k: v for k, v in call.event.items() if k not in ("prompt", "texts")}
    return {**event, "messages": call.messages}
