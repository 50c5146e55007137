"""Servers that refuse parameters, each in the words of a real one, behind both clients."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from server import Answer, ChatServer, Request, completion, failure

from aloe.config import ModelConfig
from aloe.errors import CallError, ContextError
from aloe.models.open import Model, open_model
from aloe.models.parameters import without_system

HELLO = [("system", "Be kind."), ("user", "Hello")]
SCHEMA = {"type": "object", "properties": {"1": {"enum": ["user"]}}}

CLIENTS: dict[str, dict[str, Any]] = {"HttpChat": {}, "ChatOpenAI": {"disable_streaming": True}}


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def ask(model: Model, **wishes: Any) -> str:
    wishes = {"schema": SCHEMA, "logprobs": True, "seed": 5, **wishes}
    return asyncio.run(model.ask(HELLO, model.arguments(**wishes))).text  # type: ignore[arg-type]


def limit(body: dict[str, Any]) -> int | None:
    """Return the most tokens that a request allows, whatever the field is called."""
    found = body.get("max_tokens", body.get("max_completion_tokens"))
    return None if found is None else int(found)


def refused(message: str, status: int = 400, **named: Any) -> Answer:
    return Answer(status=status, body={"error": {"message": message, **named}})


@dataclass(frozen=True)
class Server:
    """What one kind of server refuses, and how the request looks that it takes in the end."""

    refuses: Callable[[dict[str, Any]], Answer | None]
    takes: Callable[[dict[str, Any]], bool]
    settings: dict[str, Any] = field(default_factory=dict)
    requests: int = 2


def litellm(words: str) -> str:
    """Return a refusal as its proxy words it."""
    return (
        f"litellm.UnsupportedParamsError: {words} To drop these, set `litellm.drop_params=True` or "
        "for proxy:\n\n`litellm_settings:\n drop_params: true`\n. \n\nLiteLLM: model group 'x' "
        "failed with the error above. No fallback was attempted."
    )


def reasoning_model(body: dict[str, Any]) -> Answer | None:
    if "max_tokens" in body:
        return refused(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            param="max_tokens", code="unsupported_parameter",
        )  # fmt: skip
    for name in ("temperature", "top_p", "logprobs", "top_logprobs"):
        if name in body:
            return refused(f"'{name}' is not supported with this model.", param=name)
    return None


def only_one_of_two(body: dict[str, Any]) -> Answer | None:
    if {"temperature", "top_p"} <= body.keys():
        return refused("`temperature` and `top_p` cannot both be specified for this model.")
    return None


def extra_forbidden(*names: str) -> Callable[[dict[str, Any]], Answer | None]:
    def refuses(body: dict[str, Any]) -> Answer | None:
        wrong = [name for name in names if name in body]
        detail = [
            {"type": "extra_forbidden", "loc": ["body", name], "input": body,
             "msg": "Extra inputs are not permitted"} for name in wrong
        ]  # fmt: skip
        return Answer(status=422, body={"detail": detail}) if wrong else None

    return refuses


def says(
    when: Callable[[dict[str, Any]], bool], message: str, status: int = 400
) -> Callable[[dict[str, Any]], Answer | None]:
    return lambda body: refused(message, status) if when(body) else None


def has_system(body: dict[str, Any]) -> bool:
    return any(message["role"] == "system" for message in body["messages"])


def joined(body: dict[str, Any]) -> bool:
    return bool(body["messages"] == [{"role": "user", "content": "Be kind.\n\nHello"}])


SERVERS = {
    "a reasoning model of OpenAI's": Server(
        reasoning_model,
        lambda b: "seed" in b and "response_format" in b and b["max_completion_tokens"] == 9,
        requests=5,
    ),
    "Claude": Server(only_one_of_two, lambda b: b["temperature"] == 0.3 and "top_p" not in b),
    "Mistral": Server(extra_forbidden("seed"), lambda b: "seed" not in b and b["top_p"] == 0.8),
    "a strict server": Server(
        extra_forbidden("seed", "frequency_penalty", "top_logprobs"),
        lambda b: {"logprobs", "temperature", "top_p"} <= b.keys(),
        requests=4,
    ),
    "vLLM's cap": Server(
        says(
            lambda b: b.get("top_logprobs", 0) > 5,
            "Requested sample logprobs of 20, which is greater than max allowed: 5",
        ),
        lambda b: b["top_logprobs"] == 5 and b["logprobs"] is True,
    ),
    "a range": Server(
        says(lambda b: b.get("top_logprobs", 0) > 8, "top_logprobs must be between 0 and 8"),
        lambda b: b["top_logprobs"] == 8,
    ),
    "a least length": Server(
        says(
            lambda b: (limit(b) or 16) < 16,
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, "
            "but got 9 instead.",
        ),
        lambda b: limit(b) == 16,
    ),
    "a greatest length": Server(
        says(
            lambda b: (limit(b) or 0) > 4096,
            "max_tokens is too large: 9000. This model supports at most 4096 completion tokens, "
            "whereas you provided 9000.",
        ),
        lambda b: limit(b) == 4096,
        {"max_tokens": 9000},
    ),
    "DeepSeek": Server(
        says(
            lambda b: b.get("response_format", {}).get("type") == "json_schema",
            "This response_format type is unavailable now",
        ),
        lambda b: b["response_format"] == {"type": "json_object"},
    ),
    "no JSON at all": Server(
        says(lambda b: "response_format" in b, "Structured outputs are not supported here"),
        lambda b: "response_format" not in b and "seed" in b,
        requests=3,
    ),
    "Gemma's template": Server(says(has_system, "System role not supported"), joined),
    "llama.cpp's template": Server(
        says(has_system, "Conversation roles must alternate user/assistant/user", 500), joined
    ),
    "o1-mini": Server(
        says(
            has_system,
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        ),
        joined,
    ),
    "Groq": Server(
        says(lambda b: "logprobs" in b, "property 'logprobs' is unsupported"),
        lambda b: "logprobs" not in b and "top_logprobs" not in b and "seed" in b,
    ),
    "Gemini": Server(
        says(
            lambda b: "frequency_penalty" in b,
            "Invalid JSON payload received. Unknown name \"frequencyPenalty\": Cannot find field.",
        ),
        lambda b: "frequency_penalty" not in b and "top_p" in b,
    ),
    "one that lists what it takes": Server(
        says(
            lambda b: "temperature" in b,
            "Unsupported parameter: temperature. Supported parameters are top_p, seed, stop",
        ),
        lambda b: {"top_p", "seed"} <= b.keys() and "temperature" not in b,
        requests=4,  # top_p and seed were tried, and came back
    ),
    "one that names two": Server(
        says(lambda b: bool({"seed", "top_p"} & b.keys()), "no seed, no top_p"),
        lambda b: not {"seed", "top_p"} & b.keys() and "temperature" in b,
        requests=4,
    ),
    "TGI": Server(
        says(lambda b: b.get("temperature") == 0, "`temperature` must be strictly positive"),
        lambda b: b["temperature"] == 0.01,
        {"temperature": 0.0},
    ),
    "no level none": Server(
        says(
            lambda b: b.get("reasoning_effort") == "none",
            "Unsupported value: 'reasoning_effort' does not support 'none' with this model. "
            "Supported values are: 'minimal', 'low', 'medium', and 'high'.",
        ),
        lambda b: b["reasoning_effort"] == "minimal" and "thinking" in b,
        {"reasoning": "off"},
    ),
    "LiteLLM, no level none": Server(
        says(
            lambda b: b.get("reasoning_effort") == "none",
            litellm("reasoning_effort=none is not supported for gpt-5-mini."),
        ),
        lambda b: b["reasoning_effort"] == "minimal" and "thinking" in b,
        {"reasoning": "off"},
    ),
    "LiteLLM, no level below low": Server(
        lambda b: refused(litellm(f"reasoning_effort={b['reasoning_effort']} is not supported."))
        if b.get("reasoning_effort") in ("none", "minimal") else None,
        lambda b: b["reasoning_effort"] == "low",
        {"reasoning": "off"},
        requests=3,
    ),
    "LiteLLM, no levels": Server(
        lambda b: refused(litellm(f"xai does not support parameters: {gone}, for model=grok-4."))
        if (gone := [name for name in ("reasoning_effort", "thinking") if name in b]) else None,
        lambda b: "chat_template_kwargs" in b,
        {"reasoning": "off"},
        requests=3,
    ),
    "no thinking": Server(
        extra_forbidden("reasoning_effort", "thinking"),
        lambda b: b["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False},
        {"reasoning": "off"},
        requests=3,
    ),
}  # fmt: skip


def warnings_of_ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what this program said, without what other packages log under load."""
    return [each.getMessage() for each in caplog.records if each.name.startswith("aloe")]


@pytest.mark.parametrize("kind", SERVERS.values(), ids=SERVERS)
def test_a_server_gets_what_it_takes(
    server: ChatServer, options: dict[str, Any], kind: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing less, and is not asked twice, and the person is told once."""
    server.behave = lambda r: kind.refuses(r.body) or completion("Hi")
    settings = {"temperature": 0.3, "top_p": 0.8, "max_tokens": 9, "frequency_penalty": 0.1}
    config = ModelConfig(model=server.model, options=options, **{**settings, **kind.settings})
    model = open_model(config)
    with caplog.at_level(logging.WARNING, "aloe"):
        assert ask(model) == "Hi"
        assert kind.takes(server.requests[-1].body), server.requests[-1].body
        assert len(server.requests) == kind.requests
        told, asked = warnings_of_ours(caplog), len(server.requests)
        assert len(told) == len(model.parameters.changes) >= 1
        assert any("openai:tiny" in each for each in told)
        assert all("\n" not in each for each in told)
        assert ask(open_model(config)) == "Hi"  # another role with the same model
    assert len(server.requests) == asked + 1
    assert warnings_of_ours(caplog) == told


@pytest.mark.parametrize(
    "answer",
    [
        failure(400, "Your text is against our rules"),
        failure(404, "The model `seed-oss` does not exist"),
        failure(500, "temperature sensor on fire"),
    ],
    ids=["policy", "no such model", "a fault"],
)  # fmt: skip
def test_other_failures_change_nothing(server: ChatServer, answer: Answer) -> None:
    server.behave = lambda _: answer
    model = open_model(ModelConfig(model=server.model, temperature=0.3))
    with pytest.raises(Exception, match="openai:tiny"):
        ask(model)
    assert len(server.requests) == 1
    assert model.parameters.changes == []


def test_what_did_not_help_is_undone(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    """A server that names everything and means something else loses its own call only."""
    server.behave = lambda _: failure(400, "temperature, seed, logprobs: no")
    model = open_model(ModelConfig(model=server.model, temperature=0.3))
    with pytest.raises(CallError):
        ask(model)
    assert model.parameters.changes == []
    assert caplog.records == []
    server.behave = lambda _: completion("Hi")
    ask(model)
    assert {"temperature", "seed", "logprobs"} <= server.requests[-1].body.keys()


def test_every_change_in_force_is_told_of_though_others_are_not_any_more(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    """An assistant loses its seed, and the judge's call shows that there is more to lose."""

    def behave(request: Request) -> Answer:
        refusal = failure(400, "This model does not support seed or logprobs.")
        return refusal if {"seed", "logprobs"} & request.body.keys() else completion("Hi")

    server.behave = behave
    model = open_model(ModelConfig(model=server.model))
    asyncio.run(model.ask(HELLO, {"seed": 1}))  # type: ignore[arg-type]
    asyncio.run(model.ask(HELLO, {"seed": 1, "logprobs": True}))  # type: ignore[arg-type]
    told = " ".join(warnings_of_ours(caplog))
    assert model.parameters.changes
    assert all(str(change) in told for change in model.parameters.changes)


def test_what_is_told_of_a_refusal_holds_no_key_and_no_half_a_character(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    said = "no seed for sk-abcdef123 \ud83d"
    server.behave = lambda r: failure(400, said) if "seed" in r.body else completion("Hi")
    ask(open_model(ModelConfig(model=server.model)))
    assert [each.endswith("no seed for *** ?)") for each in warnings_of_ours(caplog)] == [True]


def test_calls_at_the_same_time_learn_together(server: ChatServer) -> None:
    server.behave = lambda r: extra_forbidden("seed", "top_p")(r.body) or completion("Hi")
    model = open_model(ModelConfig(model=server.model, top_p=0.5))

    async def talk() -> list[str]:
        asked = [model.ask(HELLO, model.arguments(seed=n)) for n in range(8)]  # type: ignore[arg-type]
        return [reply.text for reply in await asyncio.gather(*asked)]

    assert asyncio.run(talk()) == ["Hi"] * 8
    assert len(model.parameters.changes) == 2


def test_settings_leave_out_and_rename(server: ChatServer, options: dict[str, Any]) -> None:
    server.behave = lambda _: completion("Hi")
    config = ModelConfig(
        model=server.model,
        options=options,
        temperature=0.3,
        max_tokens=9,
        omit=("temperature", "seed", "response_format"),
        max_tokens_field="max_new_tokens",
        top_logprobs=3,
        system="user",
    )
    ask(open_model(config))
    body = server.requests[0].body
    assert not {"temperature", "seed", "response_format"} & body.keys()
    assert (body["max_new_tokens"], limit(body), body["top_logprobs"]) == (9, None, 3)
    assert joined(body)


def test_a_judge_whose_log_probabilities_are_left_out_is_not_asked_for_them() -> None:
    left_out = ModelConfig(model="openai:x@http://h/v1", omit=("logprobs",))
    model = open_model(left_out)
    assert not model.gives_logprobs
    assert model.arguments(seed=1, logprobs=True) == {"seed": 1}
    assert open_model(ModelConfig(model="openai:x@http://h/v1")).gives_logprobs


@pytest.mark.parametrize(
    ("level", "effort", "thinks"), [("off", "none", False), ("low", "low", True)]
)
def test_thinking_is_asked_for_in_every_servers_words(
    server: ChatServer, options: dict[str, Any], level: Any, effort: str, thinks: bool
) -> None:
    server.behave = lambda _: completion("Hi")
    ask(open_model(ModelConfig(model=server.model, options=options, reasoning=level)))
    body = server.requests[0].body
    assert body["reasoning_effort"] == effort
    assert body["chat_template_kwargs"] == {"enable_thinking": thinks, "thinking": thinks}
    assert body["thinking"] == {"type": "enabled" if thinks else "disabled"}
    ask(open_model(ModelConfig(model=server.model, options=options)))
    assert not {"reasoning_effort", "thinking", "chat_template_kwargs"} & (
        server.requests[1].body.keys()
    )


def test_openai_is_sent_its_own_word_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "abc")
    model = open_model(ModelConfig(model="openai:gpt-5", reasoning="off"))
    assert model.sampling == {"reasoning_effort": "none"}


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens "
        "(4900 in the messages, 100 in the completion). Please reduce the length of the messages.",
        "'max_tokens' or 'max_completion_tokens' is too large: 100. This model's maximum context "
        "length is 2048 tokens and your request has 2000 input tokens (100 > 2048 - 2000).",
        "the request exceeds the available context size. try increasing the context size",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Input is longer than the model's context window",
    ],
)
def test_an_overflow_is_no_matter_of_parameters(
    server: ChatServer, options: dict[str, Any], message: str
) -> None:
    server.behave = lambda _: failure(400, message)
    model = open_model(ModelConfig(model=server.model, options=options, max_tokens=100))
    with pytest.raises(ContextError):
        ask(model)
    assert len(server.requests) == 1
    assert model.parameters.changes == []


def test_instructions_go_before_what_the_user_says() -> None:
    talk = [("system", "A"), ("system", "B"), ("user", "Hi"), ("assistant", "Ho"), ("user", "!")]
    assert without_system(talk) == [("user", "A\n\nB\n\nHi"), ("assistant", "Ho"), ("user", "!")]
    assert without_system([("system", "A")]) == [("user", "A")]
    assert without_system(talk[2:]) == talk[2:]


def test_a_request_of_before_is_the_same_request() -> None:
    """Journals of runs from before these settings still answer."""
    model = open_model(ModelConfig(model="openai:x@http://h/v1"))
    assert model.fingerprint == "6514f7d4682d2d2b"
    other = open_model(ModelConfig(model="openai:x@http://h/v1", omit=("seed",)))
    assert other.fingerprint != model.fingerprint
