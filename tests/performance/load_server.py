"""An OpenAI-compatible server that only waits: the load for `make bench-simulate`.

It answers chat completions after a set latency with words that depend on nothing but the request,
so that every client that asks the same gets the same conversation, and transcripts can be compared
by digest. It is a bare `asyncio.Protocol`, to be faster than anything that is measured against it;
the benchmark states its own ceiling. Run as: python -m tests.performance.load_server
--latency 0.2
"""

import argparse
import asyncio
import json
import time
import zlib
from contextlib import suppress
from typing import Any, cast

from aloe.loop import TerminatedError, make_runner

WORDS = ("river", "bread", "ladder", "music", "winter", "garden", "engine", "letter", "market")


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Return the completion for a request, a pure function of its messages and seed."""
    messages = body["messages"]
    text = f"{messages[0]['content'][:40]}|{messages[-1]['content']}|{body.get('seed')}"
    chance = zlib.crc32(text.encode())
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    if "response_format" in body:
        keys = body["response_format"]["json_schema"]["schema"]["required"]
        content = json.dumps(
            {key: "user" if chance >> i & 1 else "topic" for i, key in enumerate(keys)}
        )
    elif body.get("logprobs"):
        content = "AB"[chance & 1]
        margin = (chance >> 8 & 255) / 255
        top = [
            {"token": content, "logprob": -0.75, "bytes": None},
            {"token": "BA"[chance & 1], "logprob": -0.75 - margin, "bytes": None},
        ]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    else:
        picked = [WORDS[(chance >> 3 * i) % len(WORDS)] for i in range(9)]
        note = messages[-1]["content"].rpartition("Note: ")[2].partition("\n")[0]
        content = f"I think of the {' '.join(picked)}. Is number {chance % 9973} far from here?"
        if "Note: " in messages[-1]["content"]:  # a user, who is asked again without it
            content = f"{note} {content}"
    choice["message"] = {"role": "assistant", "content": content}
    read = sum(len(message["content"]) for message in messages) // 4
    usage = {"prompt_tokens": read, "completion_tokens": 20, "total_tokens": read + 20}
    head = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"]}
    return {**head, "choices": [choice], "usage": usage}


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it come one after the other."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            found = answer(json.loads(body)) if length else {"object": "list", "data": []}
            loop = asyncio.get_running_loop()
            loop.call_later(self._latency if length else 0, self._send, json.dumps(found).encode())

    def _send(self, body: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            self._transport.write(head.encode() + b"\r\n\r\n" + body)


async def serve(latency: float) -> None:
    """Serve on a free loopback port, which is printed, until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(latency), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ceiling(url: str, *, connections: int, seconds: float) -> float:
    """Return how many calls a second the server at `url` answers to a client that does nothing.

    Args:
        url: base URL of the server.
        connections: connections that ask without a pause.
        seconds: how long.
    """
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    message = {"role": "user", "content": "word " * 400}
    body = json.dumps({"model": "m", "messages": [message], "seed": 1}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}"
    request, answered = head.encode() + b"\r\n\r\n" + body, 0
    end = time.perf_counter() + seconds

    async def ask() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.perf_counter() < end:
            writer.write(request)
            found = (await reader.readuntil(b"\r\n\r\n")).lower().partition(b"content-length:")
            await reader.readexactly(int(found[2].split(b"\r\n")[0]))
            answered += 1
        writer.close()

    await asyncio.gather(*(ask() for _ in range(connections)))
    return answered / seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before an answer")
    with suppress(TerminatedError), make_runner() as loop:
        loop.run(serve(parser.parse_args().latency))
