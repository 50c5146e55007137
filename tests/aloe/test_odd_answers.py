"""Answers with odd values, which both HTTP clients read alike."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from server import Answer, ChatServer, completion

from aloe.config import ModelConfig
from aloe.errors import TransientCallError
from aloe.models.open import Reply, open_model

CLIENTS: list[dict[str, Any]] = [{}, {"disable_streaming": True}]


def ask(server: ChatServer, options: dict[str, Any], schema: dict[str, Any] | None) -> Reply:
    model = open_model(ModelConfig(model=server.model, options=options))
    arguments = model.arguments(seed=5, schema=schema, logprobs=True)
    return asyncio.run(model.ask([("user", "Hello")], arguments))


def answering(server: ChatServer, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
    body = completion("Hello.").body
    change(body, body["choices"][0])
    server.behave = lambda _: Answer(body=body)


IN_MESSAGES: list[dict[str, Any]] = [
    {"role": None}, {"role": "bot"}, {"role": "user"}, {"role": 5}, {"tool_calls": [{}]},
    {"tool_calls": [None]}, {"tool_calls": "x"}, {"function_call": "x"}, {"name": 5}, {"id": 5},
    {"audio": {"id": 1}}, {"annotations": [1]}, {"parsed": {"a": 1}}, {"refusal": [1]},
]  # fmt: skip
IN_CHOICES: list[dict[str, Any]] = [
    {"index": "first"}, {"logprobs": "x"}, {"logprobs": [1]}, {"logprobs": {"content": [None]}},
]  # fmt: skip
IN_BODIES: list[dict[str, Any]] = [
    {"service_tier": [1]}, {"system_fingerprint": {"a": 1}}, {"id": 7}, {"model": 5},
    {"created": "now"}, {"object": None}, {"usage": "none"},
]  # fmt: skip


@pytest.mark.parametrize("schema", [None, {"type": "object"}], ids=["text", "json"])
@pytest.mark.parametrize("odd", [*IN_MESSAGES, *IN_CHOICES, *IN_BODIES], ids=str)
def test_what_nobody_needs_of_an_answer_is_not_read(
    server: ChatServer, odd: dict[str, Any], schema: dict[str, Any] | None
) -> None:
    def change(body: dict[str, Any], choice: dict[str, Any]) -> None:
        at = choice["message"] if odd in IN_MESSAGES else choice if odd in IN_CHOICES else body
        at.update(odd)

    answering(server, change)
    lean, sdk = (ask(server, options, schema) for options in CLIENTS)
    assert lean == sdk
    assert (lean.text, lean.finish) == ("Hello.", "stop")
    assert lean.estimated is ("usage" in odd)


@pytest.mark.parametrize("field", ["role", "index", "id", "model", "object", "finish_reason"])
def test_what_is_missing_is_not_missed(server: ChatServer, field: str) -> None:
    answering(
        server, lambda body, choice: [at.pop(field, 0) for at in (body, choice, choice["message"])]
    )
    lean, sdk = (ask(server, options, None) for options in CLIENTS)
    assert lean == sdk
    assert (lean.text, lean.output_tokens) == ("Hello.", 5)


@pytest.mark.parametrize("options", CLIENTS, ids=["HttpChat", "ChatOpenAI"])
@pytest.mark.parametrize("content", [[None], [1, "Hi."], [["Hi."]], {"a": 1}, 5, True], ids=str)
def test_content_that_is_none_is_tried_again_and_counted(
    server: ChatServer, options: dict[str, Any], content: Any
) -> None:
    answering(server, lambda _, choice: choice["message"].update(content=content))
    with pytest.raises(TransientCallError, match="the answer holds no message") as error:
        ask(server, options, None)
    assert error.value.cause == "garbled"
    assert error.value.usage
    assert (error.value.usage.input_tokens, error.value.usage.output_tokens) == (10, 5)
