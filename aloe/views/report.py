"""A simulation run as one HTML page: figures, curves over the turns, and every tree to open.

`report.html` is its template. Trees travel as data and are drawn when they are opened; what is
shown of a message is put together here, with the signs of the terminal, so that both say the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from aloe.chart import Chart, Curve
from aloe.page import render_page
from aloe.views.account import Account, Spending
from aloe.views.marks import (
    LEGEND,
    fact_text,
    notes,
    preference,
    profile_of,
    score,
    verdicts_about,
)
from aloe.views.table import Sums
from aloe.views.tellings import describe_tellings

if TYPE_CHECKING:
    from aloe.schema import Tree, UserNode

TEMPLATE = Path(__file__).with_name("report.html")

KINDS = ("abstain", "fault", "mind-reading")
"""What the trees on show can be narrowed down to."""

Series = dict[str, dict[int, list[float]]]
"""Values by name and turn."""


def report(
    title: str,
    trees: "Sequence[Tree]",
    spent: Spending,
    *,
    shown: int,
    settings: str = "",
) -> str:
    """Return the page.

    Args:
        title: what the run is called.
        trees: all trees of the run.
        spent: what its calls took.
        shown: how many trees can be opened in the page, the first ones.
        settings: the run's config.toml as text.
    """
    rows = [Sums(tree=tree, account=spent.by_tree.get(tree.id)) for tree in trees]
    return render_page(
        TEMPLATE,
        title,
        {"trees": [_tree(row.tree) for row in rows[:shown]]},
        known=len(rows),
        turns=max(row.turns for row in rows),
        figures=_figures(rows, spent.total),
        charts=_charts(trees),
        agents=_agents(trees, spent.by_role),
        folds=[_fold(row) for row in rows[:shown]],
        legend=LEGEND,
        kinds=("all", *KINDS),
        settings=settings,
    )


def _figures(rows: Sequence[Sums], total: Account) -> Iterable[tuple[str, str, str]]:
    decided = sum(row.decided for row in rows)
    compared = sum(len(row.tree.verdicts) for row in rows)
    replies = sum(node.role == "assistant" for row in rows for node in row.tree.nodes)
    users = [node for row in rows for node in row.tree.nodes if node.role == "user"]
    minds, faults = sum(row.minds for row in rows), sum(row.faults for row in rows)
    yield "preferred", _percent(decided, compared), f"of {compared:,} comparisons"
    yield "abstained", _percent(sum(r.count("abstain") for r in rows), compared), "of them"
    yield "told", f"{sum(len(n.revealed) for n in users):,}", f"in {len(users):,} user messages"
    yield "read minds", _percent(minds, replies), f"of {replies:,} replies"
    yield "faults", f"{faults:,}", f"in {replies + len(users):,} messages"
    yield "calls", f"{total.calls:,}", f"{total.output_tokens:,} tokens written"
    yield "cost", total.money, f"{total.input_tokens:,} tokens read"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _charts(trees: "Sequence[Tree]") -> list[Chart]:
    outcomes: Series = defaultdict(lambda: defaultdict(list))
    wins: Series = defaultdict(lambda: defaultdict(list))
    words: Series = defaultdict(lambda: defaultdict(list))
    told: Series = defaultdict(lambda: defaultdict(list))
    for tree in trees:
        for verdict in tree.verdicts:
            turn = tree.by_id[verdict.node].turn
            kind = "preferred" if verdict.preferred else verdict.outcome
            for name in ("preferred", "tie", "abstain"):
                outcomes[name][turn].append(100.0 * (name == kind))
            if verdict.preferred:
                for reply in (verdict.first, verdict.second):
                    wins[tree.by_id[reply].agent][turn].append(100.0 * (reply == verdict.preferred))
        for node in tree.nodes:
            words[node.agent][node.turn].append(len(node.content.split()))
            if node.role == "user":
                told["told so far"][node.turn].append(len(tree.revealed(node.id)))
    charts = (
        ("What the judge made of the comparisons", outcomes, "%"),
        ("Preferred, where one is", wins, "%"),
        ("What the user had told", told, "things"),
        ("Length of messages", words, "words"),
    )
    return [
        Chart(title=title, x_label="turn", y_label=unit, curves=_curves(series))
        for title, series, unit in charts
        if series
    ]


def _curves(series: Series) -> list[Curve]:
    turns = max(turn for values in series.values() for turn in values)
    return [
        Curve(name=name, levels=[mean(v[t]) if v.get(t) else None for t in range(1, turns + 1)])
        for name, v in series.items()
    ]


def _agents(trees: "Sequence[Tree]", spent: Mapping[str, Account]) -> list[tuple[str, ...]]:
    messages: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    models: dict[str, str] = {}
    for tree in trees:
        models |= tree.models
        for node in tree.nodes:
            messages[node.agent] += 1
            faults[node.agent] += bool(node.faults)
    rows: list[tuple[str, ...]] = []
    for name in dict.fromkeys([*models, *messages, *spent]):
        account = spent.get(name, Account())
        each = f"{account.seconds / account.calls:.2f}" if account.calls else "-"
        counts = (f"{messages[name]:,}", f"{faults[name]:,}") if messages[name] else ("-", "-")
        took = (f"{account.calls:,}", each, f"{account.output_tokens:,}", account.money)
        rows.append((name, models.get(name, "-"), *counts, *took))
    return rows


def _fold(row: Sums) -> dict[str, str]:
    """Return what is shown of a tree before it is opened."""
    preferred = "-" if row.preferred is None else f"{row.preferred:.0%}"
    troubles = [f"{kind} {count}" for kind, count in _troubles(row).items() if count]
    return {
        "id": row.tree.id,
        "profile": shorten(profile_of(row.tree.persona), 90, placeholder="…"),
        "note": ", ".join([f"{row.turns} turns", f"{preferred} preferred", *troubles]),
    }


def _troubles(row: Sums) -> dict[str, int]:
    return dict(zip(KINDS, (row.count("abstain"), row.faults, row.minds), strict=True))


def _tree(tree: "Tree") -> dict[str, Any]:
    """Return a tree as the page draws it."""
    troubles = _troubles(Sums(tree=tree, account=None))
    return {
        "persona": tree.persona.text.strip() or profile_of(tree.persona),
        "nodes": [_message(tree, node) for node in tree.nodes],
        "kinds": sorted(kind for kind, count in troubles.items() if count),
    }


def _message(tree: "Tree", node: Any) -> dict[str, Any]:
    marks = [[f"⚠ {fault}", True] for fault in node.faults]
    marks += [[f"{name}: {value}", False] for name, value in notes(node).items()]
    if node.role == "user":
        meta, more = f"{node.turn} {node.agent}", _told(node)
        more += [[line, False] for line in describe_tellings(tree, node)]
    else:
        signs = ("▶" if tree.children(node.id) else "") + preference(tree, node).strip()
        found = score(tree, node)
        meta = " ".join(
            filter(None, [signs, node.agent, f"{found.text} {found.bar}" if found else ""])
        )
        more = [[f"◇ {fact_text(tree, fact)}", True] for fact in node.mind_reading]
        more += [
            [f"{v.confidence:.0%} sure", False] for v in verdicts_about(tree, node) if v.confidence
        ]
    return {
        "id": node.id,
        "parent": node.parent,
        "role": node.role,
        "agent": node.agent,
        "text": node.content or "(empty)",
        "meta": f"{meta} {node.id[:6]}",
        "marks": marks + more,
        "preferred": node.role == "assistant" and preference(tree, node) == "★",
        "continued": bool(tree.children(node.id)),
    }


def _told(node: "UserNode") -> list[list[Any]]:
    return [
        [f"◆ {each.quote}" + (f" ({each.kind})" if each.kind else ""), each.kind == "contradicted"]
        for each in node.revealed
    ]
