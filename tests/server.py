"""An OpenAI-compatible server on loopback whose answers and misdeeds a test sets.

By default it answers as `aloe.agents.scripted` does, so a whole simulation runs over real HTTP.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from langchain_core.messages import AIMessage, convert_to_messages

from aloe.agents.scripted import reply


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server sends back, and how badly."""

    status: int = 200
    body: Any = None
    """Sent as JSON; bytes are sent as they are."""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before anything is sent."""
    reset: bool = False
    """Whether the connection breaks in the middle of the body."""
    hangs_up: Literal["", "closed", "reset"] = ""
    """How the connection ends after the answer, without a word about it."""
    silent: bool = False
    """Whether it ends so in place of the answer."""
    drip: float = 0.0
    """Seconds between two pieces of the body, of some bytes each."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client asked."""

    path: str
    headers: dict[str, str]
    """By name in lower case."""
    body: dict[str, Any]


Behaviour = Callable[[Request], Answer]


def completion(
    text: str | None,
    *,
    finish: str | None = "stop",
    logprobs: list[tuple[str, float]] | None = None,
    cached: int = 0,
) -> Answer:
    """Return one chat completion; `logprobs` are the likeliest first tokens."""
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": finish,
    }
    if logprobs is not None:
        top = [{"token": t, "logprob": p, "bytes": None} for t, p in logprobs]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    return Answer(body={**body, "choices": [choice]})


def failure(status: int, message: str = "no", **given: Any) -> Answer:
    """Return an error as OpenAI words it."""
    return Answer(status=status, body={"error": {"message": message}}, **given)


def streamed(
    *pieces: str | dict[str, Any],
    thoughts: tuple[str, ...] = (),
    finish: str | None = "stop",
    error: Any = None,
    done: bool = True,
    drip: float = 0.0,
) -> Answer:
    """Return a chat completion as a stream of events; `error` comes in place of its end.

    A piece is text, or a whole delta.
    """
    deltas: list[Any] = [{"reasoning_content": each} for each in thoughts]
    deltas += [{"content": each} if isinstance(each, str) else each for each in pieces]
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events: list[Any] = [
        {**head, "choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in deltas
    ]
    if error is not None:
        events.append({"error": error})
    else:
        last = {"index": 0, "delta": {}, "finish_reason": finish}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        events += [{**head, "choices": [last]}, {**head, "choices": [], "usage": usage}]
    lines = [json.dumps(each, ensure_ascii=False) for each in events] + ["[DONE]"] * done
    body = "".join(f"data: {line}\n\n" for line in lines).encode()
    return Answer(body=body, headers={"Content-Type": "text/event-stream"}, drip=drip)


def scripted(request: Request) -> Answer:
    """Answer as the shipped stand-in does."""
    said = reply(convert_to_messages(request.body["messages"]), request.body)
    if not isinstance(said, AIMessage):
        return completion(said)
    content = said.response_metadata["logprobs"]["content"]
    top = [(each["token"], each["logprob"]) for each in content[0]["top_logprobs"]]
    return completion(said.text, logprobs=top if request.body.get("logprobs") else None)


@dataclass(kw_only=True)
class ChatServer:
    """A running server; set `behave` and `models` at any time."""

    url: str
    behave: Behaviour = scripted
    models: Answer = field(default_factory=lambda: Answer(body={"object": "list", "data": []}))
    """The answer to the list of models, which the program asks for before a run."""
    keep_alive: bool = False
    """Whether connections stay open for the next request, as real servers let them."""
    requests: list[Request] = field(default_factory=list)
    """Chat requests, in order of arrival."""

    @property
    def model(self) -> str:
        """Model string of a model at this server."""
        return f"openai:tiny@{self.url}"


@contextmanager
def serving() -> Iterator[ChatServer]:
    """Run a server on a free loopback port."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), ChatHandler)
    chat = ChatServer(url=f"http://127.0.0.1:{http.server_port}/v1")
    with serve(http, chat):
        yield chat


@contextmanager
def serve(http: ThreadingHTTPServer, chat: ChatServer) -> Iterator[None]:
    """Answer as `chat` says while the block runs."""
    http.chat = chat  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer.block_on_close = False


class ChatHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(self._chat.models)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(path=self.path, headers=headers, body=body)
        self._chat.requests.append(request)
        self.answer(self._chat.behave(request))

    @property
    def _chat(self) -> ChatServer:
        return self.server.chat  # type: ignore[attr-defined,no-any-return]

    def answer(self, answer: Answer) -> None:
        """Send an answer, as badly as it says."""
        time.sleep(answer.delay)
        if answer.silent:
            self._hang_up(reset=answer.hangs_up == "reset")
            return
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        try:
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            if not self._chat.keep_alive:
                self.send_header("Connection", "close")
            self.end_headers()
            if answer.reset:
                self.wfile.write(body[: len(body) // 2])
                self._hang_up(reset=True)
            elif answer.drip:
                for start in range(0, len(body), 20):
                    self.wfile.write(body[start : start + 20])
                    time.sleep(answer.drip)
            else:
                self.wfile.write(body)
            if answer.hangs_up:
                self._hang_up(reset=answer.hangs_up == "reset")
        except OSError:
            self.close_connection = True  # the client has gone

    def _hang_up(self, *, reset: bool) -> None:
        self.wfile.flush()
        if reset:
            time.sleep(0.05)  # what was sent arrives first
            linger = struct.pack("ii", 1, 0)  # closing now sends a reset, not an end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def handle(self) -> None:
        with suppress(OSError, ValueError):  # the connection was reset, by us or by the client
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
