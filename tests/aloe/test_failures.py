"""What servers answer in place of a reply, with both HTTP clients."""

import asyncio
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from server import Answer, ChatServer, completion, failure

from aloe.calls.event import read_events
from aloe.calls.log import CallLog
from aloe.config import LimitsConfig, ModelConfig
from aloe.errors import AloeError, CallError, ContextError, ModelError, TransientCallError
from aloe.models.failures import read_delay, retry_after, sort_failure
from aloe.models.http_answer import ServerError
from aloe.models.open import Model, Reply, check_reachable, open_model

CLIENTS: dict[str, dict[str, Any]] = {"HttpChat": {}, "ChatOpenAI": {"disable_streaming": True}}


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def at(server: ChatServer, options: dict[str, Any], **settings: Any) -> Model:
    return open_model(ModelConfig(model=server.model, options=options, **settings))


def ask(model: Model) -> Reply:
    return asyncio.run(model.ask([("user", "Hello")], model.arguments(seed=5)))


def failed(model: Model) -> AloeError:
    with pytest.raises(AloeError) as error:
        ask(model)
    return error.value


GEMINI = {
    "code": 429,
    "message": "You exceeded your current quota, please check your plan and billing details. "
    + "For more, see the manual. " * 20
    + "Please retry in 2.4s.",
    "status": "RESOURCE_EXHAUSTED",
}

WAITED_FOR: dict[str, tuple[Any, float | None, str]] = {
    "429 inside": ({"error": {"code": 429, "message": "slow down"}}, None, "busy"),
    "429 inside as text": ({"error": {"code": "429", "message": "slow down"}}, None, "busy"),
    "rate limit by name": ({"error": {"type": "rate_limit_error", "message": "no"}}, None, "busy"),
    "502 inside": ({"error": {"code": 502, "message": "Provider returned error"}}, None, "down"),
    "502 in a choice": (
        {"choices": [{"error": {"code": 502, "message": "gone"}, "finish_reason": "error",
                      "message": {"content": "I was goi"}}]}, None, "down",
    ),
    "overloaded": ({"type": "error", "error": {"type": "overloaded_error"}}, None, "busy"),
    "error as text": ({"error": "Unexpected endpoint"}, None, "garbled"),
    "error object": ({"object": "error", "message": "try later", "code": 500}, None, "fault"),
    "Gemini a minute": ([{"error": GEMINI}], 2.4, "busy"),
    "minutes": ({"error": {"code": 429, "message": "Please try again in 1m30s"}}, 90.0, "busy"),
    "detail": ({"error": {"code": 429, "details": [{"retryDelay": "34s"}]}}, 34.0, "busy"),
}  # fmt: skip


@pytest.mark.parametrize("case", WAITED_FOR)
def test_an_error_inside_a_200_is_read_by_what_it_says(
    server: ChatServer, options: dict[str, Any], case: str
) -> None:
    body, delay, cause = WAITED_FOR[case]
    server.behave = lambda _: Answer(body=body)
    error = failed(at(server, options))
    assert isinstance(error, TransientCallError)
    assert (error.cause, error.retry_after) == (cause, delay)


@pytest.mark.parametrize("wrapped", [{"error": GEMINI}, [{"error": GEMINI}]], ids=["plain", "list"])
def test_a_named_delay_beats_words_about_a_plan(
    server: ChatServer, options: dict[str, Any], wrapped: Any
) -> None:
    server.behave = lambda _: Answer(status=429, body=wrapped)
    error = failed(at(server, options))
    assert isinstance(error, TransientCallError)
    assert (error.cause, error.retry_after) == ("busy", 2.4)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (402, {"message": "Insufficient Balance"}),
        (402, {"message": "Pay", "details": "try again in 5 s"}),
        (429, {"message": "see your plan, retry in 2 s", "code": "insufficient_quota"}),
        (429, {"message": "You exceeded your current quota, see your plan"}),
        (400, {"message": "Your credit balance is too low to use this", "type": "invalid_request"}),
        (403, {"message": "Access denied", "code": "Arrearage"}),
        (200, {"message": "This request requires more credits", "code": 402}),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_must_be_paid_stops_at_once_with_the_servers_words(
    server: ChatServer, options: dict[str, Any], status: int, error: dict[str, Any]
) -> None:
    server.behave = lambda _: Answer(status=status, body={"error": error})
    found = failed(at(server, options))
    assert isinstance(found, ModelError)
    assert error["message"] in str(found)
    assert "paid" in str(found)


SHAPES: list[Any] = [
    {"error": {"message": "flagged", "code": 403}}, {"detail": [{"msg": "flagged", "loc": ["x"]}]},
    {"message": "flagged"}, {"error": "flagged"}, "flagged", [{"error": {"message": "flagged"}}],
    {"errors": [{"message": "flagged"}]},
]  # fmt: skip
"""How OpenAI, FastAPI, vLLM, Ollama and others write an error down."""


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_refused_call_costs_itself_whatever_the_shape_of_its_error(
    server: ChatServer, options: dict[str, Any], status: int
) -> None:
    for body in SHAPES:
        server.behave = lambda _, body=body: Answer(status=status, body=body)
        error = failed(at(server, options))
        assert type(error) is CallError, body
        assert f"HTTP {status}: " in str(error)
        assert "flagged" in str(error)
        assert error.refusal.startswith(f"HTTP {status}")


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_half_a_character_in_an_error_can_be_written_down(
    server: ChatServer, options: dict[str, Any], status: int, tmp_path: Path
) -> None:
    server.behave = lambda _: failure(status, "the text 'hi \ud83d' was refused")
    model = at(server, options)
    model.limiter.config = LimitsConfig(tries=1)

    async def ask_once() -> None:
        with (tmp_path / "events.jsonl").open("w", encoding="utf-8") as file:
            async with CallLog(file).call("user", model, tree="t") as call:
                await call.ask([("user", "Hello")], seed=5)

    with pytest.raises(AloeError, match=r"hi \?"):
        asyncio.run(ask_once())
    (event,) = read_events(tmp_path / "events.jsonl")
    assert "'hi ?' was refused" in event["error"]


def test_a_gateways_500_tells_what_the_model_behind_it_said(
    server: ChatServer, options: dict[str, Any]
) -> None:
    server.behave = lambda _: Answer(status=500, body={"error": {"code": "429", "message": "x"}})
    error = failed(at(server, options))
    assert isinstance(error, TransientCallError)
    assert error.cause == "busy"


@pytest.mark.parametrize("reset", ["1.2.3s", "", "soon", "-1", "1e999", "1764304884", "9" * 4000])
def test_odd_headers_of_an_answer_cost_nothing(
    server: ChatServer, options: dict[str, Any], reset: str
) -> None:
    model = at(server, options)
    for remaining in ("0", "1e-300", "none"):
        headers = {}
        for kind in ("requests", "tokens"):
            headers[f"x-ratelimit-reset-{kind}"] = reset
            headers[f"x-ratelimit-remaining-{kind}"] = remaining
            headers[f"x-ratelimit-limit-{kind}"] = "0.000001"
        server.behave = lambda _, h=headers: Answer(body=completion("Hi.").body, headers=h)
        assert ask(model).text == "Hi."
    assert model.limiter.in_force() is None


@pytest.mark.parametrize(
    "wish",
    ["Mon, 99 Foo 2024 99:99:99 GMT", "Fri, 31 Dec 99999 23:59:59 GMT", "1.2.3s", "NaN", "\t",
     "Mon, 00", "9" * 5000, "-5"],
    ids=lambda wish: wish[:20],
)  # fmt: skip
def test_a_wish_to_wait_that_nobody_can_read_is_none(
    server: ChatServer, options: dict[str, Any], wish: str
) -> None:
    headers = {"Retry-After": wish, "retry-after-ms": wish, "X-Odd": ""}
    server.behave = lambda _: failure(429, "slow down", headers=headers)
    error = failed(at(server, options))
    assert isinstance(error, TransientCallError)
    assert error.retry_after is None


def test_a_broken_clock_of_the_server_is_not_asked() -> None:
    later = "Wed, 01 Jan 2020 00:00:09 GMT"
    assert retry_after({"retry-after": later, "date": "Someday, 99"}) == 0.0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("Please try again in 20s.", 20), ("try again in 6m0s", 360), ("Retry after 5 seconds", 5),
     ("wait 250ms", 0.25), ("try again in 1 h 5 min", 3900), ("retry in 1.2.3s", None),
     ("retry later", None), ("It is 5 s long", None)],
)  # fmt: skip
def test_a_delay_in_words(words: str, seconds: float | None) -> None:
    assert read_delay(ServerError(429, {"message": words}, {})) == seconds


class ClientError(Exception):
    """What an SDK of Google's raises: its status is called `code`."""

    code = 429
    response = None


class BrokenOffError(ConnectionError):
    """A fault of transport that has a number of its own, as aiohttp's have."""

    code = 400


UNREAD = json.JSONDecodeError("Expecting value", "<html> with hunter2hunter2", 0)


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (ClientError("slow down"), "busy", "m: HTTP 429: slow down"),
        (BrokenOffError("Not enough data"), "fault", "m: BrokenOffError: Not enough data"),
        (UNREAD, "garbled", "m: the answer is not JSON: '<html> with ***'"),
    ],
    ids=["code", "transport", "not JSON"],
)
def test_errors_of_other_clients_are_read_as_ours_are(
    error: Exception, cause: str, words: str
) -> None:
    wrapped = ValueError("the chat model failed")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        found = sort_failure(each, model="m", key="hunter2hunter2", variable="K")
        assert isinstance(found, TransientCallError)
        assert found.cause == cause
    assert str(sort_failure(error, model="m", key="hunter2hunter2", variable="K")) == words


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_a_conversation_that_is_too_long_ends_its_branch(
    server: ChatServer, options: dict[str, Any], status: int
) -> None:
    said = "This model's maximum context length is 2048 tokens"
    for body in ({"error": {"message": said}}, {"detail": said}, said):
        server.behave = lambda _, body=body: Answer(status=status, body=body)
        error = failed(at(server, options))
        assert isinstance(error, ContextError)
        assert said in str(error)
        assert error.refusal.startswith(f"HTTP {status}")


@pytest.mark.parametrize("usage", [int("9" * 4000), None, "12", -4, [], 0.5])
def test_odd_token_counts_cost_nothing(
    server: ChatServer, options: dict[str, Any], usage: Any
) -> None:
    counts = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), usage)
    server.behave = lambda _: Answer(body={**completion("Hi there.").body, "usage": counts})
    reply = ask(at(server, options))
    assert (reply.input_tokens, reply.output_tokens, reply.estimated) == (6, 7, True)


@pytest.mark.parametrize(
    ("said", "finish"),
    [("MAX_TOKENS", "length"), ("content_filter", "content_filter"), ("abort", "error"),
     (None, "length"), ("insufficient_system_resource", "error"), ("stop", "stop")],
)  # fmt: skip
def test_how_a_reply_ended(
    server: ChatServer, options: dict[str, Any], said: Any, finish: str
) -> None:
    server.behave = lambda _: completion("I was goi", finish=said)
    assert ask(at(server, options)).finish == finish


# Size and time.


def packed(text: bytes, how: str) -> bytes:
    return gzip.compress(text) if how == "gzip" else zlib.compress(text)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("how", ["plain", "gzip", "deflate"])
def test_an_answer_that_is_too_long_is_not_read(
    server: ChatServer, options: dict[str, Any], status: int, how: str
) -> None:
    text = json.dumps(completion("x" * 3_000_000).body).encode()
    headers = {} if how == "plain" else {"Content-Encoding": how}
    body = text if how == "plain" else packed(text, how)
    server.behave = lambda _: Answer(status=status, body=body, headers=headers)
    error = failed(at(server, options, max_reply_bytes=1_000_000))
    assert isinstance(error, TransientCallError)
    assert "longer than max_reply_bytes = 1000000" in str(error)
    if status == 200:
        assert len(ask(at(server, options)).text) == 3_000_000


@pytest.mark.parametrize("how", ["br", "zstd", "gzip"])
def test_an_answer_that_cannot_be_unpacked_is_worth_another_try(
    server: ChatServer, options: dict[str, Any], how: str
) -> None:
    server.behave = lambda _: Answer(body=b"not packed", headers={"Content-Encoding": how})
    assert isinstance(failed(at(server, options)), TransientCallError)


def test_a_call_ends_in_time_however_slowly_its_answer_drips(
    server: ChatServer, options: dict[str, Any]
) -> None:
    server.behave = lambda _: Answer(body=completion("x" * 300).body, drip=0.05)
    error = failed(at(server, options, timeout=0.5))
    assert isinstance(error, TransientCallError)
    assert error.cause == "slow"


# The list of models.


@pytest.mark.parametrize(
    "models",
    [failure(403), failure(500), Answer(body=b"<html>"), Answer(body={"error": {"code": 403}}),
     Answer(body={}, delay=1.0), Answer(body=b"x" * 100, reset=True)],
    ids=["403", "500", "html", "403 inside", "slow", "reset"],
)  # fmt: skip
def test_a_list_of_models_that_is_forbidden_or_slow_loses_nothing(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, models: Answer
) -> None:
    monkeypatch.setattr("aloe.models.open.REACH_TIMEOUT", 0.3)
    server.models = models
    asyncio.run(check_reachable([at(server, {})]))
