"""What a person sees while a run works."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import PERSONAS, config, grow
from sample_tree import TREE, totals
from snapshots import Compare, drawn

from aloe.benchmark.commands.bench_display import BenchDisplay
from aloe.benchmark.run import BenchProgress
from aloe.calls.budget import Budget, Spent
from aloe.calls.event import Event
from aloe.calls.expected import ExpectedCalls
from aloe.calls.log import CallLog
from aloe.config import BudgetConfig
from aloe.graphs.batch import RunProgress, grow_all
from aloe.graphs.commands.dashboard import RunDisplay
from aloe.graphs.commands.newest_exchange import NewestExchange
from aloe.graphs.commands.personas import GrowthDisplay
from aloe.graphs.context import FinishedExchange, open_models
from aloe.graphs.plan import PlannedTree, plan_trees
from aloe.graphs.pool import GrowthProgress
from aloe.graphs.rejudge_run import expect_calls
from aloe.memory.pool.growth import GrowthLog, Outcome
from aloe.memory.run_folder import RunFolder
from aloe.models.limits import Limiter
from aloe.schema import AssistantNode
from aloe.training.display import TrainingDisplay
from aloe.training.progress import TrainingProgress
from aloe.views.figures import Throughput, spending


def event(
    role: str, text: str, *, tree: str = "t1", outcome: str = "ok", user: str | None = None
) -> Event:
    """Return the call in which a user says something, or in which it is answered."""
    reply, node = {"text": text, "finish": "stop"}, user if role == "user" else f"{role} {user}"
    return Event(
        role=role, model="m", tree=tree, node=node, about=user, outcome=outcome, reply=reply
    )


def display(progress: RunProgress, *, budget: Budget | None = None) -> RunDisplay:
    calls = CallLog()
    calls.totals = totals()
    if budget:
        calls.budget = budget
    return RunDisplay(progress, calls, quiet=True)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that stands until it is told otherwise."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    monkeypatch.setenv("COLUMNS", "80")  # of the terminal that the picture would stand on
    return clock


def test_panel_of_a_run_under_way(snapshot: Compare, still: Any) -> None:
    progress = RunProgress(wanted=10, running=3, failures={"t9": "HTTP 500"})
    progress.add(TREE)
    spent = Spent(calls=1239, tokens=101_000, cost=0.75)
    shown = display(progress, budget=Budget(BudgetConfig(max_cost=2.0, max_calls=5000), spent))
    still.now += 120
    for role, text in (("user", "Hello\n[red]there[/red]"), ("hinted", "Hi. " * 100)):
        shown.newest.add(event(role, text))
    snapshot("dashboard", shown.panel())
    assert "1/10 trees, 3 running" in shown.line()
    assert "8 min to go" in shown.line()  # 2 of 10 in two minutes


def test_rates_are_of_the_last_seconds_and_at_the_end_of_the_whole(still: Any) -> None:
    seen = totals()
    pace = Throughput(seen)
    for _ in range(60):
        still.now += 1
        seen.calls += 1
        pace.rates()
    for _ in range(30):
        still.now += 1
        seen.calls += 10
        rate = pace.rates()[0]
    assert rate == pytest.approx(10, rel=0.1)
    pace.end()
    still.now += 1000
    assert pace.seconds == 90
    assert pace.rates()[0] == pytest.approx((1234 + 60 + 300) / 90)


def test_time_to_go(still: Any) -> None:
    pace = Throughput(totals())
    still.now += 30
    assert pace.to_go(0, 10) is None
    assert pace.to_go(3, 9) == pytest.approx(60)
    assert pace.to_go(9, 9) is None


def test_trouble_is_named_by_role_and_kind() -> None:
    calls = CallLog()
    calls.totals = totals()
    lines = spending(calls, Throughput(calls.totals))
    assert lines["trouble"] == "user echo 30, judge error 2"
    assert "57% from cache" in lines["tokens"]
    assert "budget" not in lines
    assert "trouble" not in spending(CallLog(), Throughput(CallLog().totals))


def test_empty_replies_of_roles_are_troubles_while_trees_grow_and_after() -> None:
    progress = RunProgress(wanted=2, running=1, roles=frozenset(("hinted", "echo")))
    shown = display(progress)
    replies = [
        AssistantNode.of(TREE.nodes[0].id, text, agent=agent, turn=1)
        for agent, text in (("hinted", ""), ("hinted", "Hi."), ("plain", ""))
    ]
    nodes = [TREE.nodes[0], *replies]
    progress.add_exchange(FinishedExchange(tree="t1", nodes=nodes, verdicts=[]))
    assert "user echo 30, judge error 2, hinted empty 1" in drawn(shown.figures(), 120)
    assert "hinted:empty" not in shown.result()["outcomes"]  # for machines: of finished trees
    progress.add(TREE.model_copy(update={"id": "t1", "nodes": tuple(nodes), "verdicts": ()}))
    assert "user echo 30, judge error 2, hinted empty 1" in drawn(shown.figures(), 120)
    assert shown.result()["outcomes"]["hinted:empty"] == 1


def test_what_holds_calls_back_is_shown_while_it_works() -> None:
    shown = display(RunProgress(wanted=2, running=1))
    limiter = Limiter(server="http://host")
    limiter.in_force = lambda: "24 at once"  # type: ignore[method-assign]
    shown._calls.limiters.add(limiter)
    assert "http://host: 24 at once" in drawn(shown.figures(), 100)
    shown._pace.end()
    assert "24 at once" not in drawn(shown.figures(), 100)


def test_the_newest_exchange_stays_long_enough_to_be_read(still: Any) -> None:
    newest = NewestExchange()
    newest.add(event("user", "first tree", tree="a"))
    newest.add(event("user", "second tree", tree="b"))
    newest.add(event("hinted", "answer", tree="a"))
    text = drawn(newest.view(), 80)
    assert "first tree" in text
    assert "answer" in text
    assert "second tree" not in text
    still.now += 3
    newest.add(event("hinted", "other", tree="b"))
    assert "second tree" in drawn(newest.view(), 80)


def test_a_reply_is_shown_below_the_message_that_it_answers(still: Any) -> None:
    newest = NewestExchange()
    for user, text in (("u1", "I keep bees."), ("u2", "I hate bees.")):
        newest.add(event("user", text, user=user))
    for user, text in (("u3", "To nobody."), ("u2", "Avoid honey."), ("u1", "Eat honey.")):
        newest.add(event("hinted", text, user=user))
    lines = drawn(newest.view(), 80).strip().splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == ["I keep bees.", "Eat honey."]
    still.now += 3
    newest.add(event("plain", "No honey.", user="u2"))
    lines = drawn(newest.view(), 80).strip().splitlines()
    said = [line.split(maxsplit=1)[1] for line in lines]
    assert said == ["I hate bees.", "Avoid honey.", "No honey."]


def test_failed_calls_say_nothing_and_memory_stays_small() -> None:
    newest = NewestExchange()
    newest.add(Event(role="user", model="m", tree="t", node=None, outcome="error"))
    newest.add(event("writer", "outside", tree=""))
    assert drawn(newest.view(), 80).strip() == ""
    for number in range(1000):
        newest.add(event("user", "hello", tree=f"t{number}"))
    assert len(newest._lines) <= 64
    assert "hello" in drawn(newest.view(), 80)


def test_figures_of_a_real_tree() -> None:
    progress = RunProgress(wanted=1)
    progress.add(grow(config(turns=2), persona=PERSONAS[0]))
    text = drawn(display(progress).figures(), 120)
    assert re.search(r"verdicts\s+\d+ preferred", text)
    assert "1 grown now" in text


def test_what_there_is_none_of_is_left_out() -> None:
    progress = RunProgress(wanted=3, finished_before=1)
    progress.add(grow(config(turns=2), persona=PERSONAS[0]))
    shown = RunDisplay(progress, CallLog(), quiet=True)
    figures = shown.lines(progress)
    assert figures["trees"].startswith("1 grown now, 1 there before; ")
    assert not re.search(
        r"(?<![\d.])0 ", f"{figures} {drawn(shown.figures(), 120)}".split("calls")[0]
    )
    assert "cost" not in drawn(shown.figures(), 120)
    assert "set aside" not in drawn(shown.figures(), 120)


def test_a_training_says_when_it_will_be_done(still: Any) -> None:
    shown = TrainingDisplay(TrainingProgress(method="sft"), quiet=True)
    assert shown.to_go() == ""
    for step in (4, 6):  # taken up again at step 4
        shown.follow(TrainingProgress(method="sft", step=step, steps=16))
        still.now += 10
    assert shown.to_go() == "about 2 min to go"
    assert shown.to_go() in shown.line()
    shown.follow(TrainingProgress(method="sft", step=16, steps=16))
    assert shown.to_go() == ""


def test_the_time_before_the_steps_of_a_training_is_none_of_theirs(still: Any) -> None:
    shown = TrainingDisplay(TrainingProgress(method="dpo"), quiet=True)
    progress = TrainingProgress(method="dpo", phase="reference", steps=70)
    for step in (1, 70):
        progress.step = step
        shown.follow(progress)
        still.now += 600
    progress.phase, progress.step, progress.steps = "training", 0, 135
    assert shown.to_go() == ""
    for step, to_go in ((61, ""), (62, "about 13 min to go")):  # taken up again at step 60
        still.now += 10
        progress.step = step
        assert shown.to_go() == to_go
        shown.follow(progress)
        assert shown.to_go() == to_go


def test_a_growth_says_from_the_first_call_when_it_will_be_done(tmp_path: Path, still: Any) -> None:
    calls, log = CallLog(), GrowthLog(tmp_path / "growth.jsonl", window=32)
    progress = GrowthProgress(target=8, found=2, size=2)
    shown = GrowthDisplay(progress, log, calls, quiet=True)
    assert shown.to_go() == ""

    def write(number: int) -> None:
        for _ in range(number):
            calls.totals.add(event("writer", "I bake."))
            still.now += 5

    def judge(reasons: Sequence[str], first: int) -> None:
        fates = enumerate(reasons, first)
        log.write([Outcome(number=n, kind="profile", axes={}, reasons=(why,) if why else ())
                   for n, why in fates])  # fmt: skip

    write(1)
    assert shown.to_go() == "about 55 s to go"  # eleven more for six personas
    write(3)
    assert shown.to_go() == "about 40 s to go"
    assert shown.to_go() in shown.line()
    judge(["", "", "duplicate", "preamble"], 0)
    assert shown.to_go() == "about 2 min to go"  # half were refused: 20 more, 100 s
    write(2)
    assert shown.to_go() == "about 2 min to go"  # 18 more
    calls.totals.add(Event(role="writer", model="m", tree="", node=None, outcome="error"))
    assert shown.to_go() == "about 2 min to go"
    judge([""] * 11, 4)
    assert shown.to_go() == ""


# Trees that are still growing.

NODES = grow(config(turns=1), persona=PERSONAS[0]).nodes
VERDICTS = grow(config(turns=1), persona=PERSONAS[0]).verdicts


def exchange(**verdict: Any) -> FinishedExchange:
    found = [each.model_copy(update=verdict) for each in VERDICTS]
    return FinishedExchange(tree="t1", nodes=NODES, verdicts=found)


def test_exchanges_of_growing_trees_count_and_finished_trees_count_once() -> None:
    progress = RunProgress(wanted=2, running=1)
    shown = display(progress)
    assert "preferred" not in drawn(shown.figures(), 120)
    progress.add_exchange(exchange(outcome="first"))
    other = NODES[0].model_copy(update={"id": "other"})
    tie = exchange(outcome="tie")
    second = FinishedExchange(tree="t1", nodes=[other, *NODES[1:]], verdicts=tie.verdicts)
    progress.add_exchange(second)
    progress.add_exchange(second)  # after a worker's death
    assert "; 1 preferred, 1 tie, 2 revealed" in shown.line()
    text = drawn(shown.figures(), 120)
    assert "1 preferred, 1 tie" in text
    assert "2 revealed" in text
    assert shown.result()["verdicts"] == {}  # for machines: of finished trees
    tree = grow(config(turns=2), persona=PERSONAS[0])
    for each in tree.verdicts:
        mine = [n for n in tree.nodes if n.turn == tree.by_id[each.node].turn]
        progress.add_exchange(FinishedExchange(tree=tree.id, nodes=mine, verdicts=[each]))
    progress.end("t1")
    before = progress.so_far()
    progress.add(tree)
    after = progress.so_far()
    assert (before.nodes, before.outcomes) == (after.nodes, after.outcomes)
    assert before.ledger.summary() == after.ledger.summary()
    assert progress.growing == {}


def test_calls_say_which_message_they_are_about() -> None:
    found: list[Event] = []
    tree = grow(config(turns=2, expansion="both"), calls=CallLog(on_event=found.append))
    nodes = {node.id: node for node in tree.nodes}
    written = [(each.about, nodes[each.node].parent) for each in found if each.node in nodes
               and each.role == nodes[each.node].agent]  # fmt: skip
    assert len(written) > 4
    assert all(about == parent for about, parent in written)


def test_a_run_tells_of_exchanges(tmp_path: Path) -> None:
    found = config(turns=2)
    progress, told = RunProgress(wanted=2), []
    progress.on_exchange = told.append
    folder, planned = RunFolder(tmp_path), list(plan_trees(PERSONAS[:2], 2, 0))
    opened = open_models(found)
    with folder.writing(found):
        asyncio.run(grow_all(planned, found, folder, opened, CallLog(), progress))
    assert sorted(each.tree for each in told) == sorted([p.tree for p in planned] * 2)
    assert sum(len(each.verdicts) for each in told) == sum(progress.outcomes.values()) > 0


def test_what_a_tree_began_with_does_not_count_as_made(tmp_path: Path) -> None:
    longer, start = config(turns=3), grow(config(turns=2), persona=PERSONAS[0])
    progress, told = RunProgress(wanted=1), []
    progress.on_exchange = told.append
    folder, opened = RunFolder(tmp_path), open_models(longer)
    planned = [PlannedTree(persona=start.persona, seed=start.seed, start=start)]
    with folder.writing(longer):
        asyncio.run(grow_all(planned, longer, folder, opened, CallLog(), progress))
    assert (progress.finished, progress.turns) == (1, 1)
    assert progress.nodes == sum(len(each.nodes) for each in told)
    assert progress.outcomes == Counter(v.outcome for each in told for v in each.verdicts)
    assert sum(progress.outcomes.values()) > 0
    assert progress.ledger.replies == progress.nodes - 1


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"outcome": "first", "margin": 0.31}, "prefers a0 by 0.3"),
        ({"outcome": "second", "margin": -1.26}, "prefers a1 by 1.3"),
        ({"outcome": "second", "margin": None}, "prefers a1"),
        ({"outcome": "tie"}, "finds a0 and a1 equal"),
        ({"outcome": "abstain"}, "cannot tell a0 from a1"),
    ],
)
def test_what_agents_do_is_said_in_words(verdict: dict[str, Any], words: str) -> None:
    newest = NewestExchange()
    newest.add(event("user", "Hello", user=NODES[0].id))
    for role, answer in (("inducer", '{"1": "user"}'), ("judge", "A"), ("judge2", "B")):
        newest.add(event(role, answer))
    noted = event("safety", '{"level": 2}')
    noted.arguments = {"response_format": {"type": "json_schema"}}
    newest.add(noted)
    text = drawn(newest.view(), 100)
    assert [line.split() for line in text.strip().splitlines()] == [["user", "Hello"]]
    done = exchange(**verdict)
    user = done.nodes[0].model_copy(update={"notes": {"safety": {"level": 1, "safe": True}}})
    newest.finish(FinishedExchange(tree="t1", nodes=[user, *NODES[1:]], verdicts=done.verdicts))
    text = drawn(newest.view(), 200)
    assert words in text
    assert f"revealed: {user.revealed[0].quote}" in text
    assert "level: 1, safe: yes" in text
    assert "{" not in text


def test_the_time_to_go_is_there_from_the_first_call_and_corrects_itself(still: Any) -> None:
    """Half as many calls again as forecast, each three times as long, as in the demo."""
    expected = ExpectedCalls(forecast=60, seconds=30, trees=3, exchanges=5)
    shown = display(RunProgress(wanted=3, running=3, expected=expected))
    assert shown.to_go() == pytest.approx(30)
    told = {}
    for call in range(1, 91):  # 30 a tree, 6 an exchange
        still.now += 1.5
        shown.follow(event("a0", "x", tree=f"t{call % 3}"))
        if call % 18 in (16, 17, 0):
            expected.end_exchange(f"t{call % 3}")
        told[call] = shown.to_go() or 0.0
        if call == 1:
            assert "1 of about 60 calls" in shown.line()
    assert told[1] > 30  # the first call was slow
    for call in (20, 40, 60, 80):
        assert told[call] == pytest.approx(1.5 * (90 - call), rel=0.25)
    assert told[90] == 0


def test_finished_trees_correct_the_number_of_calls() -> None:
    expected = ExpectedCalls(forecast=40, seconds=20, trees=4, exchanges=2)
    assert expected.total == 40
    for tree in ("a", "b"):
        for _ in range(30):
            expected.add(tree)
        expected.end(tree)
    assert expected.total == 60 + round(2 * (10 + 60) / 3)
    for _ in range(70):
        expected.add("c")
    assert expected.total == expected.made == 130  # never fewer than were made
    assert expected.to_go(60.0) is None


def test_bench_and_rejudge_tell_the_time_to_go_from_the_first_call(
    still: Any,
) -> None:
    calls = CallLog()
    progress = BenchProgress(dialogues=RunProgress(wanted=4))
    bench = BenchDisplay("candidate", progress, calls, quiet=True, ahead=40)
    assert "0 of about 40 calls" in bench.line()
    calls.totals.calls, still.now = 1, still.now + 3
    assert bench.line().endswith("1 of about 40 calls, 0 ratings missing, about 2 min to go")
    settings, trees = config(turns=2), [grow(config(turns=2), persona=PERSONAS[0])]
    expected = expect_calls(settings, trees, set())
    assert expected is not None
    assert expected.total == 2 * len(trees[0].verdicts)
    assert expect_calls(settings, trees, {trees[0].id}) is None
    assert expect_calls(settings.updated({"judge.use": "x:y"}, source="x"), trees, set()) is None
