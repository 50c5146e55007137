"""The second reader: what it doubts is asked for again, and what it does not say is no doubt."""

import asyncio
import json
import math
from collections import Counter
from pathlib import Path

import pytest
from builders import PERSONAS, config, grow, scripted_model
from langchain_core.messages import AIMessage

from aloe.agents.prompt import chosen
from aloe.agents.reader import Reader
from aloe.agents.registry import prompts_of
from aloe.agents.repairs import REPAIRS
from aloe.agents.user import TRIES, UserAgent
from aloe.benchmark.user_audit import audit_with_reader, read_turns
from aloe.calls.event import Event, appending, read_events
from aloe.calls.log import CallLog
from aloe.calls.recorded_call import read_calls
from aloe.config import Config, validate
from aloe.schema import UserNode
from aloe.training.export import ROWS
from aloe.views.account import accounts
from aloe.views.node import calls_about
from aloe.views.owners import Owners
from aloe.views.report_calls import CallShelf

CALM = "I have a wife at home who waits. How do I true a wheel?"
"""What the rules let pass."""


def says(**logprobs: float):  # type: ignore[no-untyped-def]
    """Return a model whose answer begins with these words, by probability."""
    words = list(logprobs)
    listed = [{"token": word, "logprob": math.log(logprobs[word])} for word in words]
    place = {**listed[0], "top_logprobs": listed}
    message = AIMessage(words[0], response_metadata={"logprobs": {"content": [place]}})
    return scripted_model(lambda *_: message)


def margin(reader: Reader) -> float | None:
    work = reader.margin(PERSONAS[0], ["Hi.", "Hello."], CALM, tree="t", node="n")
    return asyncio.run(work)


def test_the_margin_is_the_log_odds_of_no() -> None:
    reader = Reader(model=says(NO=0.6, YES=0.3), calls=CallLog())
    assert margin(reader) == pytest.approx(math.log(2))
    assert margin(Reader(model=says(YES=0.9, no=0.05), calls=CallLog())) < 0  # type: ignore[operator]


@pytest.mark.parametrize(
    "model",
    [says(The=0.9, NO=0.01, YES=0.001), scripted_model(lambda *_: "NO idea"),
     scripted_model(lambda *_: "")],
)  # fmt: skip
def test_an_answer_that_is_none_is_unreadable_and_never_a_fault(model) -> None:  # type: ignore[no-untyped-def]
    events: list[Event] = []
    reader = Reader(model=model, calls=CallLog(on_event=events.append))
    assert margin(reader) is None
    assert events[-1].outcome == "unreadable"
    assert {event.role for event in events} == {"reader"}
    agent = UserAgent(model=scripted_model(lambda *_: CALM), calls=CallLog(), reader=reader)
    assert asyncio.run(agent.speak(PERSONAS[0], "t", [])).faults == ()


def listed(text: str, **options: float):  # type: ignore[no-untyped-def]
    """Return a model that says `text`, where its first word could have been one of these."""
    logprobs = [{"token": word, "logprob": math.log(p)} for word, p in options.items()]
    place = {**logprobs[0], "top_logprobs": logprobs}
    message = AIMessage(text, response_metadata={"logprobs": {"content": [place]}})
    return scripted_model(lambda *_: message)


@pytest.mark.parametrize(
    "model",
    [says(NO=0.2, The=0.19, YES=0.15), says(NO=0.02, I=0.019), listed("NO", The=0.6, NO=0.3)],
)
def test_an_answer_that_was_not_likely_is_unreadable_too(model) -> None:  # type: ignore[no-untyped-def]
    events: list[Event] = []
    reader = Reader(model=model, calls=CallLog(on_event=events.append))
    assert margin(reader) is None
    assert [event.outcome for event in events] == ["unreadable"]
    agent = UserAgent(model=scripted_model(lambda *_: CALM), calls=CallLog(), reader=reader)
    assert asyncio.run(agent.speak(PERSONAS[0], "t", [])).faults == ()


@pytest.mark.parametrize("text", ["<think>Is she married?</think>NO", "NO"])
def test_what_is_listed_of_thoughts_says_nothing_about_the_answer(text: str) -> None:
    model = listed(text, **{"<think>": 0.99, "NO": 1e-6})
    assert margin(Reader(model=model, calls=CallLog())) == math.inf


def test_what_is_doubted_is_asked_for_again_and_not_exported() -> None:
    asked: list[str] = []

    def script(messages, arguments):  # type: ignore[no-untyped-def]
        asked.append(messages[-1].text)
        return CALM

    reader = Reader(model=scripted_model(lambda *_: "NO"), calls=CallLog())
    agent = UserAgent(model=scripted_model(script), calls=CallLog(), reader=reader)
    tree = grow(config(turns=1), user=agent)
    said = tree.nodes[0]
    assert isinstance(said, UserNode)
    assert said.faults == ("doubted",)
    assert len(asked) == TRIES
    assert REPAIRS["doubted"].reason in asked[1]
    assert tree.spoiled(said.id)
    assert "true a wheel" not in json.dumps(list(ROWS["sft"](tree, Counter())))


def test_calls_for_drafts_are_found_at_the_message_that_came_of_them(tmp_path: Path) -> None:
    said = iter(["As an AI I know nothing.", CALM, "I keep bees. What do they eat?"])
    doubts, log = iter(["NO", "YES"]), tmp_path / "events.jsonl"
    with appending(log) as events:
        calls = CallLog(events)
        reader = Reader(model=scripted_model(lambda *_: next(doubts)), calls=calls)
        agent = UserAgent(model=scripted_model(lambda *_: next(said)), calls=calls, reader=reader)
        tree = grow(config(turns=1), user=agent, calls=calls)
    (opening,) = tree.users
    assert opening.repaired == ("role_confusion", "doubted")
    own = [each.event for each in calls_about(tree, opening, read_calls(log))]
    assert Counter(each["role"] for each in own) >= Counter(user=3, reader=2)
    took = accounts(read_events(log), Owners(tree.nodes).of)
    assert took[opening.id].calls == len(own)
    lines = list(read_events(log))
    assert [("about" in each) for each in lines if each["role"] == "reader"] == [False] * 2
    for each in lines:  # as earlier versions wrote them: nobody knows whose drafts they are
        each.pop("about", None)
    shelf = CallShelf([tree.id])
    assert len(list(shelf.watch(lines))) == len(lines)
    held = shelf.of(tree.id, tree.nodes)
    assert held is not None
    assert sum(each["node"] is None for each in held["calls"]) == 3


def test_what_the_rules_reject_is_not_read() -> None:
    read: list[str] = []
    reader = Reader(model=scripted_model(lambda *_: read.append("x") or "YES"), calls=CallLog())  # type: ignore[func-returns-value]
    agent = UserAgent(
        model=scripted_model(lambda *_: "As an AI I have no wheel."), calls=CallLog(), reader=reader
    )
    asyncio.run(agent.speak(PERSONAS[0], "t", []))
    assert not read


def test_it_is_off_unless_a_model_is_named() -> None:
    plain = Config()
    assert plain.models.reader is None
    assert "reader" not in plain.models.by_role()
    assert UserAgent.of(plain, scripted_model(), CallLog()).reader is None
    named = validate(Config, {"models": {"reader": "openai:x@http://127.0.0.1:1/v1"}}, source="t")
    assert named.models.by_role()["reader"].max_tokens == 8
    agent = UserAgent.of(named, scripted_model(), CallLog(), reader=says(YES=1.0))
    assert agent.reader is not None


def test_an_audit_counts_what_it_doubts_and_what_it_cannot_read() -> None:
    turns = list(read_turns("develop"))[:40]
    report = asyncio.run(
        audit_with_reader(
            turns, "develop", Reader(model=scripted_model(lambda *_: "NO"), calls=CallLog())
        )
    )
    assert report.caught == report.false_alarms == 1
    assert report.good.faults["doubted"] == report.good.turns
    mute = Reader(model=scripted_model(lambda *_: "Hm."), calls=CallLog())
    report = asyncio.run(audit_with_reader(turns, "develop", mute))
    assert report.false_alarms == 0
    assert report.unreadable >= report.good.turns


def test_its_prompt_is_one_of_the_run(tmp_path: Path) -> None:
    prompt = tmp_path / "reader.txt"
    prompt.write_text(chosen("reader", {}).path.read_text(encoding="utf-8"))
    changes = {"models.reader": "scripted:x:y", "prompts": {"reader": str(prompt)}}
    given = config().updated(changes, source="test")
    before = prompts_of(given)
    prompt.write_text(prompt.read_text() + "Be strict.\n")
    assert {name for name, sha in prompts_of(given).items() if before[name] != sha} == {"reader"}
    assert "reader" not in prompts_of(config())
