"""A chat completion that comes in pieces, put together to the one that would have come whole.

Server-sent events are lines `data: JSON`, and `data: [DONE]` at the end. Only `delta`s are added
up; everything else a piece says (an error, a finish reason, the usage) is read as in a whole
answer, so that whoever reads the result cannot tell how it came.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from aloe.models.http_answer import UnreadableError, read_answer
from aloe.models.thoughts import fields_of_thoughts

Hear = Callable[[str], None]
"""Told what a reply says so far, each time that is more."""

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
"""What asks a server for a stream."""


def is_stream(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer is a stream that can be read as it comes."""
    kind = headers.get("content-type", "").lower().startswith("text/event-stream")
    return status == 200 and kind and not headers.get("content-encoding")


async def collect(pieces: AsyncIterator[AIMessageChunk], hear: Hear) -> AIMessage:
    """Return the message that LangChain's pieces make together; `hear` is told what it says so far.

    Raises:
        UnreadableError: there is none.
    """
    whole: AIMessageChunk | None = None
    async for piece in pieces:
        whole = piece if whole is None else whole + piece
        hear(str(whole.text))
    if whole is None:
        raise UnreadableError("the stream held no message")
    return whole


async def read_stream(pieces: AsyncIterator[bytes], most: int, hear: Hear) -> dict[str, Any]:
    """Return the chat completion that a stream of events holds.

    Args:
        pieces: the body as it arrives, cut anywhere.
        most: bytes that it may have in all.
        hear: told what the reply says so far.

    Raises:
        ServerError: the server says that something went wrong.
        UnreadableError: it is too long, holds no JSON, or ends before the reply does.
    """
    answer = _Answer()
    rest, size = b"", 0
    async for piece in pieces:
        size += len(piece)
        if size > most:
            raise UnreadableError(f"the answer is longer than max_reply_bytes = {most}")
        *lines, rest = (rest + piece).split(b"\n")
        longer = [answer.add(line, most) for line in lines]
        if any(longer):
            hear(answer.text)
    answer.add(rest, most)
    return answer.whole()


class _Answer:
    """A chat completion in the making."""

    def __init__(self) -> None:
        self.text = ""
        self._thoughts: dict[str, Any] = {}
        self._finish: str | None = None
        self._logprobs: list[Any] = []
        self._usage: Any = None
        self._done = False

    def add(self, line: bytes, most: int) -> bool:
        """Take in one line; whether the text is longer now."""
        data = line.strip().removeprefix(b"data:").strip()
        if not line.lstrip().startswith(b"data:") or not data:
            return False  # a comment that keeps the connection open, or the name of an event
        if data == b"[DONE]":
            self._done = True
            return False
        event = read_answer(200, {}, data, most)
        if not isinstance(event, dict):
            return False
        self._usage = event.get("usage") or self._usage
        choices = event.get("choices")
        if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
            return False
        return self._add_choice(choices[0])

    def _add_choice(self, choice: Mapping[str, Any]) -> bool:
        self._finish = choice.get("finish_reason") or self._finish
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
            self._logprobs += logprobs["content"]
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return False
        for name, thought in fields_of_thoughts(delta).items():
            if isinstance(thought, str):
                self._thoughts[name] = f"{self._thoughts.get(name, '')}{thought}"
            elif isinstance(thought, list):
                self._thoughts[name] = [*self._thoughts.get(name, ()), *thought]
        content = delta.get("content")
        said = content if isinstance(content, str) else ""
        self.text += said
        return bool(said)

    def whole(self) -> dict[str, Any]:
        if not (self._done or self._finish):
            raise UnreadableError("the stream ended before the reply did")
        return {
            "choices": [
                {
                    "message": {"content": self.text, **self._thoughts},
                    "finish_reason": self._finish,
                    "logprobs": {"content": self._logprobs} if self._logprobs else None,
                }
            ],
            "usage": self._usage,
        }
