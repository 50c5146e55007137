"""A chat completion that comes in pieces, put together to the one that would have come whole.

Server-sent events are lines `data: JSON`, and `data: [DONE]` at the end. Only `delta`s are added
up; everything else a piece says (an error, a finish reason, the usage) is read as in a whole
answer, so that whoever reads the result cannot tell how it came. Content may come as text or as
blocks, such as thoughts beside text; a block comes in pieces too.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeGuard

from langchain_core.messages import AIMessage, AIMessageChunk

from aloe.models.http_answer import UnreadableError, read_answer
from aloe.models.thoughts import TEXTS, fields_of_thoughts

Hear = Callable[[str], None]
"""Told what a reply says so far, each time that is more."""

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
"""What asks a server for a stream."""

DEPTH = 8
"""How deep blocks within blocks are put together."""


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
        self._blocks: list[Any] = []
        self._in_blocks = False
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
            before = self._thoughts.get(name, "")
            if isinstance(thought, str) and isinstance(before, str):
                self._thoughts[name] = before + thought
            elif isinstance(thought, str | list):
                blocks = before if isinstance(before, list) else [before] if before else []
                add_blocks(blocks, [thought] if isinstance(thought, str) else thought)
                self._thoughts[name] = blocks
        return self._add_content(delta.get("content"))

    def _add_content(self, content: Any) -> bool:
        self._in_blocks |= isinstance(content, list)
        text = [{"type": "text", "text": content}] if content and isinstance(content, str) else []
        blocks = content if isinstance(content, list) else text
        said = "".join(map(_text_of, blocks))
        add_blocks(self._blocks, blocks)
        self.text += said
        return bool(said)

    def whole(self) -> dict[str, Any]:
        if not (self._done or self._finish):
            problem = "the stream ended before the reply did"
            raise UnreadableError(problem, usage=self._usage, said=self.text)
        content = self._blocks if self._in_blocks else self.text
        return {
            "choices": [
                {
                    "message": {"content": content, **self._thoughts},
                    "finish_reason": self._finish,
                    "logprobs": {"content": self._logprobs} if self._logprobs else None,
                }
            ],
            "usage": self._usage,
        }


def add_blocks(blocks: list[Any], pieces: Iterable[Any], depth: int = 0) -> None:
    """Add pieces to blocks of content; one of the last block's type continues it."""
    for piece in pieces:
        last = blocks[-1] if blocks else None
        if isinstance(piece, str) and isinstance(last, str):
            blocks[-1] = last + piece
        elif depth < DEPTH and _continues(last, piece):
            _lengthen(last, piece, depth)
        else:
            blocks.append(piece)


def _continues(block: Any, piece: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a piece belongs to a block: nothing that it says of itself differs."""
    if not (isinstance(block, dict) and isinstance(piece, dict)):
        return False
    if piece.get("type") != block.get("type"):
        return False
    return all(piece.get(name, block.get(name)) == block.get(name) for name in ("index", "id"))


def _lengthen(block: dict[str, Any], piece: Mapping[str, Any], depth: int) -> None:
    for name, more in piece.items():
        before = block.get(name)
        if name in TEXTS and isinstance(before, str) and isinstance(more, str):
            block[name] = before + more
        elif isinstance(before, list) and isinstance(more, list):
            add_blocks(before, more, depth + 1)
        elif more is not None:
            block[name] = more


def _text_of(block: Any) -> str:
    """Return what a block of content says, as LangChain reads it; nothing of thoughts."""
    if isinstance(block, dict):
        block = block.get("text") if block.get("type") == "text" else ""
    return block if isinstance(block, str) else ""
