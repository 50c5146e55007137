"""A chat server with OpenAI's batch API beside it, as slow, unreliable and unordered as one sets.

Batches run when they are looked at: a batch is done after `looks`. What each answered or failed
request was asked is counted, so that a test can say what was paid for.
"""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import ThreadingHTTPServer
from typing import Any

from server import Answer, ChatHandler, ChatServer, Request, failure, serve
from typing_extensions import override

Fate = Callable[[int], str]
"""What becomes of the batch with this number, from 0: the status in which it ends."""


@dataclass(kw_only=True)
class BatchServer(ChatServer):
    """A running server; set what it does at any time."""

    looks: int = 1
    """Looks at a batch before it has ended."""
    fate: Fate = lambda _: "completed"
    share: float = 0.5
    """Part of the requests that a batch answers which does not complete."""
    failing: Callable[[str, int], Answer | None] = lambda _name, _times: None
    """What is answered in place of a completion, by custom id and how often it came before."""
    refuse: Callable[[str, str], Answer | None] = lambda _method, _path: None
    """What a request to the batch API gets in place of its answer."""
    most: int = 10**6
    """Requests for which the queue has room."""
    problem: str = "the input file is broken"
    before: Callable[[str, str], None] = lambda _method, _path: None
    after: Callable[[str, str], None] = lambda _method, _path: None
    """Called around each request to the batch API."""
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    """Requests that were paid for, by custom id."""
    sent: Counter[str] = field(default_factory=Counter)
    """Requests that came in a batch, by custom id."""
    sizes: list[int] = field(default_factory=list)
    """Requests in each batch."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    order: random.Random = field(default_factory=lambda: random.Random(7))

    def serve_batch(self, method: str, path: str, headers: Any, data: bytes) -> Answer:
        """Answer a request to the batch API."""
        if refused := self.refuse(method, path):
            return refused
        with self.lock:
            if method == "POST" and path == "/files":
                return self._upload(headers, data)
            if path.startswith("/files/"):
                found = self.files.get(path.split("/")[2])
                return failure(404) if found is None else Answer(body=found)
            if method == "POST" and path == "/batches":
                return self._create(json.loads(data))
            if path.startswith("/batches?") or path == "/batches":
                newest_first = list(self.batches.values())[::-1]
                return Answer(body={"data": newest_first, "has_more": False})
            return self._batch(path.split("/")[2], cancel=path.endswith("/cancel"))

    def finish(self) -> None:
        """Run the batches that nobody looked at to their end, as a server does."""
        self.looks = 0
        for name in self.batches:
            self._batch(name, cancel=False)

    def _upload(self, headers: Any, data: bytes) -> Answer:
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        parts = {
            part.get_param("name", header="content-disposition"): part
            for part in message_from_bytes(head + data).get_payload()  # type: ignore[union-attr]
        }
        assert parts["purpose"].get_payload(decode=True).strip() == b"batch"  # type: ignore[union-attr]
        name = f"file-{len(self.files)}"
        self.files[name] = parts["file"].get_payload(decode=True)  # type: ignore[union-attr,assignment]
        return Answer(body={"id": name, "object": "file", "purpose": "batch"})

    def _requests(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def _create(self, wish: dict[str, Any]) -> Answer:
        assert wish["endpoint"] == "/v1/chat/completions"
        assert wish["completion_window"] == "24h"
        name = f"batch_{len(self.batches)}"
        batch = {"id": name, "object": "batch", "status": "validating", "looks": 0, **wish}
        self.batches[name] = batch
        requests = self._requests(batch)
        batch["request_counts"] = {"total": len(requests), "completed": 0, "failed": 0}
        names = [each["custom_id"] for each in requests]
        assert len(set(names)) == len(names)
        assert len({each["body"]["model"] for each in requests}) == 1
        queued = sum(
            len(self._requests(each))
            for each in self.batches.values()
            if each["status"] in ("validating", "in_progress")
        )
        self.sizes.append(len(names))
        if queued > self.most:
            batch["too_much"] = True
        else:
            self.sent.update(names)
        return Answer(body=batch)

    def _batch(self, name: str, *, cancel: bool) -> Answer:
        batch = self.batches.get(name)
        if batch is None:
            return failure(404, f"no such batch: {name}")
        if batch["status"] in ("validating", "in_progress"):
            batch["looks"] += 1
            batch["status"] = "in_progress"
            if batch.get("too_much"):
                self._fail(batch, "token_limit_exceeded", "Enqueued token limit reached")
            elif cancel:
                self._run(batch, "cancelled")
            elif batch["looks"] > self.looks:
                self._run(batch, self.fate(int(name.partition("_")[2])))
        return Answer(body=batch)

    def _fail(self, batch: dict[str, Any], code: str, message: str) -> None:
        batch["status"] = "failed"
        batch["errors"] = {"object": "list", "data": [{"code": code, "message": message}]}

    def _run(self, batch: dict[str, Any], status: str) -> None:
        if status == "failed":
            self._fail(batch, "invalid", self.problem)
            return
        requests = self._requests(batch)
        self.order.shuffle(requests)
        whole = len(requests) if status == "completed" else int(self.share * len(requests))
        output, errors = [], []
        for each in requests[:whole]:
            name = each["custom_id"]
            answer = self.failing(name, self.sent[name] - 1)
            if answer is None:
                answer = self.behave(Request(path=each["url"], headers={}, body=each["body"]))
                self.answered[name] += 1
            came = {"status_code": answer.status, "request_id": "1", "body": answer.body}
            line = {"id": "r", "custom_id": name, "response": came, "error": None}
            (output if answer.status == 200 else errors).append(line)
        expired = {"code": "batch_expired", "message": "not executed in time"}
        for each in requests[whole:] if status == "expired" else ():
            name = each["custom_id"]
            errors.append({"custom_id": name, "response": None, "error": expired})
        for kind, lines in (("output", output), ("error", errors)):
            if lines:
                file = batch[f"{kind}_file_id"] = f"{kind}-{batch['id']}"
                self.files[file] = "\n".join(map(json.dumps, lines)).encode()
        counts = {"total": len(requests), "completed": len(output), "failed": len(errors)}
        batch.update(status=status, request_counts=counts)


class _BatchHandler(ChatHandler):
    @override
    def do_GET(self) -> None:
        if not self._serve_batch("GET", b""):
            super().do_GET()

    @override
    def do_POST(self) -> None:
        if self.path.endswith("/chat/completions"):
            super().do_POST()
        else:
            self._serve_batch("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def _serve_batch(self, method: str, data: bytes) -> bool:
        chat: BatchServer = self.server.chat  # type: ignore[attr-defined]
        path = self.path.removeprefix("/v1")
        if not path.startswith(("/files", "/batches")):
            return False
        chat.before(method, path)
        answer = chat.serve_batch(method, path, self.headers, data)
        chat.after(method, path)
        self.answer(answer)
        return True


@contextmanager
def serving_batches() -> Iterator[BatchServer]:
    """Run a server with a batch API on a free loopback port."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _BatchHandler)
    chat = BatchServer(url=f"http://127.0.0.1:{http.server_port}/v1")
    with serve(http, chat):
        yield chat
