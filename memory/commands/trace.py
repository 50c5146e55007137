"""`aloe trace`: see what the agents did."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from aloe.console import finish, show, stderr, stdout
from aloe.errors import INTERRUPTED, ConfigError, InputError
from aloe.options import Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aloe.calls.recorded_call import RecordedCall
    from aloe.schema import AssistantNode, Tree, UserNode

    AnyNode = UserNode | AssistantNode

LAST = 10
"""Calls of the past that `--follow` begins with."""


def trace(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, or a trees.jsonl.")],
    tree: Annotated[
        str | None, typer.Option("--tree", metavar="ID", help="Draw this one; a prefix is enough.")
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Draw the first tree.")] = False,
    highlight: Annotated[
        bool, typer.Option("--highlight", help="Show the exchange with the clearest preference.")
    ] = False,
    node: Annotated[
        str | None, typer.Option("--node", metavar="ID", help="Show all calls for one message.")
    ] = None,
    diff: Annotated[
        str | None,
        typer.Option("--diff", metavar="ID", help="Show the replies to a message side by side."),
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="List the calls of one agent.")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            "--search", metavar="TEXT", help="Only what contains this text; drawings highlight it."
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show long messages in full.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Watch the calls of a running simulation.")
    ] = False,
    tui: Annotated[bool, typer.Option("--tui", help="Browse with the arrow keys.")] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Also save the picture.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the trees of a run, draw one of them, or show one message with all its calls.

    Ids are shown in the list and the drawings; the first few digits are enough.

    Example: `aloe trace runs/first --tree 3fa9`
    """
    if node and diff:
        raise ConfigError("--node and --diff show one thing each; give one of them")
    trace = _Trace(run=run, wanted=tree, first=first, agent=agent, search=search, full=full)
    if follow:
        trace.follow(as_json=as_json)
        return
    if tui:
        trace.browse()
        return
    picture, result = trace.highlight() if highlight else trace.picture(node, diff)
    show(picture, as_json=as_json, lines=agent is not None and not node)
    if svg:
        from aloe.views.picture import save_svg

        save_svg(picture, svg, title="aloe trace")
    finish(result, as_json=as_json)


@dataclass(frozen=True, kw_only=True)
class _Trace:
    """What was asked for, and what the folder has of it."""

    run: Path
    wanted: str | None
    first: bool
    agent: str | None
    search: str | None
    full: bool

    @property
    def events(self) -> Path:
        return (self.run if self.run.is_dir() else self.run.parent) / "events.jsonl"

    @cached_property
    def trees(self) -> "list[Tree]":
        """The finished trees; none of a run that has only begun."""
        from aloe.memory.run_folder import read_trees

        if self.events.exists() and not (self.run / "trees.jsonl").exists() and self.run.is_dir():
            return []
        return list(read_trees(self.run))

    def picture(self, node: str | None, diff: str | None) -> tuple[RenderableType, dict[str, Any]]:
        """Return what to show, for a person and for a machine."""
        if node is not None:
            return self._node(*self._find(node))
        if diff is not None:
            return self._diff(*self._find(diff))
        if self.agent:
            return self._calls()
        if self.wanted or self.first:
            return self._drawing(self._tree())
        return self._listing()

    def highlight(self) -> tuple[RenderableType, dict[str, Any]]:
        """Return the exchange whose preference is clearest, for a person and for a machine."""
        from aloe.memory.highlight import find_highlight

        found = find_highlight([self._tree()] if self.wanted or self.first else self.trees)
        if found is None:
            raise InputError(self.run, "no comparison here has a preference")
        return found, found.result()

    def _tree(self) -> "Tree":
        found = [each for each in self.trees if each.id.startswith(self.wanted or "")]
        if not found:
            reason = f"no tree whose id starts with '{self.wanted}'; `aloe trace` lists them"
            raise InputError(self.run, reason)
        if len(found) > 1 and not self.first:
            reason = f"{len(found)} trees start with '{self.wanted}'; give more of the id"
            raise InputError(self.run, reason)
        return found[0]

    def _find(self, start: str) -> "tuple[Tree, AnyNode]":
        """Return the message whose id starts so."""
        trees = [self._tree()] if self.wanted or self.first else self.trees
        found = {n.id: (t, n) for t in trees for n in t.nodes if n.id.startswith(start)}
        if not found:
            raise InputError(self.run, f"no message whose id starts with '{start}'")
        if len(found) > 1:
            reason = f"{len(found)} messages start with '{start}'; give more of the id, or --tree"
            raise InputError(self.run, reason)
        return next(iter(found.values()))

    def _exchanges(self, tree: str | None) -> "list[RecordedCall]":
        from aloe.calls.recorded_call import read_calls
        from aloe.views.calls import matches

        found = read_calls(self.events, tree)
        return [each for each in found if matches(each, self.agent, self.search)]

    def _is_wanted(self, exchange: "RecordedCall") -> bool:
        return (exchange.event["tree"] or "").startswith(self.wanted or "")

    def _node(self, tree: "Tree", node: "AnyNode") -> tuple[RenderableType, dict[str, Any]]:
        from aloe.views.node import calls_about, node_view

        calls = calls_about(node, self._exchanges(tree.id))
        result = {"node": node.model_dump(mode="json"), "calls": [_plain(each) for each in calls]}
        return node_view(tree, node, calls), result

    def _diff(self, tree: "Tree", node: "AnyNode") -> tuple[RenderableType, dict[str, Any]]:
        from aloe.views.siblings import SiblingView

        user = tree.by_id[node.parent] if node.role == "assistant" else node
        assert user.role == "user"
        replies = [each for each in tree.children(user.id) if each.role == "assistant"]
        if len(replies) < 2:
            raise InputError(self.run, f"message {user.id} has no two replies to compare")
        verdicts = [verdict.model_dump(mode="json") for verdict in tree.verdicts_on(user.id)]
        result = {"nodes": [each.model_dump(mode="json") for each in replies]}
        return SiblingView(tree, user, replies), {**result, "verdicts": verdicts}

    def _calls(self) -> tuple[RenderableType, dict[str, Any]]:
        from aloe.calls.recorded_call import read_calls
        from aloe.views.calls import call_line

        # By the ids in the log: a tree that is not finished has calls as well.
        found = self._exchanges(self._tree().id if self.first else None)
        calls = [each for each in found if self._is_wanted(each)]
        if not calls:
            known = ", ".join(sorted({each.event["role"] for each in read_calls(self.events)}))
            reason = f"no such call of '{self.agent}'; agents here: {known or 'none'}"
            raise InputError(self.events, reason)
        lines = [call_line(each) for each in calls]
        return Group(*lines), {"calls": [_plain(each) for each in calls]}

    def _drawing(self, tree: "Tree") -> tuple[RenderableType, dict[str, Any]]:
        from aloe.calls.event import read_events
        from aloe.views.account import accounts
        from aloe.views.tree import Drawer

        events = list(read_events(self.events, tree.id))
        drawer = Drawer(
            tree=tree,
            account=accounts(events, lambda event: event["tree"]).get(tree.id),
            took=accounts(events, lambda event: event["node"]),
            search=self.search,
            full=self.full,
        )
        return drawer.drawing(), tree.model_dump(mode="json")

    def _listing(self) -> tuple[RenderableType, dict[str, Any]]:
        from aloe.calls.event import read_events
        from aloe.views.account import Spending
        from aloe.views.search import hits
        from aloe.views.table import TreeTable

        spent = Spending(read_events(self.events))
        hit = {each.id: hits(each, self.search) for each in self.trees} if self.search else None
        shown = [each for each in self.trees if hit is None or hit[each.id]]
        if self.search and not shown:
            raise InputError(self.run, f"no tree holds '{self.search}'")
        table = TreeTable(shown, spent.by_tree)
        parts: list[RenderableType] = [table]
        if hit:
            parts += ["", *(line for each in shown for line in hit[each.id])]
        parts += _missing(spent.last, {each.id for each in self.trees})
        return Group(*parts), {"trees": [row.result() for row in table.rows]}

    def follow(self, *, as_json: bool) -> None:
        """Print calls as they end, until nobody works on the folder any more."""
        from aloe.memory.commands.follow import new_exchanges
        from aloe.memory.run_folder import RunFolder
        from aloe.views.calls import call_line, matches

        if not self.run.is_dir():
            raise InputError(self.run, "there is no run folder here to follow")
        seen = 0
        try:
            for each in new_exchanges(RunFolder(self.run), last=LAST):
                if self._is_wanted(each) and matches(each, self.agent, self.search):
                    seen += 1
                    show(call_line(each), as_json=as_json, lines=True)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        stderr().print(f"no process is working on {self.run}", style="dim", highlight=False)
        finish({"calls": seen}, as_json=as_json)

    def browse(self) -> None:
        """Open the browser."""
        if not stdout().is_terminal:
            raise ConfigError("--tui needs a terminal; without it the output can go anywhere")
        try:
            from aloe.views.browser import Browser
        except ModuleNotFoundError as error:
            reason = f"--tui needs {error.name}: pip install 'aloe-align[tui]'"
            raise ConfigError(reason) from None
        trees = [self._tree()] if self.wanted or self.first else self.trees
        if not trees:
            raise InputError(self.run, "no tree is finished yet; --follow shows the calls")
        Browser(trees, self.events).run()


def _plain(exchange: "RecordedCall") -> dict[str, Any]:
    """Return a call as JSON, with its messages in place of their names."""
    event = {k: v for k, v in exchange.event.items() if k not in ("prompt", "texts")}
    return {**event, "messages": exchange.messages}


def _missing(last: "Mapping[str, Mapping[str, Any]]", known: set[str]) -> list[Text]:
    """Return lines about the trees that are not among the `known`, by their last call."""
    last = {tree: event for tree, event in last.items() if tree not in known}
    if not last:
        return []
    lines = [Text(f"not finished or set aside: {len(last)} trees", "dim")]
    for tree, event in list(last.items())[:LAST]:
        why = event["error"] or f"{event['role']} {event['outcome']}"
        lines.append(Text(f"  {tree}  last call: {why}", "dim", no_wrap=True, overflow="ellipsis"))
    return lines
