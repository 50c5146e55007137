"""What the views draw, on wide and narrow terminals, against pictures that are kept."""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Group
from sample_tree import CALLS, HINTED, MUTE, OPENING, PLAIN, SHORT, TREE
from snapshots import Compare, drawn

from aloe.schema import Node, ReturnLabel, Tree, Verdict
from aloe.views.account import accounts
from aloe.views.calls import call_line, matches
from aloe.views.marks import Standing, score, short
from aloe.views.node import calls_about, node_view, verdict_view
from aloe.views.search import hits
from aloe.views.siblings import SiblingView
from aloe.views.table import TreeTable
from aloe.views.tree import Drawer

EVENTS = [each.event for each in CALLS]
BY_TREE = accounts(EVENTS, lambda event: event["tree"])
BY_NODE = accounts(EVENTS, lambda event: event["node"])


def grown(nodes: list[Node]) -> Tree:
    return Tree.model_validate({**TREE.model_dump(), "nodes": tuple(nodes), "verdicts": ()})


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


def test_table(snapshot: Compare) -> None:
    again = TREE.model_copy(update={"id": "51cf000000000000", "verdicts": ()})
    snapshot("table", TreeTable([TREE, again], BY_TREE))


def test_tree(snapshot: Compare) -> None:
    drawer = Drawer(tree=TREE, account=BY_TREE[TREE.id], took=BY_NODE)
    snapshot("tree", drawer.drawing())


def test_a_long_talk_does_not_grow_to_the_right() -> None:
    nodes: list[Node] = []
    parent = None
    for turn in range(1, 31):
        asked = OPENING.model_copy(update={"id": f"u{turn}", "parent": parent, "turn": turn})
        reply = HINTED.model_copy(update={"id": f"a{turn}", "parent": asked.id, "turn": turn})
        nodes += [asked, reply]
        parent = reply.id
    tree = grown(nodes)
    lines = drawn(Drawer(tree=tree, account=None, took={}).drawing(), 80).splitlines()
    first, last = (next(line for line in lines if f" user {u} " in line) for u in ("u1", "u30"))
    assert len(lines) < 30 * 8
    assert first.index(" user ") == last.index(" user ")


def test_long_messages_are_cut_unless_asked_for() -> None:
    long = OPENING.model_copy(update={"content": "word " * 200 + "end."})
    tree = grown([long])
    cut = drawn(Drawer(tree=tree, account=None, took={}).drawing(), 80)
    whole = drawn(Drawer(tree=tree, account=None, took={}, full=True).drawing(), 80)
    assert "characters more" in cut
    assert "end." not in cut
    assert "end." in whole


def test_node(snapshot: Compare) -> None:
    snapshot("node", node_view(TREE, HINTED, calls_about(TREE, HINTED, CALLS)))
    assert calls_about(TREE, HINTED, CALLS) == CALLS[:2]
    assert calls_about(TREE, OPENING, CALLS) == [CALLS[1]]
    assert calls_about(TREE, PLAIN, CALLS) == CALLS[1:]
    assert "no such call is recorded" in drawn(node_view(TREE, MUTE, []), 80)


def test_a_vote_says_how_it_was_read() -> None:
    def shown(**given: Any) -> str:
        raw = TREE.verdicts[0].model_dump() | {"votes": [vote | given]}
        return drawn(Group(*verdict_view(TREE, Verdict.model_validate(raw), raw=True)), 300)

    vote = TREE.verdicts[0].votes[0].model_dump()
    assert "ln P(B) at most -2.400, 99.6% on an answer" in shown(unlisted=("B",))
    assert "0.3% on an answer: its text counts" in shown(logprobs=None, mass=0.003)
    assert "answer" not in shown(mass=None)


def test_a_label_by_return_stands_below_the_judges() -> None:
    label = ReturnLabel(outcome="abstain", reason="not continued", levels="wishes", horizon=3,
                        discount=0.9, z=1.0)  # fmt: skip

    def shown(**given: Any) -> str:
        verdict = TREE.verdicts[0].model_copy(update={"by_return": label.model_copy(update=given)})
        return drawn(Group(*verdict_view(TREE, verdict, raw=True)), 300)

    assert "by return: not continued (horizon 3, discount 0.9, z 1)" in shown()
    told = {"outcome": "second", "reason": None, "returns": (0.25, 0.75), "error": 0.125}
    assert "by return: plain" in shown(**told)
    assert "0.250 against 0.750, standard error of the difference 0.125" in shown(**told)
    assert "difference unknown" in shown(**{**told, "error": None})


def test_failed_call(snapshot: Compare) -> None:
    snapshot("failed_call", node_view(TREE, PLAIN, CALLS[2:]))


def test_siblings(snapshot: Compare) -> None:
    snapshot("siblings", SiblingView(TREE, OPENING, [HINTED, PLAIN]))


def test_calls(snapshot: Compare) -> None:
    snapshot("calls", Group(*map(call_line, CALLS)))
    assert [each for each in CALLS if matches(each, "judge", None)] == [CALLS[1]]
    assert [each for each in CALLS if matches(each, None, "http 5")] == [CALLS[2]]
    assert [each for each in CALLS if matches(each, "hinted", "CHAIN")] == [CALLS[0]]


def test_hits(snapshot: Compare) -> None:
    snapshot("hits", Group(*hits(TREE, "RUI")))
    assert hits(TREE, "nowhere") == []


def test_scores() -> None:
    assert score(TREE, HINTED) == Standing(text="+0.75", share=pytest.approx(0.358, abs=1e-3))
    assert score(TREE, PLAIN) == Standing(text="-0.75", share=pytest.approx(-0.358, abs=1e-3))
    assert (score(TREE, SHORT) or Standing(text="", share=9)).text == "0.00"
    assert score(TREE, MUTE) is None
    assert (Standing(text="", share=1.0).bar, Standing(text="", share=-0.5).bar) == ("▮▮▮▮▮", "▯▯")
    parsed = TREE.verdicts[0].model_copy(update={"margin": None})
    tree = Tree.model_validate({**TREE.model_dump(), "verdicts": (parsed,)})
    assert score(tree, HINTED) == Standing(text="1/2", share=0.0)
    votes = tuple(each.model_copy(update={"choice": "tie"}) for each in parsed.votes)
    even = parsed.model_copy(update={"votes": votes, "outcome": "tie"})
    tree = Tree.model_validate({**TREE.model_dump(), "verdicts": (even,)})
    assert score(tree, HINTED) == score(tree, PLAIN) == Standing(text="0/2, 2 tied", share=0.0)


def test_short_ids() -> None:
    assert short(["abcdef12", "abcdxx12"]) == 5
    assert short(["abcdef12"]) == 4
    assert short(["same", "same"]) == 4
