"""What calls took: those of another run took nothing in this one."""

import re
from io import StringIO

from rich.console import Console
from sample_tree import CALLS, HINTED, OPENING, PLAIN, SECOND, TREE, exchange

from aloe.views.account import Account, Spending, accounts
from aloe.views.node import calls_about
from aloe.views.owners import Owners
from aloe.views.tree import Drawer

MADE = [call.event for call in CALLS]
CARRIED = [{**event, "carried": True, "cost": 0.0} for event in MADE]


def test_calls_of_another_run_are_not_counted() -> None:
    assert Spending([*CARRIED, *MADE]).total == Spending(MADE).total
    forked = Spending(CARRIED)
    assert forked.total == Account()
    parts = [*forked.by_role.values(), *forked.by_tree.values()]
    assert all(part == Account() for part in parts)
    assert forked.last  # which says why nothing came of a tree


def test_a_tree_that_was_carried_over_shows_no_time() -> None:
    def drawn(events: list[dict[str, object]]) -> str:
        took = accounts(events, lambda event: event["node"])
        account = accounts(events, lambda event: event["tree"]).get(TREE.id)
        console = Console(file=StringIO(), width=200)
        console.print(Drawer(tree=TREE, account=account, took=took).drawing())
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    assert re.search(r"\d s \d+ tok\b", drawn(MADE))
    assert not re.search(r"\d s \d+ tok\b", drawn(CARRIED))
    assert "0 calls, 0.0 s of models" in drawn(CARRIED)


def test_a_failed_call_is_not_taken_by_whom_it_was_to_answer() -> None:
    failed = {"outcome": "error", "reply": None, "error": "TimeoutError"}
    candidate = exchange("hinted", OPENING.id, **failed)
    lost = exchange("gone", OPENING.id, **failed)
    speaker = exchange("user", PLAIN.id, **failed)
    opening = exchange("user", None, **failed)
    judge = exchange("judge", OPENING.id, **failed)
    of = Owners(TREE.nodes).of
    assert of(candidate.event) == HINTED.id
    assert of(speaker.event) == next(u.id for u in TREE.users if u.parent == PLAIN.id)
    assert of(opening.event) == of(judge.event) == OPENING.id
    alone = TREE.model_copy(update={"nodes": (OPENING, PLAIN), "verdicts": ()})
    short = Owners((*alone.nodes, SECOND.model_copy(update={"parent": PLAIN.id}))).of
    assert short({**candidate.event, "role": "plain"}) == PLAIN.id
    assert candidate in calls_about(TREE, HINTED, [candidate, lost])
    assert calls_about(TREE, OPENING, [candidate, lost, judge]) == [lost, judge]
