"""A simulation run as one HTML page: figures, curves over the turns, and every tree to open.

The page is made of `aloe.page`, so it asks the network for nothing and takes no markup from what
models said. Trees travel as data and are drawn when they are opened; what is shown of a message is
put together here, with the signs of the terminal, so that both say the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from aloe.page import (
    Curve,
    Html,
    escaped,
    fold,
    heading,
    joined,
    line_chart,
    page,
    paragraph,
    section,
    table,
    tag,
    tiles,
)
from aloe.views.account import Account, Spending
from aloe.views.marks import LEGEND, notes, preference, score, verdicts_about
from aloe.views.table import Sums
from aloe.views.tree import fact_text

if TYPE_CHECKING:
    from aloe.schema import Tree, UserNode

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
    turns = max(row.turns for row in rows)
    parts = [
        heading(title, f"{len(trees)} conversation trees of up to {turns} turns"),
        tiles(_figures(rows, spent.total)),
        section("Over the turns", tag("div", *_charts(trees), class_="charts")),
        section("Agents", _agents(trees, spent.by_role)),
        section("Trees", *_browser(rows[:shown], len(rows))),
    ]
    if settings:
        parts.append(
            section("Settings", fold(escaped("config.toml"), tag("pre", escaped(settings))))
        )
    script = (Path(__file__).parent / "report.js").read_text(encoding="utf-8")
    data = {"trees": [_tree(row.tree) for row in rows[:shown]]}
    return page(title, *parts, script=script, data=data)


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


def _charts(trees: "Sequence[Tree]") -> list[Html]:
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
        line_chart(_curves(series), title=title, x_label="turn", y_label=unit)
        for title, series, unit in charts
        if series
    ]


def _curves(series: Series) -> list[Curve]:
    turns = max(turn for values in series.values() for turn in values)
    return [
        Curve(name=name, levels=[mean(v[t]) if v.get(t) else None for t in range(1, turns + 1)])
        for name, v in series.items()
    ]


def _agents(trees: "Sequence[Tree]", spent: Mapping[str, Account]) -> Html:
    messages: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    models: dict[str, str] = {}
    for tree in trees:
        models |= tree.models
        for node in tree.nodes:
            messages[node.agent] += 1
            faults[node.agent] += bool(node.faults)
    head = ("agent", "model", "messages", "faulty", "calls", "s a call", "tokens written", "cost")
    rows = []
    for name in dict.fromkeys([*models, *messages, *spent]):
        account = spent.get(name, Account())
        each = f"{account.seconds / account.calls:.2f}" if account.calls else "-"
        counts = (f"{messages[name]:,}", f"{faults[name]:,}") if messages[name] else ("-", "-")
        took = (f"{account.calls:,}", each, f"{account.output_tokens:,}", account.money)
        rows.append((name, models.get(name, "-"), *counts, *took))
    return table(head, rows)


def _browser(rows: Sequence[Sums], known: int) -> list[Html]:
    legend = paragraph(LEGEND, "small dim")
    missing = (
        [paragraph(f"{known - len(rows)} more are in trees.jsonl.")] if known > len(rows) else []
    )
    kinds = ("all", "abstain", "fault", "mind-reading")
    choice = tag(
        "select",
        *(tag("option", escaped(kind), value=kind) for kind in kinds),
        id="kind",
        aria_label="which trees",
    )
    search = tag("input", id="search", type="search", placeholder="search", aria_label="search")
    tools = tag("div", choice, search, tag("span", id="found", class_="dim"), class_="tools")
    folds = [
        fold(_summary(row), class_="tree", id=row.tree.id, data_number=number)
        for number, row in enumerate(rows)
    ]
    return [tools, legend, *folds, *missing]


def _summary(row: Sums) -> Html:
    preferred = "-" if row.preferred is None else f"{row.preferred:.0%}"
    troubles = [
        f"{name} {count}"
        for name, count in (
            ("abstain", row.count("abstain")),
            ("fault", row.faults),
            ("mind-reading", row.minds),
        )
        if count
    ]
    note = ", ".join([f"{row.turns} turns", f"{preferred} preferred", *troubles])
    return joined(
        tag("code", escaped(row.tree.id[:8])),
        escaped(f" {shorten(row.tree.persona.profile, 90, placeholder='…')} "),
        tag("span", escaped(note), class_="small dim"),
    )


def _tree(tree: "Tree") -> dict[str, Any]:
    """Return a tree as the page draws it."""
    return {
        "persona": tree.persona.text,
        "nodes": [_message(tree, node) for node in tree.nodes],
        "kinds": sorted(_kinds(tree)),
    }


def _kinds(tree: "Tree") -> set[str]:
    """Return what of the page's choices the tree has."""
    row = Sums(tree=tree, account=None)
    found = {"abstain": row.count("abstain"), "fault": row.faults, "mind-reading": row.minds}
    return {kind for kind, count in found.items() if count}


def _message(tree: "Tree", node: Any) -> dict[str, Any]:
    marks = [[f"⚠ {fault}", True] for fault in node.faults]
    marks += [[f"{name}: {value}", False] for name, value in notes(node).items()]
    if node.role == "user":
        meta, more = f"{node.turn} {node.agent}", _told(node)
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
