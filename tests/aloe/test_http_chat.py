import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from pydantic import SecretStr
from server import ChatServer, completion

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
