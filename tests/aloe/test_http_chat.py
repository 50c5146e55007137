import asyncio

from langchain_core.messages import HumanMessage
from pydantic import SecretStr
from server import ChatServer, completion

from aloe.http_chat import HttpChat


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
