import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from builders import scripted_model
from langchain_core.messages import AIMessage
from server import Answer, ChatServer, completion, streamed

from aloe.calls.event import Event, appending, read_events, write_event
from aloe.calls.log import CallLog
from aloe.calls.prices import check_prices, find_price
from aloe.calls.recorded_call import read_calls
from aloe.calls.sample import sampling
from aloe.config import BudgetConfig, Config, LimitsConfig, ModelConfig, Price
from aloe.errors import (
    CallError,
    Cause,
    ConfigError,
    ContextError,
    ModelError,
    StoreError,
    TransientCallError,
)
from aloe.models.open import Model, Reply, open_model

CONTRACT = {"role", "model", "latency", "input_tokens", "output_tokens", "cost", "tree", "node"}
"""What other tools rely on in every event, beside the outcome."""


class Counting:
    """A script that counts how often it is asked."""

    def __init__(self, *replies: str | Exception) -> None:
        self.replies = list(replies)
        self.asked = 0

    def __call__(self, _messages: Sequence[Any], _arguments: dict[str, Any]) -> str | AIMessage:
        reply = self.replies[min(self.asked, len(self.replies) - 1)]
        self.asked += 1
        if isinstance(reply, Exception):
            raise reply
        return AIMessage(reply, response_metadata={"finish_reason": "length"})


def ask(
    log: CallLog,
    model: Model,
    text: str = "Hello",
    *,
    seed: int = 1,
    tree: str = "t1",
    node: str = "n1",
) -> Reply:
    async def once() -> Reply:
        async with log.call("user", model, tree=tree, node=node) as call:
            return await call.ask([("user", text)], seed=seed)

    return asyncio.run(once())


def test_one_line_a_call_with_what_was_agreed() -> None:
    file = StringIO()
    log = CallLog(file, prices={"test": Price(input=1.0, output=10.0)})
    ask(log, scripted_model(Counting("two words")))
    (line,) = file.getvalue().splitlines()
    event = json.loads(line)
    assert set(event) >= CONTRACT | {"outcome"}
    assert (event["role"], event["model"], event["tree"], event["node"], event["outcome"]) == (
        "user",
        "scripted:test",
        "t1",
        "n1",
        "ok",
    )
    assert (event["input_tokens"], event["output_tokens"]) == (1, 2)
    assert event["cost"] == pytest.approx((1 * 1.0 + 2 * 10.0) / 1e6)
    assert 0 < event["latency"] < 5
    assert event["reply"]["text"] == "two words"


def test_the_agent_says_what_became_of_the_answer() -> None:
    file = StringIO()

    async def once(log: CallLog) -> None:
        async with log.call("user", scripted_model(Counting("x"))) as call:
            await call.ask([("user", "Hello")], seed=1)
            call.event.node, call.event.outcome = "new", "echo"

    log = CallLog(file)
    asyncio.run(once(log))
    event = json.loads(file.getvalue())
    assert (event["node"], event["outcome"]) == ("new", "echo")
    assert log.totals.outcomes == {("user", "echo"): 1}


@pytest.mark.parametrize(
    ("model", "priced", "cost"),
    [
        ("openai:x", False, None),
        ("openai:x", True, 2e-6),
        ("local:x", False, 0.0),
        ("community:x", False, None),
    ],
)
def test_an_unknown_price_is_not_taken_for_none(
    model: str, priced: bool, cost: float | None
) -> None:
    named = Model(**{**vars(scripted_model(Counting("x"))), "name": model})
    events: list[Event] = []
    prices = {"x": Price(input=1.0, output=1.0)} if priced else {}
    log = CallLog(prices=prices, on_event=events.append)
    ask(log, named)
    assert events[0].cost == (None if cost is None else pytest.approx(cost))
    assert log.totals.unpriced == (cost is None)


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("langchain:pkg:Chat:small", 1),
        ("langchain:pkg:Chat:big:8b", 2),
        ("langchain:pkg:Chat", 2),
        ("community:Chat:small", 3),
        ("openai:pkg:Chat:big", None),
        ("langchain:pkg:Other:small", None),
    ],
)
def test_a_chat_class_is_priced_by_its_model_or_else_as_a_class(
    model: str, price: float | None
) -> None:
    prices = {"pkg:Chat:small": 1, "pkg:Chat": 2, "Chat": 3}
    settings = Config(
        budget=BudgetConfig(max_cost=1.0),
        prices={name: Price(input=each, output=0) for name, each in prices.items()},
    )
    found = find_price(settings.prices, model)
    assert (found and found.input) == price
    if price is None:
        with pytest.raises(ConfigError, match=f'prices."{model.partition(":")[2]}"'):
            check_prices(settings, [model])
    else:
        check_prices(settings, [model])


def test_a_failed_call_is_logged_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-123")
    file = StringIO()
    log = CallLog(file)
    with pytest.raises(CallError):
        ask(log, scripted_model(Counting(ValueError("bad key planted-key-123"))))
    event = json.loads(file.getvalue())
    assert (event["outcome"], event["reply"]) == ("error", None)
    assert "bad key ***" in event["error"]
    assert "planted" not in file.getvalue()
    assert (log.totals.calls, log.totals.errors) == (1, 1)


def test_an_answered_call_is_not_made_again() -> None:
    file = StringIO()
    first = Counting("the answer")
    given = ask(CallLog(file), scripted_model(first))
    second, again, events = Counting("another"), StringIO(), []
    log = CallLog(again, on_event=events.append)
    log.remember([json.loads(file.getvalue())])
    assert ask(log, scripted_model(second)) == given
    assert second.asked == 0
    assert (again.getvalue(), events) == ("", [])
    assert (log.totals.replayed, log.totals.calls) == (1, 0)


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"text": "Hello!"}, {"settings": {"temperature": 0.5}}]
)
def test_another_call_is(change: dict[str, Any]) -> None:
    file = StringIO()
    ask(CallLog(file), scripted_model(Counting("the answer")))
    second = Counting("another")
    log = CallLog()
    log.remember([json.loads(file.getvalue())])
    settings = change.pop("settings", {})
    assert ask(log, scripted_model(second, **settings), **change).text == "another"
    assert second.asked == 1


@pytest.mark.parametrize("reply", [TransientCallError("busy"), "", "  "])
def test_what_gave_no_answer_is_asked_again(reply: str | Exception) -> None:
    file = StringIO()
    with suppress(CallError):
        ask(CallLog(file), scripted_model(Counting(reply)))
    log = CallLog()
    log.remember(map(json.loads, file.getvalue().splitlines()))
    assert ask(log, scripted_model(Counting("now"))).text == "now"


def test_odds_are_an_answer_whatever_the_token_was() -> None:
    top = [{"token": token, "logprob": odds} for token, odds in (("\n", -0.9), ("A", -0.6))]
    listed = {"logprobs": {"content": [{**top[0], "top_logprobs": top}]}, "finish_reason": "stop"}
    file = StringIO()
    said = AIMessage("\n", response_metadata=listed)
    given = ask(CallLog(file), scripted_model(lambda *_: said))
    assert (given.text, given.logprobs) == ("", {"": -0.9, "A": -0.6})
    log = CallLog()
    log.remember(map(json.loads, file.getvalue().splitlines()))
    assert ask(log, scripted_model(Counting("now"))) == given


def test_a_cancelled_call_leaves_no_line() -> None:
    file = StringIO()

    async def cancelled() -> None:
        async with CallLog(file).call("user", scripted_model()):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert file.getvalue() == ""


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with appending(path) as file:
        for key in "ab":
            write_event(file, Event(role="user", model="m", tree=None, node=None, key=key))
        file.write('{"key": "c", "re')
    assert [event["key"] for event in read_events(path)] == ["a", "b"]
    assert list(read_events(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x1e", "\r", "\n"])
def test_a_reply_with_any_line_break_in_it_is_one_line(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("w", encoding="utf-8") as file:
        ask(CallLog(file), scripted_model(Counting(f"one{odd}two")))
    (event,) = read_events(path)
    assert event["reply"]["text"] == f"one{odd}two"


def test_a_message_is_spelled_out_once_a_tree(tmp_path: Path) -> None:
    path, long = tmp_path / "events.jsonl", "a long system prompt"
    talk = [("system", long), ("user", "Hello"), ("assistant", "Hi"), ("user", "How so?")]

    async def once(log: CallLog, tree: str, until: int) -> None:
        async with log.call("user", scripted_model(Counting("x")), tree=tree) as call:
            await call.ask(talk[:until], seed=until, max_tokens=7)  # type: ignore[arg-type]

    with path.open("w") as file:
        log = CallLog(file)
        for tree, until in (("t1", 2), ("t1", 4), ("t2", 2)):
            asyncio.run(once(log, tree, until))
    assert path.read_text().count(long) == 2
    first, second = read_calls(path, "t1")
    assert list(first.messages) == talk[:2]
    assert list(second.messages) == talk
    assert second.event["arguments"] == {"seed": 4, "max_tokens": 7}
    assert [each.messages for each in read_calls(path, "t2")] == [tuple(talk[:2])]
    assert len(read_calls(path)) == 3


def test_what_was_sent_is_kept_of_a_failed_call_and_unknown_of_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("w") as file, suppress(CallError):
        ask(CallLog(file), scripted_model(Counting(CallError("no"))), "Why?")
    old_line = vars(Event(role="user", model="m", tree="t1", node=None))
    with path.open("a") as file:
        file.write(json.dumps({k: old_line[k] for k in old_line if k not in ("prompt", "texts")}))
        file.write("\n")
    with path.open("ab") as torn:
        torn.write('{"tree": "t1", "torn é'.encode()[:-1])
    failed, old = read_calls(path, "t1")
    assert (failed.messages, failed.text) == ((("user", "Why?"),), "")
    assert old.messages == ()


# Trying again at the door.


def test_a_passing_failure_is_tried_again_and_every_attempt_has_its_line() -> None:
    file, script = StringIO(), Counting(TransientCallError("busy"), TransientCallError("b"), "yes")
    log = CallLog(file)
    assert ask(log, scripted_model(script)).text == "yes"
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["outcome"] for line in lines] == ["error", "error", "ok"]
    assert [line["error"] for line in lines] == ["busy", "b", None]
    assert len({line["key"] for line in lines}) == 1
    assert (log.totals.calls, log.totals.errors, log.budget.spent.calls) == (3, 2, 3)


COUNTED = {"usage": {"prompt_tokens": 5000, "completion_tokens": 900, "total_tokens": 5900}}
NO = {"error": {"message": "no"}}
LEAN: dict[str, Any] = {}
SDK = {"disable_streaming": True}
STATED, ESTIMATED, NOTHING = (5000, 900, False), (14, 0, True), (0, 0, False)


@pytest.mark.parametrize(
    ("answer", "took", "options"),
    [
        (Answer(body={"choices": [], **COUNTED}), STATED, LEAN),
        (Answer(body={"choices": [], **COUNTED}), STATED, SDK),
        (Answer(body={**NO, **COUNTED}), STATED, LEAN),
        (Answer(body={**NO, **COUNTED}), STATED, SDK),
        (Answer(status=500, body={**NO, **COUNTED}), STATED, LEAN),
        (Answer(body=b"<html>"), ESTIMATED, LEAN),
        (Answer(body=b"<html>"), ESTIMATED, SDK),
        (replace(completion("Hi"), delay=1.5), ESTIMATED, LEAN),
        (Answer(status=500, body=NO), NOTHING, LEAN),
        (Answer(status=500, body=NO), NOTHING, SDK),
        (Answer(status=400, body=NO), NOTHING, LEAN),
    ],
)
def test_what_a_failed_attempt_took_counts(
    answer: Answer, took: tuple[int, int, bool], options: dict[str, Any], server: ChatServer
) -> None:
    """Whoever reads a prompt is paid for it, whatever becomes of the answer."""
    server.behave = lambda _: answer
    config = Config(limits=LimitsConfig(tries=1, backoff=0.01, patience=0.01))
    file, prices = StringIO(), {"tiny": Price(input=1e6, output=1e6)}
    log = CallLog(file, prices=prices)
    model = open_model(ModelConfig(model=server.model, timeout=1.0, options=options), config)
    with pytest.raises(CallError):
        ask(log, model, "x" * 40)
    line = json.loads(file.getvalue())
    assert (line["input_tokens"], line["output_tokens"], line.get("estimated", False)) == took
    assert log.budget.spent.tokens == took[0] + took[1] == log.budget.spent.cost
    assert log.totals.estimated == took[2]


def test_what_was_heard_of_a_reply_that_broke_off_counts(server: ChatServer) -> None:
    whole = streamed("Well, I am not sure").body
    server.behave = lambda _: replace(streamed(), body=whole[: whole.index(b"}\n\n") + 3])
    model = open_model(ModelConfig(model=server.model), Config(limits=LimitsConfig(tries=1)))
    log = CallLog()

    async def once() -> None:
        async with log.call("user", model) as call:
            await call.ask([("user", "x" * 40)], lambda _: None, seed=1)

    with pytest.raises(CallError, match="ended before"):
        asyncio.run(once())
    assert log.budget.spent.tokens == 14 + 9


@pytest.mark.parametrize(("cause", "asked"), [("fault", 5), ("slow", 5)])
def test_it_is_not_tried_for_ever(cause: Cause, asked: int) -> None:
    script = Counting(TransientCallError("no", cause=cause))
    with pytest.raises(TransientCallError):
        ask(CallLog(), scripted_model(script))
    assert script.asked == asked


@pytest.mark.parametrize("cause", ["busy", "down"])
def test_what_the_server_is_to_blame_for_does_not_count(cause: Cause) -> None:
    troubles = [TransientCallError("no", cause=cause)] * 6
    script = Counting(*troubles, "yes")
    assert ask(CallLog(), scripted_model(script)).text == "yes"
    assert script.asked == 7


def test_a_wish_to_wait_is_obeyed() -> None:
    script = Counting(TransientCallError("no", retry_after=0.3, cause="busy"), "yes")
    clock = time.perf_counter()
    ask(CallLog(), scripted_model(script))
    assert 0.3 <= time.perf_counter() - clock < 2.0


def test_a_line_answers_one_call_only() -> None:
    file = StringIO()
    ask(CallLog(file), scripted_model(Counting("then")))
    log = CallLog()
    log.remember([json.loads(file.getvalue())])
    model = scripted_model(Counting("now"))
    assert [ask(log, model).text for _ in range(2)] == ["then", "now"]


def test_samples_are_other_calls() -> None:
    file, asked = StringIO(), []

    def note(_messages: Sequence[Any], arguments: dict[str, Any]) -> str:
        asked.append(arguments["seed"])
        return f"{len(asked)}"

    def sample(log: CallLog, number: int) -> str:
        with sampling(number):
            return ask(log, model, seed=number // 3).text

    log, model = CallLog(file), scripted_model(note)
    found = [sample(log, number) for number in range(5)]
    assert found == ["1", "2", "3", "4", "5"]
    assert asked[0] == 0, "the first sample is what is said outside of any"
    assert len(set(asked)) == 5
    again = CallLog()
    again.remember(map(json.loads, file.getvalue().splitlines()))
    assert [sample(again, number) for number in range(5)] == found
    assert again.totals.replayed == 5


def test_a_carried_line_stands_whatever_came_of_it() -> None:
    file = StringIO()
    ask(CallLog(file), scripted_model(Counting(" ")), "silent")
    with suppress(CallError):
        ask(CallLog(file), scripted_model(Counting(ValueError("odd"))), "failing")
    log, model = CallLog(), scripted_model(Counting("now"))
    log.remember([{**json.loads(line), "carried": True} for line in file.getvalue().splitlines()])
    assert ask(log, model, "silent").said == " "
    with pytest.raises(CallError, match="odd"):
        ask(log, model, "failing")
    assert ask(log, model, "another").text == "now"


def test_a_carried_line_that_says_nothing_gives_way_to_the_answer_that_was_used() -> None:
    file = StringIO()
    for said in ("", "then", "later"):
        ask(CallLog(file), scripted_model(Counting(said)))
    log, model = CallLog(), scripted_model(Counting("now"))
    log.remember([{**json.loads(line), "carried": True} for line in file.getvalue().splitlines()])
    assert [ask(log, model).text for _ in range(4)] == ["then", "later", "", "now"]


def test_a_call_that_a_recording_lacks_came_to_what_its_branch_or_tree_came_to() -> None:
    file = StringIO()
    failed = {"n1": ContextError("long"), "n2": CallError("odd"), "n3": TransientCallError("busy")}
    for node, error in failed.items():
        again = [error, "passed"] if node == "n3" else [error]
        with suppress(CallError):
            ask(CallLog(file), scripted_model(Counting(*again)), node, node=node)
    log = CallLog(replayed=True)
    log.remember(json.loads(line) | {"carried": True} for line in file.getvalue().splitlines())
    closed = scripted_model(Counting(ModelError("nobody")))
    for node, error in {"n1": ContextError, "n2": CallError, "n3": CallError}.items():
        with pytest.raises(CallError) as found:
            ask(log, closed, "missing", node=node)
        assert type(found.value) is error
        assert str(found.value) == ("long" if node == "n1" else "odd")
    with pytest.raises(ModelError, match="nobody"):
        ask(log, closed, "missing", tree="another")


def test_the_role_is_part_of_what_a_call_is() -> None:
    file = StringIO()
    log, model = CallLog(file), scripted_model(Counting("x"))

    async def both() -> None:
        for role in ("user", "judge"):
            async with log.call(role, model, tree="t1") as call:
                await call.ask([("user", "Hello")], seed=1)

    asyncio.run(both())
    assert len({json.loads(line)["key"] for line in file.getvalue().splitlines()}) == 2


def test_cached_tokens_can_have_a_price_of_their_own() -> None:
    usage = {
        "input_tokens": 100, "output_tokens": 10, "total_tokens": 110,
        "input_token_details": {"cache_read": 60},
    }  # fmt: skip
    model = scripted_model(lambda _m, _a: AIMessage("x", usage_metadata=usage))  # type: ignore[arg-type]
    price = Price(input=10.0, output=1.0, cached=1.0)
    log = CallLog(prices={"test": price})
    ask(log, model)
    assert log.totals.cost == pytest.approx((40 * 10 + 60 * 1 + 10 * 1) / 1e6)


class FullDisk(StringIO):
    """Stands for a file on a disk without room."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_is_said_in_one_line() -> None:
    with pytest.raises(StoreError, match="No space left on device"):
        ask(CallLog(FullDisk()), scripted_model(Counting("x")))


def crowded(room: int | None) -> AIMessage:
    cut = room is None
    text = "<think>hm" if cut else "<think>hm</think>Here."
    return AIMessage(text, response_metadata={"finish_reason": "length" if cut else "stop"})


def test_where_thoughts_left_no_room_there_is_more_and_both_calls_are_on_record() -> None:
    file = StringIO()
    rooms: list[int | None] = []

    def script(_: Any, arguments: dict[str, Any]) -> AIMessage:
        rooms.append(arguments.get("max_tokens"))
        return crowded(rooms[-1])

    reply = ask(CallLog(file), scripted_model(script))
    assert (reply.text, reply.thoughts) == ("Here.", "hm")
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["outcome"] for line in lines] == ["only_reasoning", "ok"]
    assert [line["reply"]["text"] for line in lines] == ["", "Here."]
    assert lines[0]["key"] != lines[1]["key"]
    assert rooms == [None, 2048]
    log = CallLog()
    log.remember(lines)
    assert ask(log, scripted_model(script)) == reply  # from the journal, both of them
    assert (len(rooms), log.totals.replayed, log.totals.calls) == (2, 2, 0)


def test_room_is_not_given_twice_nor_where_a_caller_says_how_much() -> None:
    asked = Counting("<think>hm")
    assert ask(CallLog(), scripted_model(asked)).only_reasoned
    assert ask(CallLog(), scripted_model(asked, max_tokens=2048)).only_reasoned
    assert asked.asked == 2 + 1

    async def once() -> Reply:
        async with CallLog().call("user", scripted_model(asked)) as call:
            return await call.ask([("user", "Hello")], seed=1, max_tokens=80)

    assert asyncio.run(once()).only_reasoned
    assert asked.asked == 4


def test_a_model_without_so_much_room_keeps_its_first_reply() -> None:
    file = StringIO()
    asked = Counting("Here. <think>And", ValueError("the context is 4096 tokens long"))
    assert ask(CallLog(file), scripted_model(asked)).thoughts == "And"
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["outcome"] for line in lines] == ["only_reasoning", "error"]
    assert lines[0]["output_tokens"] > 0
    assert (lines[1]["input_tokens"], lines[1]["output_tokens"]) == (0, 0)  # nothing came


def test_a_conversation_that_was_too_long_is_so_again_when_replayed() -> None:
    file = StringIO()
    kinds = (ContextError, CallError)
    for kind in kinds:
        with pytest.raises(kind):
            ask(CallLog(file), scripted_model(Counting(kind("no"))), kind.__name__)
    log = CallLog()
    log.remember(json.loads(line) | {"carried": True} for line in file.getvalue().splitlines())
    for kind in kinds:
        with pytest.raises(CallError) as found:
            ask(log, scripted_model(Counting("never asked")), kind.__name__)
        assert type(found.value) is kind
    assert sum("too_long" in line for line in file.getvalue().splitlines()) == 1


def test_a_journal_from_before_replies_were_cleaned_is_cleaned() -> None:
    file = StringIO()
    ask(CallLog(file), scripted_model(Counting("Here.")))
    line = json.loads(file.getvalue())
    for name in ("raw", "reasoning", "reasoning_tokens"):
        del line["reply"][name]
    line["reply"] |= {"text": "<think>hm</think>Here.<|im_end|>", "finish": "stop"}
    log = CallLog()
    log.remember([line])
    reply = ask(log, scripted_model(Counting("never")))
    assert (reply.text, reply.thoughts, reply.raw) == ("Here.", "hm", line["reply"]["text"])


@pytest.mark.parametrize("change", [{"of_tomorrow": 1}, None], ids=["more", "less"])
def test_a_reply_of_another_version_is_remembered(change: dict[str, Any] | None) -> None:
    file = StringIO()
    ask(CallLog(file), scripted_model(Counting("Here.")))
    line = json.loads(file.getvalue())
    line["reply"] = {**line["reply"], **change} if change else {"text": "Here."}
    log = CallLog()
    log.remember([line])
    assert ask(log, scripted_model(Counting("never"))).text == "Here."
