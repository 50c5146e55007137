"""The page of a run folder: `aloe report` writes it, `aloe view` serves it."""

from dataclasses import dataclass
from pathlib import Path

from aloe.calls.event import read_events
from aloe.memory.run_folder import RunFolder, RunTrees, read_run
from aloe.memory.wish_checks import check_replies
from aloe.page import Live
from aloe.schema import Tree
from aloe.views.account import Spending
from aloe.views.report import Extras, report
from aloe.views.report_calls import CallShelf


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """A page and what is in it."""

    html: str
    trees: list[Tree]
    unfinished: int
    """How many trees are not whole, those included of which there is nothing to show."""


def render_run(run: Path, *, shown: int, live: Live | None = None) -> RunPage:
    """Return the page of a run folder as it is now.

    Args:
        run: the folder.
        shown: how many trees can be opened in the page, the first ones.
        live: where a served page asks for news.

    Raises:
        InputError: it is no run folder, or a line in it is broken.
    """
    folder, found = RunFolder(run), read_run(run)
    calls = CallShelf(tree.id for tree in found.trees[:shown])
    spent = Spending(calls.watch(read_events(folder.events)))
    missing = _count_missing(folder, found, spent)
    extras = Extras(
        settings=folder.config.read_text(encoding="utf-8") if folder.config.exists() else "",
        unfinished=found.unfinished,
        missing=missing,
        running=found.running,
        wishes=check_replies,
        calls=calls,
        live=live,
    )
    html = report(run.resolve().name, found.trees, spent, shown=shown, extras=extras)
    return RunPage(html=html, trees=found.trees, unfinished=len(found.unfinished) + missing)


def _count_missing(folder: RunFolder, found: RunTrees, spent: Spending) -> int:
    """Return how many trees have no complete exchange: set aside, interrupted or not begun.

    A fork may hold answers for trees that nobody wants any more; those do not count.
    """
    known = {tree.id for tree in found.trees}
    begun = sum(tree not in known and took.calls > 0 for tree, took in spent.by_tree.items())
    return max(begun, (folder.planned() or 0) - len(known))
