"""Replies that are heard while they are written, over real HTTP."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from server import Answer, ChatServer, Request, completion, failure, streamed

from aloe.calls.log import CallLog
from aloe.config import Config, LimitsConfig, ModelConfig
from aloe.errors import CallError, TransientCallError
from aloe.models.http_answer import UnreadableError
from aloe.models.http_stream import add_blocks, read_stream
from aloe.models.open import Model, Reply, open_model


def listen(model: Model) -> tuple[Reply, list[str]]:
    """Ask through the log, as every agent does, and note what is heard."""
    heard: list[str] = []

    async def ask() -> Reply:
        async with CallLog().call("candidate", model) as call:
            return await call.ask([("user", "Hello")], heard.append, seed=1)

    return asyncio.run(ask()), heard


def lean(server: ChatServer, **settings: Any) -> Model:
    config = ModelConfig(model=server.model, **settings)
    return open_model(config, Config(limits=LimitsConfig(tries=1, backoff=0.01)))


def by_sdk(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("SOME_KEY", "sk-12345")
    return lean(server, api_key_env="SOME_KEY", options={"max_retries": 0})


@pytest.mark.parametrize("sdk", [False, True])
def test_a_reply_is_heard_as_it_grows(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, *, sdk: bool
) -> None:
    server.behave = lambda _: streamed("Good ", "mor", "ning.", drip=0.001)
    reply, heard = listen(by_sdk(server, monkeypatch) if sdk else lean(server))
    assert (reply.text, reply.finish) == ("Good morning.", "stop")
    assert (reply.input_tokens, reply.output_tokens, reply.estimated) == (10, 5, False)
    assert heard[-1] == "Good morning."
    assert heard[0] == "Good"
    assert server.requests[0].body["stream"] is True


@pytest.mark.parametrize("sdk", [False, True])
def test_thoughts_and_marks_are_not_heard(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, *, sdk: bool
) -> None:
    pieces = ("<think>", "They want", " tea.</think>", "Tea", "!", "<|im_end|>")
    server.behave = lambda _: streamed(*pieces, thoughts=("hm", "m"))
    reply, heard = listen(by_sdk(server, monkeypatch) if sdk else lean(server))
    assert reply.text == "Tea!"
    assert "hmm" in reply.thoughts
    assert "They want tea." in reply.thoughts
    assert heard[-1] == "Tea!"
    assert not any("want" in text for text in heard)


def test_a_chat_class_of_langchains_is_heard_too() -> None:
    chat = GenericFakeChatModel(messages=iter([AIMessage("<think>hm</think>Good morning.")]))
    reply, heard = listen(open_model(ModelConfig(model=chat)))
    assert (reply.text, reply.thoughts) == ("Good morning.", "hm")
    assert heard[-1] == "Good morning."
    assert "Good" in heard
    assert not any("hm" in text for text in heard)


def test_a_server_that_does_not_stream_answers_whole(server: ChatServer) -> None:
    server.behave = lambda _: completion("Whole.")
    reply, heard = listen(lean(server))
    assert (reply.text, heard) == ("Whole.", [])


@pytest.mark.parametrize("refused", ["stream", "stream_options"])
def test_what_a_server_refuses_of_it_is_left_out(server: ChatServer, refused: str) -> None:
    def behave(request: Request) -> Answer:
        if refused in request.body:
            return failure(400, f"unknown parameter '{refused}'")
        return streamed("Hi.") if request.body.get("stream") else completion("Hi.")

    server.behave = behave
    reply, heard = listen(lean(server))
    assert reply.text == "Hi."
    assert heard == (["Hi."] if refused == "stream_options" else [])


def test_a_stream_can_be_ruled_out(server: ChatServer) -> None:
    server.behave = lambda _: completion("Whole.")
    reply, _ = listen(lean(server, omit=("stream",)))
    assert reply.text == "Whole."
    assert not {"stream", "stream_options"} & server.requests[0].body.keys()


def test_nobody_who_does_not_listen_asks_for_a_stream(server: ChatServer) -> None:
    async def ask() -> None:
        async with CallLog().call("candidate", lean(server)) as call:
            await call.ask([("user", "Hello")], seed=1)

    asyncio.run(ask())
    assert "stream" not in server.requests[0].body


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (streamed("Half a", finish=None, done=False), "ended before"),
        (streamed("Half a", error={"message": "the GPU is gone"}), "GPU is gone"),
        (replace(streamed("Half a"), body=b"data: {not json\n\n"), "not JSON"),
        (replace(streamed("word " * 60), reset=True), "not completed"),
    ],
    ids=["torn", "error", "garbled", "reset"],
)
def test_a_stream_that_breaks_is_a_failed_call(
    server: ChatServer, answer: Answer, words: str
) -> None:
    server.behave = lambda _: answer
    with pytest.raises(CallError, match=words):
        listen(lean(server))


def test_a_stream_is_bounded(server: ChatServer) -> None:
    server.behave = lambda _: streamed(*["word "] * 300)
    with pytest.raises(TransientCallError, match="max_reply_bytes"):
        listen(lean(server, max_reply_bytes=2000))


def test_pieces_may_be_cut_anywhere() -> None:
    body = streamed("Grüße, ", "世界", "!").body

    async def one_by_one() -> Any:
        for byte in body:
            yield bytes([byte])

    heard: list[str] = []
    answer = asyncio.run(read_stream(one_by_one(), 10_000, heard.append))
    assert answer["choices"][0]["message"]["content"] == "Grüße, 世界!"
    assert heard == ["Grüße, ", "Grüße, 世界", "Grüße, 世界!"]


def thought(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


@pytest.mark.parametrize(
    ("deltas", "whole"),
    [
        (
            [
                {"content": [thought("They ")]},
                {"content": [thought("want tea.")]},
                {"content": [{"type": "text", "text": "Good "}]},
                {"content": "mor"},
                {"content": [{"type": "text", "text": "ning."}]},
            ],
            {"content": [thought("They want tea."), {"type": "text", "text": "Good morning."}]},
        ),
        (
            [
                {
                    "content": "Good ",
                    "thinking_blocks": [{"type": "thinking", "thinking": "They "}],
                },
                {"thinking_blocks": [{"type": "thinking", "thinking": "want tea."}]},
                {
                    "content": "morning.",
                    "thinking_blocks": [{"type": "thinking", "signature": "x"}],
                },
            ],
            {
                "content": "Good morning.",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "They want tea.", "signature": "x"}
                ],
            },
        ),
    ],
    ids=["content", "field"],
)
def test_blocks_say_the_same_streamed_or_whole(
    server: ChatServer, deltas: list[Any], whole: dict[str, Any]
) -> None:
    server.behave = lambda _: streamed(*deltas)
    reply, heard = listen(lean(server))
    body = {"choices": [{"message": whole, "finish_reason": "stop"}]}
    server.behave = lambda _: Answer(body=body)
    same, _ = listen(lean(server))
    assert (reply.text, reply.thoughts) == (same.text, same.thoughts)
    assert (same.text, same.thoughts) == ("Good morning.", "They want tea.")
    assert heard[-1] == "Good morning."


def test_blocks_that_differ_stay_apart() -> None:
    first = {"type": "thinking", "thinking": "a", "index": 0}
    blocks: list[Any] = []
    add_blocks(blocks, [first, {**first, "index": 1}, "x", 1, "y", {"type": "text", "text": None}])
    assert blocks == [first, {**first, "index": 1}, "x", 1, "y", {"type": "text", "text": None}]


def test_what_is_no_event_is_passed_over() -> None:
    said = json.dumps({"choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]})
    lines = f": keep alive\nevent: message\ndata: [1]\ndata: {{}}\r\ndata: {said}"

    async def at_once() -> Any:
        yield lines.encode()

    assert asyncio.run(read_stream(at_once(), 999, lambda _: None))["choices"][0]["message"] == {
        "content": "Hi."
    }


def test_a_stream_of_nothing_is_unreadable() -> None:
    async def nothing() -> Any:
        yield b"\n"

    with pytest.raises(UnreadableError):
        asyncio.run(read_stream(nothing(), 9, lambda _: None))
