"""OpenAI's batch API: a file of requests goes up, files with their answers come down later.

What is relied on is what OpenAI documents: a file holds requests for one model, at most 50,000 and
200 MB; answers come in any order and are known by their `custom_id`; what could not be answered has
a line in a second file; a batch that expires or is cancelled keeps what it has answered.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
from langchain_core.messages import AIMessage

from aloe.errors import TransientCallError
from aloe.models.http_answer import ServerError, UnreadableError, read_answer, read_bounded
from aloe.models.http_chat import HttpChat, message_of

ENDPOINT = "/v1/chat/completions"
WINDOW = "24h"
"""In which a batch is answered or expires; OpenAI has no other."""

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""States from which there is no way on."""

TIMEOUT = 600.0
"""Seconds for one request, the transfer of a whole file included."""

LONGEST_LINE = 16_000_000
"""Bytes of one answer."""

PAGES = 20
"""Of the server's list, of 100 batches each, that are looked through."""


@dataclass(frozen=True, kw_only=True)
class RemoteBatch:
    """A batch as its server tells of it."""

    id: str
    status: str
    """`validating`, `in_progress`, `finalizing`, `cancelling` or one of `ENDED`."""
    input_file: str | None
    files: tuple[str, ...]
    """Of answers, then of errors, as far as there are any."""
    total: int
    done: int
    """Requests that have ended, either way."""
    codes: frozenset[str]
    """Why it failed, in the server's codes."""
    problem: str
    """The same in words; empty if it did not."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ENDED

    @classmethod
    def of(cls, answer: Any) -> "RemoteBatch":
        """Read what the server says.

        Raises:
            UnreadableError: it is no batch.
        """
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise UnreadableError(f"the answer is no batch: {str(answer)[:200]}")
        counts = _object(answer.get("request_counts"))
        data = _object(answer.get("errors")).get("data")
        errors = [_object(each) for each in data] if isinstance(data, list) else []
        words = [str(each.get("message") or each.get("code")) for each in errors]
        named = (answer.get("output_file_id"), answer.get("error_file_id"))
        return cls(
            id=answer["id"],
            status=str(answer.get("status")),
            input_file=answer.get("input_file_id"),
            files=tuple(each for each in named if isinstance(each, str)),
            total=_number(counts.get("total")),
            done=_number(counts.get("completed")) + _number(counts.get("failed")),
            codes=frozenset(str(each.get("code")) for each in errors),
            problem="; ".join(dict.fromkeys(words)),
        )


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What a batch says of one request."""

    batch: str
    status: int | None = None
    """HTTP status of the answer; None if there was none."""
    body: Any = None
    """The answer, or what kept it from coming."""

    def message(self) -> AIMessage:
        """Return the message of the answer.

        Raises:
            TransientCallError: the batch ended before this request.
            ServerError: the request was refused.
            UnreadableError: the answer holds no message.
        """
        if self.status is None and self.body is None:
            raise TransientCallError(f"{self.batch} ended without an answer to this call")
        if self.status is None and _object(self.body).get("code") == "batch_expired":
            raise TransientCallError(f"{self.batch} expired before this call was answered")
        if self.status is None or not 200 <= self.status < 300:
            raise ServerError(self.status or None, self.body, {})
        return message_of(self.body)


class BatchApi:
    """The batch API of one server.

    Every method raises what `HttpChat.exchange` does.

    Args:
        url: base URL of the server.
        key: its key.
    """

    def __init__(self, url: str, key: Any) -> None:
        self.url = url
        self._server = HttpChat(
            model_name="", base_url=url, api_key=key, timeout=TIMEOUT, resends=False
        )

    async def upload(self, lines: Sequence[bytes]) -> str:
        """Send a file of requests, and return its id."""
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        file = BytesIO(b"".join(lines))
        form.add_field("file", file, filename="calls.jsonl", content_type="application/jsonl")
        data = form()
        headers = {"Content-Type": data.headers["Content-Type"]}
        async with self._server.connect("POST", "/files", data, headers) as response:
            most = self._server.max_reply_bytes
            came = await read_bounded(response.content.iter_any(), most)
            answer = read_answer(response.status, response.headers, came, most)
        if not isinstance(name := _object(answer).get("id"), str):
            raise UnreadableError(f"the answer is no file: {str(answer)[:200]}")
        return name

    async def create(self, file: str) -> RemoteBatch:
        """Start a batch of the requests in an uploaded file."""
        wish = {"input_file_id": file, "endpoint": ENDPOINT, "completion_window": WINDOW}
        return RemoteBatch.of(await self._server.request("POST", "/batches", wish))

    async def find(self, file: str) -> RemoteBatch | None:
        """Return the batch that was started of a file, None if there is none."""
        after = ""
        for _ in range(PAGES):
            answer = await self._server.request("GET", f"/batches?limit=100{after}")
            data = _object(answer).get("data")
            page = [RemoteBatch.of(each) for each in data] if isinstance(data, list) else []
            for batch in page:
                if batch.input_file == file:
                    return batch
            if not page or not _object(answer).get("has_more"):
                return None
            after = f"&after={page[-1].id}"
        return None

    async def get(self, batch: str) -> RemoteBatch:
        """Return what has become of a batch."""
        return RemoteBatch.of(await self._server.request("GET", f"/batches/{batch}"))

    async def cancel(self, batch: str) -> RemoteBatch:
        """End a batch; what it has answered is kept."""
        return RemoteBatch.of(await self._server.request("POST", f"/batches/{batch}/cancel", {}))

    async def results(self, batch: RemoteBatch) -> dict[str, BatchResult]:
        """Return what an ended batch says of its requests, by custom id; broken lines are none."""
        found: dict[str, BatchResult] = {}
        for file in batch.files:
            async for line in self._lines(file):
                if (read := _read_line(batch.id, line)) is not None:
                    found.setdefault(*read)
        return found

    async def _lines(self, file: str) -> AsyncIterator[bytes]:
        plain = {"Accept-Encoding": "identity"}
        path, most = f"/files/{file}/content", self._server.max_reply_bytes
        async with self._server.connect("GET", path, None, plain) as response:
            pieces = response.content.iter_any()
            if response.status >= 300:
                read_answer(
                    response.status, response.headers, await read_bounded(pieces, most), most
                )
            rest = b""
            async for piece in pieces:
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    yield line
                if len(rest) > LONGEST_LINE:
                    raise UnreadableError(f"a line of {file} is longer than {LONGEST_LINE} bytes")
            yield rest


def _read_line(batch: str, line: bytes) -> tuple[str, BatchResult] | None:
    """Return the custom id and the result in a line, None if it holds none."""
    try:
        parts = json.loads(line)
        name, response = parts["custom_id"], parts.get("response")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not isinstance(name, str):
        return None
    status = _object(response).get("status_code")
    if parts.get("error") or not isinstance(status, int):
        return name, BatchResult(batch=batch, body=parts.get("error"))
    return name, BatchResult(batch=batch, status=status, body=response.get("body"))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
