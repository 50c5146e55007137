import asyncio
import json
from collections.abc import Callable
from math import log
from typing import Any

import pytest
from builders import SCRIPTED, scripted_model
from langchain_core.messages import AIMessage
from server import Answer, ChatServer, completion, failure

from aloe.config import ModelConfig
from aloe.errors import AloeError, CallError, ConfigError, ModelError, TransientCallError
from aloe.models.failures import retry_after
from aloe.models.open import Model, Reply, check_reachable, closed_model, open_model
from aloe.secrets import redact

HELLO = [("system", "Be kind."), ("user", "Hello")]


def ask(model: Model, **wishes: Any) -> Reply:
    return asyncio.run(model.ask(HELLO, model.arguments(seed=5, **wishes)))  # type: ignore[arg-type]


CLIENTS: dict[str, dict[str, Any]] = {"HttpChat": {}, "ChatOpenAI": {"disable_streaming": True}}
"""Options with which the door opens each client: the lean one is for a server without any."""


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture
def server(server: ChatServer, options: dict[str, Any]) -> ChatServer:
    server.options = options  # type: ignore[attr-defined]
    return server


def at(server: ChatServer, **settings: Any) -> Model:
    options = server.options  # type: ignore[attr-defined]
    return open_model(ModelConfig(model=server.model, options=options, **settings))


def test_the_lean_client_is_for_servers_without_options(server: ChatServer) -> None:
    kind = "ChatOpenAI" if server.options else "HttpChat"  # type: ignore[attr-defined]
    assert type(at(server).chat).__name__ == kind


def test_a_call_over_http_carries_what_was_asked_for(server: ChatServer) -> None:
    server.behave = lambda _: completion("Hi!", cached=4)
    model = at(server, temperature=0.3, top_p=0.8, max_tokens=9, frequency_penalty=0.1)
    reply = ask(model, schema={"type": "object"})
    assert reply == Reply(
        text="Hi!", finish="stop", input_tokens=10, cached_tokens=4, output_tokens=5
    )
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    body = request.body
    assert body["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
    ]
    assert (body["model"], body["seed"], body["temperature"]) == ("tiny", 5, 0.3)
    assert (body["top_p"], body["frequency_penalty"]) == (0.8, 0.1)
    assert (body["max_tokens"], body.get("max_completion_tokens")) == (9, None)
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert "logprobs" not in body
    assert model.name == "openai:tiny"


def test_a_wish_of_one_call_wins_over_the_settings(server: ChatServer) -> None:
    ask(at(server, max_tokens=9), max_tokens=1)
    body = server.requests[0].body
    assert (body["max_tokens"], body.get("max_completion_tokens")) == (1, None)


def test_a_limit_among_options_has_the_name_that_the_server_reads(server: ChatServer) -> None:
    for wishes, limit in (({}, 7), ({"max_tokens": 1}, 1)):
        ask(open_model(ModelConfig(model=server.model, options={"max_tokens": 7})), **wishes)
        body = server.requests[-1].body
        assert (body["max_tokens"], body.get("max_completion_tokens")) == (limit, None)


def test_openai_and_azure_get_the_name_that_they_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-123")
    azure = {"azure_deployment": "m", "api_version": "2024-10-21", "azure_endpoint": "http://h"}
    given: dict[str, dict[str, Any]] = {"openai:gpt-4o-mini": {},
        "langchain:langchain_openai:AzureChatOpenAI": azure}  # fmt: skip
    for name, options in given.items():
        model = open_model(ModelConfig(model=name, max_tokens=9, options=options))
        assert model._sent(HELLO, {}).fields["max_completion_tokens"] == 9  # type: ignore[arg-type]


def test_log_probabilities_of_the_first_token(server: ChatServer) -> None:
    top = [(" A", log(0.7)), ("A", log(0.2)), ("B", -2.5)]
    server.behave = lambda _: completion("A", logprobs=top)
    assert ask(at(server), logprobs=True).logprobs == {"A": pytest.approx(log(0.9)), "B": -2.5}
    assert server.requests[0].body["logprobs"] is True
    assert server.requests[0].body["top_logprobs"] == 20
    ask(at(server, logprobs=False), logprobs=True)
    assert "logprobs" not in server.requests[1].body


@pytest.mark.parametrize("odds", [float("inf"), float("nan"), 0.5, 1e308])
def test_a_log_probability_that_cannot_be_one_is_none(server: ChatServer, odds: float) -> None:
    server.behave = lambda _: completion("A", logprobs=[("A", odds), ("B", -1.0)])
    assert ask(at(server), logprobs=True).logprobs == {"B": -1.0}


@pytest.mark.parametrize("odds", [float("-inf"), -9999.0, -3.4e38])
def test_a_log_probability_has_a_floor(server: ChatServer, odds: float) -> None:
    server.behave = lambda _: completion("B", logprobs=[("B", -0.1), ("A", odds)])
    assert ask(at(server), logprobs=True).logprobs == {"B": -0.1, "A": log(1e-9)}


@pytest.mark.parametrize(
    "malformed",
    [[], "A", 7, {"content": None}, {"content": [None]}, {"content": [{"token": "A"}]},
     {"content": [{"top_logprobs": [None, {"token": None, "logprob": "x"}]}]},
     {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": {"A": None}}], "refusal": 1}],
    ids=str,
)  # fmt: skip
def test_malformed_log_probabilities_cost_no_reply(server: ChatServer, malformed: Any) -> None:
    answer = completion("A")
    answer.body["choices"][0]["logprobs"] = malformed
    server.behave = lambda _: answer
    reply = ask(at(server), logprobs=True)
    assert reply.text == "A"
    assert reply.logprobs in (None, {"A": -0.1})


def test_an_answer_nested_beyond_reading_costs_its_call(server: ChatServer) -> None:
    body = json.dumps(completion("A").body)
    nested = body.replace(
        '"finish_reason"', f'"logprobs": {"[" * 10**5}{"]" * 10**5}, "finish_reason"'
    )
    server.behave = lambda _: Answer(body=nested.encode())
    with pytest.raises(CallError):
        ask(at(server), logprobs=True)


def test_without_log_probabilities_there_are_none(server: ChatServer) -> None:
    server.behave = lambda _: completion("A")
    assert ask(at(server), logprobs=True).logprobs is None


def test_a_reply_cut_at_the_limit_says_so(server: ChatServer) -> None:
    server.behave = lambda _: completion("I was", finish="length")
    assert ask(at(server)).finish == "length"


def test_a_refusal_or_nothing_is_an_empty_reply(server: ChatServer) -> None:
    server.behave = lambda _: completion(None)
    assert ask(at(server)).text == ""


def test_half_a_character_does_not_pass(server: ChatServer) -> None:
    server.behave = lambda _: completion("Hi \ud83d!")
    assert ask(at(server)).text.encode("utf-8") == b"Hi ?!"


def with_choices(choices: Any) -> Answer:
    return Answer(body={**completion("x").body, "choices": choices})


FAILURES: list[tuple[str, Answer, type[AloeError], str]] = [
    ("401", failure(401), ModelError, "check api_key_env, which names no variable"),
    ("403", failure(403), CallError, "refused"),
    ("404", failure(404, "no model tiny"), ModelError, "check the model's name and base URL"),
    ("400", failure(400, "context too long"), CallError, "context too long"),
    ("408", failure(408), TransientCallError, "openai:tiny"),
    ("429", failure(429, "slow down"), TransientCallError, "slow down"),
    ("500", failure(500), TransientCallError, "openai:tiny"),
    ("503", failure(503), TransientCallError, "openai:tiny"),
    ("reset", Answer(body={"id": "x" * 4000}, reset=True), TransientCallError, "openai:tiny"),
    ("402", failure(402, "Insufficient Balance"), ModelError, "Insufficient Balance"),
    ("no JSON", Answer(body=b"<html>"), TransientCallError, "not JSON: '<html>'"),
    ("nothing", Answer(body=b""), TransientCallError, "not JSON: (nothing)"),
    ("null", Answer(body=None), TransientCallError, "no message"),
    ("no choices", with_choices([]), TransientCallError, "no message"),
    ("null choices", with_choices(None), TransientCallError, "no message"),
    ("odd message", with_choices([{"message": {"content": 7}}]), TransientCallError, "no message"),
]


@pytest.mark.parametrize(
    ("answer", "kind", "words"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES]
)
def test_failures_are_sorted(
    server: ChatServer, answer: Answer, kind: type[AloeError], words: str
) -> None:
    server.behave = lambda _: answer
    with pytest.raises(AloeError) as error:
        ask(at(server))
    assert type(error.value) is kind
    assert words in str(error.value)
    assert len(server.requests) == 1  # the client tries nothing again behind our back


def test_a_date_is_read_by_the_servers_own_clock() -> None:
    date, later = "Wed, 01 Jan 2020 00:00:00 GMT", "Wed, 01 Jan 2020 00:00:09 GMT"
    assert retry_after({"retry-after": later, "date": date}) == 9.0
    assert retry_after({"retry-after": date, "date": later}) == 0.0
    assert retry_after({"retry-after": date}) == 0.0
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25


CAUSES = {
    429: "busy", 502: "down", 503: "down", 504: "down", 500: "fault", 408: "fault", 409: "fault"
}  # fmt: skip


@pytest.mark.parametrize("status", CAUSES)
def test_a_passing_failure_says_what_it_means_for_the_server(
    server: ChatServer, status: int
) -> None:
    server.behave = lambda _: failure(status)
    with pytest.raises(TransientCallError) as error:
        ask(at(server))
    assert error.value.cause == CAUSES[status]


def test_nobody_there_and_no_answer_are_told_apart(server: ChatServer) -> None:
    server.behave = lambda _: Answer(body=completion("late").body, delay=1.0)
    with pytest.raises(TransientCallError) as error:
        ask(at(server, timeout=0.1))
    assert error.value.cause == "slow"
    gone = ModelConfig(model="openai:x@http://127.0.0.1:9/v1", options=server.options)  # type: ignore[attr-defined]
    with pytest.raises(TransientCallError) as error:
        ask(open_model(gone))
    assert error.value.cause == "down"


def test_a_quota_that_is_used_up_is_not_tried_again(server: ChatServer) -> None:
    server.behave = lambda _: failure(429, "You exceeded your current quota, please check")
    with pytest.raises(ModelError, match="paid"):
        ask(at(server))


def test_caps_in_the_headers_reach_the_limiter(server: ChatServer) -> None:
    caps = {"x-ratelimit-limit-requests": "500", "x-ratelimit-limit-tokens": "9000"}
    server.behave = lambda _: Answer(body=completion("Hi").body, headers=caps)
    model = at(server)
    ask(model)
    assert model.limiter.in_force() == "500 requests/min, 9000 tokens/min"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), (None, None)])
def test_the_servers_wish_to_wait_is_kept(
    server: ChatServer, header: str | None, seconds: float | None
) -> None:
    headers = {"Retry-After": header} if header else {}
    server.behave = lambda _: failure(429, headers=headers)
    with pytest.raises(TransientCallError) as error:
        ask(at(server))
    assert error.value.retry_after == seconds


def test_a_slow_server_is_given_up(server: ChatServer) -> None:
    server.behave = lambda _: Answer(body=completion("late").body, delay=1.0)
    with pytest.raises(TransientCallError, match="Timeout"):
        ask(at(server, timeout=0.1))


def test_a_server_that_is_gone(server: ChatServer) -> None:
    model = open_model(ModelConfig(model="openai:x@http://127.0.0.1:9/v1"))
    with pytest.raises(TransientCallError):
        ask(model)


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "MY_CREDENTIAL"])
def test_a_key_goes_to_its_server_and_nowhere_else(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "abc-planted-123")
    server.behave = lambda r: failure(400, f"bad {r.headers['authorization']}")
    with pytest.raises(CallError) as error:
        ask(at(server, api_key_env=variable))
    assert server.requests[0].headers["authorization"] == "Bearer abc-planted-123"
    assert "planted" not in str(error.value)
    with pytest.raises(CallError):
        ask(at(server))
    assert "planted" not in server.requests[1].headers["authorization"]
    server.behave = lambda r: completion(f"You sent {r.headers['authorization']}")
    assert ask(at(server, api_key_env=variable)).text == "You sent Bearer ***"


@pytest.mark.parametrize("word", ["ollama", "none", "test"])
def test_a_word_in_place_of_a_key_stays_in_replies(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", word)
    monkeypatch.setenv("MY_CREDENTIAL", word)
    server.behave = lambda _: completion(f"You can run {word} nonetheless.")
    for model in (at(server), at(server, api_key_env="MY_CREDENTIAL")):
        assert ask(model).text == f"You can run {word} nonetheless."
    monkeypatch.setenv("OPENAI_API_KEY", "long-enough-for-a-key")
    server.behave = lambda _: completion("A long-enough-for-a-key, which was never sent.")
    assert "long-enough" in ask(at(server)).text


def test_texts_are_cleared_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hunter2hunter2")
    assert redact("got hunter2hunter2 and sk-proj-abcdef123") == "got *** and ***"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "gpt-4o-mini"}, ["unknown model 'gpt-4o-mini'", "openai:..."]),
        ({"model": "opnai:gpt"}, ["unknown model", "openai:..."]),
        ({"model": "openai:"}, ["unknown model"]),
        ({"model": "openai:gpt-4o-mini"}, ["OPENAI_API_KEY", "local:smollm2-135m"]),
        ({"model": "openai:x", "api_key_env": "NO_SUCH"}, ["NO_SUCH"]),
        ({"model": "openai:x@http://h/v1", "options": {"top_p": "x"}}, ["openai:x", "top_p"]),
        ({"model": "hf:x", "reasoning": "off"}, ["hf:x", "reasoning"]),
        ({"model": "community:ChatNobody"}, ["ChatNobody"]),
        ({"model": "scripted:no.such:reply"}, ["scripted:no.such:reply"]),
        ({"model": "scripted:aloe.agents.scripted:none"}, ["cannot be found"]),
        ({"model": "scripted:aloe.agents.scripted"}, ["cannot be found"]),
        ({"model": "local:no-such-model"}, ["no-such-model", "smollm2-135m"]),
    ],
)
def test_a_model_that_cannot_be_built_says_why(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        open_model(ModelConfig(**settings))
    for word in words:
        assert word in str(error.value)


def test_a_bare_name_is_enough_with_a_base_url(server: ChatServer) -> None:
    model = open_model(ModelConfig(model="Qwen/Qwen3:8b", base_url=server.url))
    ask(model)
    assert (model.name, server.requests[0].body["model"]) == (
        "openai:Qwen/Qwen3:8b",
        "Qwen/Qwen3:8b",
    )


def test_community_models_come_by_class_name() -> None:
    model = open_model(
        ModelConfig(model="community:FakeListChatModel", options={"responses": ["x"]})
    )
    assert not model.openai_compatible
    assert model.arguments(seed=1, max_tokens=4, logprobs=True) == {}
    assert ask(model).text == "x"


def test_the_double_comes_through_the_same_door() -> None:
    model = open_model(ModelConfig(model=SCRIPTED))
    assert model.name == SCRIPTED
    assert ask(model).text


def test_a_closed_model_only_says_why() -> None:
    model = closed_model(ModelConfig(model="openai:x@http://h/v1", api_key_env="NONE"), "no more")
    assert model.name == "openai:x"
    with pytest.raises(ModelError, match="no more"):
        ask(model)


def test_a_script_can_set_everything() -> None:
    said = AIMessage(
        "A",
        response_metadata={"finish_reason": "length"},
        usage_metadata={
            "input_tokens": 3,
            "output_tokens": 1,
            "total_tokens": 4,
            "input_token_details": {"cache_read": 2},
        },
    )
    assert ask(scripted_model(lambda _m, _a: said)) == Reply(
        text="A", finish="length", input_tokens=3, cached_tokens=2, output_tokens=1
    )


def raising(error: Exception) -> Callable[..., str]:
    def script(_messages: Any, _arguments: Any) -> str:
        raise error

    return script


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransientCallError("busy"), TransientCallError),
        (ModelError("gone"), ModelError),
        (ConnectionResetError("reset"), TransientCallError),
        (ValueError("odd"), CallError),
    ],
)
def test_a_script_can_fail(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(AloeError) as raised:
        ask(scripted_model(raising(error)))
    assert type(raised.value) is kind


def reach(model: Model) -> None:
    asyncio.run(check_reachable([model, model]))


def test_a_server_without_a_list_of_models_counts_as_reachable(server: ChatServer) -> None:
    for status in (200, 404, 500):
        server.models = Answer(status=status, body={"object": "list", "data": []})
        reach(at(server))
    reach(scripted_model())


def test_a_server_that_refuses_the_key_does_not(server: ChatServer) -> None:
    server.models = failure(401)
    with pytest.raises(ModelError, match="refused"):
        reach(at(server))


def test_a_server_that_is_down_does_not() -> None:
    with pytest.raises(ModelError, match=r"nothing answers at http://127\.0\.0\.1:9/v1"):
        reach(open_model(ModelConfig(model="openai:x@http://127.0.0.1:9/v1")))
