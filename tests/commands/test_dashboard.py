"""What a person sees while a run works."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from builders import PERSONAS, config, grow
from sample_tree import TREE, totals
from snapshots import Compare, drawn

from aloe.calls.budget import Budget, Spent
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import BudgetConfig
from aloe.graphs.batch import RunProgress
from aloe.graphs.commands.dashboard import NewestExchange, RunDisplay
from aloe.models.limits import Limiter
from aloe.training.display import TrainingDisplay
from aloe.training.progress import TrainingProgress
from aloe.views.figures import Throughput, duration, spending


def event(role: str, text: str, *, tree: str = "t1", outcome: str = "ok") -> Event:
    reply = {"text": text, "finish": "stop"}
    return Event(role=role, model="m", tree=tree, node=None, outcome=outcome, reply=reply)


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
    assert [duration(s) for s in (5.4, 89, 91, 7800)] == ["5 s", "89 s", "2 min", "2 h 10 min"]


def test_trouble_is_named_by_role_and_kind() -> None:
    calls = CallLog()
    calls.totals = totals()
    lines = spending(calls, Throughput(calls.totals))
    assert lines["trouble"] == "user echo 30, judge error 2"
    assert "57% from cache" in lines["tokens"]
    assert "budget" not in lines
    assert "trouble" not in spending(CallLog(), Throughput(CallLog().totals))


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
    assert newest.turns == 2


def test_failed_calls_say_nothing_and_memory_stays_small() -> None:
    newest = NewestExchange()
    newest.add(Event(role="user", model="m", tree="t", node=None, outcome="error"))
    newest.add(event("writer", "outside", tree=""))
    assert drawn(newest.view(), 80).strip() == ""
    for number in range(1000):
        newest.add(event("user", "hello", tree=f"t{number}"))
    assert len(newest._by_tree) <= 64
    assert "hello" in drawn(newest.view(), 80)


def test_figures_of_a_real_tree() -> None:
    progress = RunProgress(wanted=1)
    progress.add(grow(config(turns=2), persona=PERSONAS[0]))
    text = drawn(display(progress).figures(), 120)
    assert re.search(r"verdicts\s+\d+ preferred", text)
    assert "1 grown now" in text


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
