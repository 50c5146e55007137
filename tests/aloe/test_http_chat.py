import asyncio
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import aiohttp
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from pydantic import SecretStr
from server import Answer, ChatServer, completion

from aloe.config import ModelConfig
from aloe.models.http_chat import HttpChat
from aloe.models.open import open_model


def chat(server: ChatServer) -> HttpChat:
    return HttpChat(model_name="tiny", base_url=server.url, api_key=SecretStr("k"), timeout=5)


def test_a_connection_serves_many_calls_and_ends_with_its_loop(server: ChatServer) -> None:
    """An unclosed session would be a warning, and a warning is an error here."""
    server.keep_alive = True
    model = chat(server)

    async def talk() -> None:
        for _ in range(3):
            await model.ainvoke("Hello")

    asyncio.run(talk())
    asyncio.run(talk())
    assert len(server.requests) == 6


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("idle", [1, 3])
def test_a_connection_that_was_closed_while_idle_costs_nothing(
    server: ChatServer, how: Literal["closed", "reset"], idle: int
) -> None:
    """As uvicorn closes one after five seconds; nobody looks at it before it is used again."""
    server.keep_alive = True
    server.behave = lambda _: replace(completion("Hi"), hangs_up=how, delay=0.1)
    model = chat(server)

    async def talk(times: int) -> None:
        await asyncio.gather(*(model.ainvoke("Hello") for _ in range(times)))

    with asyncio.Runner() as loop:
        loop.run(talk(idle))
        time.sleep(0.3)
        loop.run(model.complete([("user", "Hello")], {}))
    assert len(server.requests) == idle + 1


@pytest.mark.parametrize(("delay", "sent"), [(0.0, 2), (0.5, 1)])
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_request_that_a_server_dies_of_is_not_sent_on_every_idle_connection(
    server: ChatServer, how: Literal["closed", "reset"], delay: float, sent: int
) -> None:
    """It may be paid for each time; and never twice where the server has worked on it."""
    server.keep_alive = True
    server.behave = lambda _: replace(completion("Hi"), delay=0.1)
    model = chat(server)

    async def talk(times: int) -> None:
        await asyncio.gather(*(model.ainvoke("Hello") for _ in range(times)))

    with asyncio.Runner() as loop:
        loop.run(talk(4))
        server.behave = lambda _: Answer(silent=True, hangs_up=how, delay=delay)
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            loop.run(model.complete([("user", "Hello")], {}))
    assert len(server.requests) == 4 + sent


def test_a_new_connection_that_breaks_is_not_tried_again_here(server: ChatServer) -> None:
    with socket.socket() as broken:
        broken.bind(("127.0.0.1", 0))
        broken.listen()
        met = []

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    met.append(broken.accept()[0].close())

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{broken.getsockname()[1]}/v1"
        model = HttpChat(model_name="tiny", base_url=url, api_key=SecretStr("k"), timeout=5)
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            model.invoke("Hello")
        broken.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(met) == 1


def test_it_can_be_called_without_a_loop(server: ChatServer) -> None:
    server.behave = lambda _: completion("Hi")
    assert chat(server).invoke([HumanMessage("Hello")], stop=["\n"]).text == "Hi"
    assert server.requests[0].body["stop"] == ["\n"]


def test_a_key_is_not_shown() -> None:
    model = HttpChat(model_name="m", base_url="u", api_key=SecretStr("hunter2"), timeout=1)
    assert "hunter2" not in repr(model)


class Listener(AsyncCallbackHandler):
    """Counts the calls it is told of."""

    def __init__(self) -> None:
        self.heard = 0

    async def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self.heard += 1


@pytest.mark.parametrize("listeners", [0, 1])
def test_who_listens_to_a_graph_hears_of_its_calls(server: ChatServer, listeners: int) -> None:
    """And without anybody the way to the server is shorter, with the same request."""
    model = open_model(ModelConfig(model=server.model, temperature=0.5))
    listener = Listener()

    async def ask(_: dict[str, str]) -> dict[str, str]:
        return {"said": (await model.ask([("user", "Hello")], {"seed": 3})).text}

    graph = StateGraph(dict)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    compiled = graph.compile()
    config: RunnableConfig = {"callbacks": [listener] * listeners}
    said = asyncio.run(compiled.ainvoke({"said": ""}, config))["said"]
    assert said == asyncio.run(model.ask([("user", "Hello")], {"seed": 3})).text
    assert listener.heard == listeners
    assert server.requests[0].body == server.requests[1].body
