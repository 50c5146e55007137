"""A simulation run as one HTML page: figures, curves over the turns, and every tree to open.

`report.html` is its template. Trees travel as data and are drawn when they are opened, so that a
page of hundreds opens at once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aloe.number_format import counted
from aloe.page import Live, render_page
from aloe.players import find_players
from aloe.views.account import Account, Spending
from aloe.views.report_calls import CallShelf
from aloe.views.report_charts import BANDS, chart_run
from aloe.views.report_tree import KINDS, fold_tree, tree_data
from aloe.views.table import Sums
from aloe.views.tellings import find_told
from aloe.views.wishes import Wishes, no_wishes

if TYPE_CHECKING:
    from aloe.schema import Tree

TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What a page says beyond trees and what they took."""

    settings: str = ""
    """The run's config.toml as text."""
    unfinished: frozenset[str] = frozenset()
    """Ids of trees that are not whole."""
    missing: int = 0
    """Trees without a complete exchange, which the page cannot show."""
    running: bool = False
    """Whether somebody is at work on them."""
    wishes: "Callable[[Tree], Wishes]" = no_wishes
    """Says which wishes the replies of a tree keep."""
    calls: CallShelf = field(default_factory=lambda: CallShelf(()))
    live: Live | None = None
    """Where the page is told that it is out of date; None: nowhere."""


def report(
    title: str,
    trees: "Sequence[Tree]",
    spent: Spending,
    *,
    shown: int,
    extras: Extras = Extras(),
) -> str:
    """Return the page.

    Args:
        title: what the run is called.
        trees: all trees of the run.
        spent: what its calls took.
        shown: how many trees can be opened in the page, the first ones.
        extras: what else the page says.
    """
    rows = [Sums(tree=tree, account=spent.by_tree.get(tree.id)) for tree in trees]
    wishes = [extras.wishes(tree) for tree in trees]
    first = list(zip(rows, wishes, strict=True))[:shown]
    opened = [
        tree_data(
            row,
            checked,
            extras.calls.of(row.tree.id, row.tree.nodes),
            unfinished=row.tree.id in extras.unfinished,
        )
        for row, checked in first
    ]
    return render_page(
        TEMPLATE,
        title,
        {"trees": opened},
        live=extras.live,
        about=_about(rows),
        status=describe_status(len(extras.unfinished) + extras.missing, running=extras.running),
        known=len(rows),
        figures=_figures(rows, wishes, spent),
        charts=chart_run(trees, wishes),
        bands=BANDS,
        agents=_agents(trees, spent),
        folds=[fold_tree(row, unfinished=row.tree.id in extras.unfinished) for row in rows[:shown]],
        kinds={"all": "all", **KINDS} | ({"unfinished": "unfinished"} if extras.unfinished else {}),
        settings=extras.settings,
    )


def describe_status(unfinished: int, *, running: bool) -> str:
    """Return how a run stands, in a few words; empty if it is finished and nobody is at work."""
    trees = counted(unfinished, "unfinished tree")
    if running:
        return f"running, {trees}" if unfinished else "running"
    return f"stopped with {trees}" if unfinished else ""


def _about(rows: Sequence[Sums]) -> str:
    turns = max((row.turns for row in rows), default=0)
    trees = counted(len(rows), "conversation tree")
    return f"{trees} of up to {counted(turns, 'turn')}" if rows else "No exchange is finished yet."


def _figures(
    rows: Sequence[Sums], wishes: Sequence[Wishes], spent: Spending
) -> Iterable[tuple[str, str, str]]:
    decided = sum(row.decided for row in rows)
    compared = sum(len(row.tree.verdicts) for row in rows)
    replies = sum(len(row.tree.replies) for row in rows)
    users = [(row.tree, user) for row in rows for user in row.tree.users]
    minds, faults = sum(row.minds for row in rows), sum(row.faults for row in rows)
    checked, total = sum(row.checked for row in rows), spent.total
    told = [w for each in wishes for found in each.checked.values() for w in found if w.told]
    if told:
        kept = sum(wish.kept for wish in told)
        yield "wishes kept", _percent(kept, len(told)), f"of {len(told):,} told by then"
    yield "decided", _percent(decided, compared), f"of {counted(compared, 'comparison')}"
    yield "judge abstains", _percent(sum(r.count("abstain") for r in rows), compared), "of them"
    things = sum(len(find_told(*each)) for each in users)
    yield (
        "told",
        f"{things:,}" if things or checked else "-",
        f"things in {counted(len(users), 'user message')}",
    )
    looked = counted(checked, "reply" if checked == replies else "checked reply")
    yield "mind-reading", _percent(minds, checked), f"of {looked}"
    yield "faults", f"{faults:,}", f"in {counted(replies + len(users), 'message')}"
    if not spent.logged:
        yield "calls", "-", "no log of them"
        yield "cost", "-", "no log of calls"
        return
    yield "calls", f"{total.calls:,}", f"{total.output_tokens:,} tokens written"
    yield "cost", total.money, f"{total.input_tokens:,} tokens read"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _agents(trees: "Sequence[Tree]", spent: Spending) -> list[tuple[str, ...]]:
    messages: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    models: dict[str, dict[str, None]] = {}  # all of an agent: trees may be of several runs
    for tree in trees:
        for name, model in find_players(tree).items():
            models.setdefault(name, {})[model] = None
        for node in tree.nodes:
            messages[node.agent] += 1
            faults[node.agent] += bool(node.faults)
    rows: list[tuple[str, ...]] = []
    for name in dict.fromkeys([*models, *messages, *spent.by_role]):
        counts = (f"{messages[name]:,}", f"{faults[name]:,}") if messages[name] else ("-", "-")
        took = _took(spent.by_role.get(name, Account())) if spent.logged else ("-",) * 4
        rows.append((name, ", ".join(models.get(name, "-")), *counts, *took))
    return rows


def _took(account: Account) -> tuple[str, ...]:
    each = f"{account.seconds / account.calls:.2f}" if account.calls else "-"
    return f"{account.calls:,}", each, f"{account.output_tokens:,}", account.money
