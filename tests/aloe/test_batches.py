"""Calls that go through a server's batch API, and come back whatever becomes of a batch."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch_server import BatchServer
from builders import scripted_model
from server import Answer, Request, completion, failure

from aloe.calls.batch_request import takes_batches
from aloe.calls.batches import open_batches
from aloe.calls.budget import Budget
from aloe.calls.event import read_events
from aloe.calls.log import CallLog
from aloe.config import BudgetConfig, Config, LimitsConfig, ModelConfig, Price
from aloe.errors import AloeError, BudgetError, CallError, ConfigError, ModelError
from aloe.models.open import Model, open_model
from aloe.views.figures import awaited_batches

QUICK = {"batch_lull": 0.04, "batch_poll": 0.01, "backoff": 0.01, "patience": 0.1}


def echo(request: Request) -> Answer:
    return completion(request.body["messages"][0]["content"].upper())


class Asking:
    """A run of calls that may be stopped, in one folder."""

    def __init__(self, server: BatchServer, folder: Path, **limits: Any) -> None:
        server.behave = echo
        self.server, self.events = server, folder / "events.jsonl"
        self.seen: set[str] = set()
        """What a display says of batches that are waited for."""
        self.limits = LimitsConfig(batch=True, **{**QUICK, **limits})
        self.calls: CallLog

    def model(self, **settings: Any) -> Model:
        return open_model(
            ModelConfig(model=self.server.model, **settings), Config(limits=self.limits)
        )

    def run(
        self, number: int, *models: Model, budget: BudgetConfig | None = None, roles: str = "user"
    ) -> list[str | AloeError]:
        """Make so many calls at once, and return what each came to."""
        return asyncio.run(self._run(number, models or (self.model(),), budget, roles))

    async def _run(
        self, number: int, models: tuple[Model, ...], budget: BudgetConfig | None, role: str
    ) -> list[str | AloeError]:
        before = list(read_events(self.events))
        with self.events.open("a", encoding="utf-8") as file:
            self.calls = CallLog(
                file,
                prices={"tiny": Price(input=2e5, output=1e5)},
                budget=Budget(budget),
                batches=open_batches(self.limits, self.events),
            )
            self.calls.remember(before)
            if self.calls.batches:
                self.calls.batches.on_change = lambda: self.seen.add(awaited_batches(self.calls))

            async def one(i: int) -> str | AloeError:
                model = models[i % len(models)]
                try:
                    async with self.calls.call(role, model, tree=f"tree{i}") as call:
                        return (await call.ask([("user", f"call {i}")], seed=1)).text
                except (CallError, BudgetError) as error:
                    return error

            return await asyncio.gather(*map(one, range(number)))

    def answers(self) -> list[dict[str, Any]]:
        return list(read_events(self.events))


def expected(number: int) -> list[str]:
    return [f"CALL {i}" for i in range(number)]


def paid_once(server: BatchServer) -> bool:
    return set(server.answered.values()) == {1}


def test_calls_that_wait_go_out_together_and_every_answer_finds_its_call(
    batches: BatchServer, tmp_path: Path
) -> None:
    asking = Asking(batches, tmp_path)
    assert asking.run(9) == expected(9)
    assert batches.sizes == [9]
    assert not batches.requests  # none was made directly
    then = f"done, since {time.strftime('%H:')}"
    assert any(line.startswith(f"; waiting for batch_0: 0 of 9 {then}") for line in asking.seen)
    assert not awaited_batches(asking.calls)
    events = asking.answers()
    assert {event["batch"] for event in events} == {"batch_0"}
    assert sum(event["cost"] for event in events) == pytest.approx(9 * (10 * 0.2 + 5 * 0.1) / 2)
    assert asking.run(9) == expected(9)
    assert batches.sizes == [9]
    assert asking.calls.totals.replayed == 9


CARRIED: list[dict[str, Any]] = [
    {},
    {"extra_body": {"max_tokens": 500, "top_k": 5}},
    {"extra_body": {"temperature": 0.9, "seed": 3, "response_format": {"type": "text"}}},
    {"extra_body": {"chat_template_kwargs": {"x": 1}, "thinking": {"budget": 9}}},
    {"extra_body": {"max_completion_tokens": 500}},
    {"model_kwargs": {"max_tokens": 60, "stop": ["a"]}, "extra_body": {"stop": ["b"]}},
]


@pytest.mark.parametrize("options", CARRIED, ids=str)
def test_what_a_batch_carries_is_what_is_sent_directly(
    batches: BatchServer, tmp_path: Path, options: dict[str, Any]
) -> None:
    asking = Asking(batches, tmp_path)
    settings: dict[str, Any] = {"temperature": 0.3, "max_tokens": 7, "reasoning": "low"}
    settings["options"] = options
    asking.run(1, asking.model(**settings))
    (line,) = (json.loads(each) for each in batches.files["file-0"].splitlines())
    asking.limits = asking.limits.model_copy(update={"batch": False})
    for file in tmp_path.iterdir():
        file.unlink()
    asking.run(1, asking.model(**settings))
    direct = batches.requests[0].body
    assert direct.pop("stream", False) is False  # LangChain says so
    assert line["body"] == direct
    assert line["custom_id"] == asking.answers()[0]["key"]


@pytest.mark.parametrize(
    ("limits", "most"),
    [({"batch_requests": 4}, 4), ({"batch_bytes": 800}, 3)],
)
def test_a_full_file_goes_out_at_once(
    batches: BatchServer, tmp_path: Path, limits: dict[str, int], most: int
) -> None:
    assert Asking(batches, tmp_path, **limits).run(10) == expected(10)
    assert max(batches.sizes) == most
    assert sum(batches.sizes) == 10
    sent = [len(data) for name, data in batches.files.items() if name.startswith("file-")]
    assert max(sent) <= limits.get("batch_bytes", 10**9)


def test_models_have_batches_of_their_own(batches: BatchServer, tmp_path: Path) -> None:
    asking = Asking(batches, tmp_path)
    other = open_model(
        ModelConfig(model=f"openai:other@{batches.url}"), Config(limits=asking.limits)
    )
    assert asking.run(6, asking.model(), other) == expected(6)  # the server checks each file
    assert batches.sizes == [3, 3]


def test_what_cannot_go_into_a_batch_is_called_directly_and_held_for(
    batches: BatchServer, tmp_path: Path
) -> None:
    asking = Asking(batches, tmp_path)
    direct = open_model(ModelConfig(model="scripted:aloe.agents.scripted:reply"))
    answers = asking.run(6, asking.model(), direct)
    assert answers[::2] == expected(6)[::2]
    assert batches.sizes == [3]
    assert Counter(bool(event.get("batch")) for event in asking.answers()) == {True: 3, False: 3}


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (failure(500), 1),
        (failure(429, "slow down"), 3),
        (Answer(body={"choices": []}), 2),
        (Answer(status=0), 1),  # has been seen in the wild
    ],
)
def test_a_request_that_fails_in_passing_goes_into_the_next_batch(
    batches: BatchServer, tmp_path: Path, answer: Answer, times: int
) -> None:
    asking = Asking(batches, tmp_path)
    unlucky: set[str] = set()

    def failing(name: str, before: int) -> Answer | None:
        if not unlucky:
            unlucky.add(name)
        return answer if name in unlucky and before < times else None

    batches.failing = failing
    assert asking.run(5) == expected(5)
    assert batches.sizes == [5] + [1] * times
    assert paid_once(batches)
    assert Counter(event["outcome"] for event in asking.answers()) == {"ok": 5, "error": times}


def test_a_request_that_never_passes_costs_its_tree_and_no_more_batches_than_tries(
    batches: BatchServer, tmp_path: Path
) -> None:
    asking = Asking(batches, tmp_path, tries=3)
    batches.behave = lambda request: (
        failure(500) if "call 2" in str(request.body) else echo(request)
    )
    answers = asking.run(4)
    assert isinstance(answers[2], CallError)
    assert answers[:2] + answers[3:] == ["CALL 0", "CALL 1", "CALL 3"]
    assert batches.sizes == [4, 1, 1]


def test_a_parameter_that_a_model_refuses_is_left_out_of_the_next_batch(
    batches: BatchServer, tmp_path: Path
) -> None:
    def picky(request: Request) -> Answer:
        if "seed" in request.body:
            return failure(400, "Unsupported parameter: 'seed' is not supported with this model.")
        return echo(request)

    asking = Asking(batches, tmp_path)
    batches.behave = picky
    assert asking.run(4) == expected(4)
    assert batches.sizes == [4, 4]


def test_what_a_batch_had_answered_when_it_expired_is_kept_and_the_rest_sent_again(
    batches: BatchServer, tmp_path: Path
) -> None:
    batches.fate = lambda number: "expired" if number < 2 else "completed"
    asking = Asking(batches, tmp_path)
    assert asking.run(8) == expected(8)
    assert batches.sizes == [8, 4, 2]
    assert paid_once(batches)


@pytest.mark.parametrize(
    ("fate", "words"),
    [("cancelled", "batch_0 was cancelled"), ("failed", "the input file is broken")],
)
def test_a_batch_that_is_cancelled_or_fails_ends_the_run_and_the_next_sends_the_rest(
    batches: BatchServer, tmp_path: Path, fate: str, words: str
) -> None:
    batches.fate = lambda number: fate if number == 0 else "completed"
    asking = Asking(batches, tmp_path)
    with pytest.raises(ModelError, match=words) as raised:
        asking.run(8)
    assert "run the same command again" in str(raised.value)
    assert asking.run(8) == expected(8)
    assert batches.sizes == [8, 4 if fate == "cancelled" else 8]
    assert paid_once(batches)


def test_a_queue_with_less_room_gets_smaller_batches_one_after_the_other(
    batches: BatchServer, tmp_path: Path
) -> None:
    batches.most = 3
    assert Asking(batches, tmp_path).run(10) == expected(10)
    assert paid_once(batches)
    assert max(batches.sent.values()) == 1
    batches.most = 0
    with pytest.raises(ModelError, match="Enqueued token limit"):
        Asking(batches, tmp_path).run(11)


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ({"/files": failure(404)}, "has no batch API"),
        ({"/batches": failure(405)}, "leave out --batch"),
        ({"/batches": failure(429, "You exceeded your current quota")}, "until it is paid"),
        ({"/files": failure(413, "too large")}, r"no file so large.*5 calls.*batch_bytes"),
        ({"/files": failure(401)}, "check api_key_env"),
        ({"/files": failure(503)}, "no better answer"),
        ({"/batches/batch_0": failure(404)}, "no longer knows batch_0"),
        ({"/files/output-batch_0/content": failure(404)}, "no longer knows the answers"),
    ],
)
def test_what_a_server_refuses_is_one_line(
    batches: BatchServer, tmp_path: Path, refused: dict[str, Answer], words: str
) -> None:
    batches.refuse = lambda _, path: refused.get(path)
    with pytest.raises(ModelError, match=words) as raised:
        Asking(batches, tmp_path).run(5)
    assert "\n" not in str(raised.value)


def test_hiccups_of_the_server_are_sat_out(batches: BatchServer, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    def refuse(method: str, path: str) -> Answer | None:
        seen[method + path] += 1
        return failure(503) if seen[method + path] == 1 else None

    batches.refuse = refuse
    assert Asking(batches, tmp_path, patience=5.0).run(3) == expected(3)
    assert batches.sizes == [3]


def test_a_batch_whose_making_was_not_confirmed_is_found_and_not_made_again(
    batches: BatchServer, tmp_path: Path
) -> None:
    made: list[str] = []

    def refuse(method: str, path: str) -> Answer | None:
        if (method, path) == ("POST", "/batches") and not made:
            made.append(path)
            batches.refuse = lambda *_: None
            batches.serve_batch("POST", "/batches", {}, json.dumps(WISH).encode())
            return failure(502)
        return None

    batches.refuse = refuse
    assert Asking(batches, tmp_path, patience=5.0).run(3) == expected(3)
    assert batches.sizes == [3]


WISH = {
    "input_file_id": "file-0",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}


def test_a_budget_counts_what_waits_in_a_batch(batches: BatchServer, tmp_path: Path) -> None:
    answers = Asking(batches, tmp_path).run(9, budget=BudgetConfig(max_calls=4))
    assert sum(isinstance(each, BudgetError) for each in answers) == 5
    assert batches.sizes == [4]


def test_a_budget_that_direct_calls_wait_for_does_not_hold_a_batch_back(
    batches: BatchServer, tmp_path: Path
) -> None:
    """What they wait for is that the calls of the batch end."""
    asking = Asking(batches, tmp_path)
    direct = scripted_model(lambda _m, _a: "A")

    async def run() -> list[str | AloeError]:
        models = asking.model(), direct
        return await asyncio.wait_for(
            asking._run(8, models, BudgetConfig(max_calls=6), "user"), timeout=20
        )

    answers = asyncio.run(run())
    assert sum(isinstance(each, BudgetError) for each in answers) == 2
    assert sum(batches.sizes) + answers.count("A") == 6


def test_what_waits_is_held_back_while_other_calls_may_lead_to_more(
    batches: BatchServer, tmp_path: Path
) -> None:
    asking = Asking(batches, tmp_path)

    async def ask() -> None:
        calls = CallLog(batches=open_batches(asking.limits, asking.events))
        model = asking.model()

        async def one(i: int) -> None:
            with calls.meanwhile():
                await asyncio.sleep(0.3 * (i == 5))
            async with calls.call("user", model, tree=f"tree{i}") as call:
                await call.ask([("user", f"call {i}")], seed=1)

        await asyncio.gather(*map(one, range(6)))

    asyncio.run(ask())
    assert batches.sizes == [6]


def test_the_same_call_twice_has_two_answers(batches: BatchServer, tmp_path: Path) -> None:
    asking = Asking(batches, tmp_path)

    async def twice() -> None:
        with asking.events.open("w") as file:
            calls = CallLog(file, batches=open_batches(asking.limits, asking.events))
            model = asking.model()

            async def one(i: int) -> None:
                async with calls.call("user", model, tree=f"tree{i}") as call:
                    await call.ask([("user", "again")], seed=1)

            await asyncio.gather(one(0), one(1))

    asyncio.run(twice())
    (key,) = {event["key"] for event in asking.answers()}
    assert batches.answered == {key: 1, f"{key}-2": 1}


def test_options_that_are_no_fields_of_a_request_are_refused(
    batches: BatchServer, tmp_path: Path
) -> None:
    model = Asking(batches, tmp_path).model()
    for options, carried in (({"extra_body": {"top_k": 5}}, True), ({"n": 2}, False)):
        changed = ModelConfig(model=batches.model, options=options)
        if carried:
            assert takes_batches(replace(model, config=changed))
        else:
            with pytest.raises(ConfigError, match="the option n cannot go into a batch"):
                takes_batches(replace(model, config=changed))
