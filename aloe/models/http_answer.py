"""What an OpenAI-compatible server sent back, read once for both HTTP clients.

A status says little: gateways wrap a 429 or 502 from the model behind them in HTTP 200, proxies
answer 200 with a web page, and each server formats errors differently. Here an answer becomes a
usable chat completion or one of two errors, which `aloe.models.failures` classifies. Nothing in a
body is trusted, least of all its size.
"""

import json
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from aloe.models.quoting import without_quotes
from aloe.models.thoughts import fields_of_thoughts
from aloe.models.usage import openai_usage

ENCODINGS = "gzip, deflate"
"""What answers may be packed with."""

KEPT = 3000
"""Characters of an answer in an error, of which `aloe.models.failures` shows a part, cleared of
keys."""


class ServerError(Exception):
    """The server answered with an error, whatever its HTTP status was.

    Args:
        status: HTTP status, or what the error itself gives as such; None if neither says more
            than that it is one.
        error: what the body says: an object, a text, or a list of them.
        headers: of the answer.
        usage: what it counts for it, if it does.
        sent: role and text of the messages that it answers, as far as they are known.
    """

    def __init__(
        self,
        status: int | None,
        error: Any,
        headers: Mapping[str, str],
        usage: Any = None,
        sent: Sequence[tuple[str, str]] = (),
    ) -> None:
        found = list(_objects(error))
        said = [str(each[key]) for each in found for key in _CODES if each.get(key) is not None]
        numbers = [int(code) for code in said if code.isdecimal() and len(code) == 3]
        inner = next((number for number in numbers if 400 <= number < 600), None)
        # A gateway says 500, too, of what the model behind it refused.
        self.status_code = inner or status if not status or status >= 500 else status
        """Such as 429; None if it is not known."""
        self.codes = frozenset(code.lower() for code in said)
        """`code`, `type` and the like, in lower case."""
        self.param = next((str(each["param"]) for each in found if each.get("param")), None)
        """The parameter that is to blame, if one is named."""
        self.body = without_quotes(error, sent)
        """What the body says, without what it repeats of the messages."""
        self.words = _line(self.body)
        """What it says to people, without the same."""
        self.headers = headers
        self.usage = openai_usage(usage)
        """As that returns it; None if nothing is counted."""
        super().__init__(f"HTTP {self.status_code or 'error'}: {_line(error)}")

    @property
    def filtered(self) -> bool:
        """Whether a code says that what was sent is not allowed: its words may quote it then."""
        return any(_FILTER.search(code) for code in self.codes)


class UnreadableError(Exception):
    """What came is no answer that can be used.

    Args:
        problem: what is wrong with it.
        answer: the text that came, if it is not JSON; None otherwise.
        usage: what the server counts for it, if it does.
        said: what of a message came.
    """

    def __init__(
        self, problem: str, answer: str | None = None, *, usage: Any = None, said: str = ""
    ) -> None:
        super().__init__(problem)
        self.answer = answer
        self.usage = openai_usage(usage)
        self.said = said


def answer_to(sent: Sequence[tuple[str, str]], error: Exception) -> Exception:
    """Return the error of a request, told apart from what it repeats of the messages sent."""
    if (said := server_error(error)) is None:
        return error
    found = ServerError(said.status_code, said.body, said.headers, said.usage, sent)
    found.__cause__ = error
    return found


def server_error(error: BaseException) -> ServerError | None:
    """Return what the server said, from an exception of this or any other client; else None."""
    for inner in causes(error):
        if isinstance(inner, ServerError):
            return inner
        status = getattr(inner, "status_code", None)
        if status is None and hasattr(
            inner, "response"
        ):  # Google's; aiohttp numbers its own faults
            status = getattr(inner, "code", None)
        if isinstance(status, int):
            headers = getattr(getattr(inner, "response", inner), "headers", None)
            body = getattr(inner, "body", None) or str(inner)
            return ServerError(status, body, headers if isinstance(headers, Mapping) else {})
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from: LangChain wraps what an SDK wraps."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


_FILTER = re.compile("filter|policy|moderation")
_CODES = ("code", "type", "status", "error_type", "error_code")


def _objects(error: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of an error from the outside in, a few levels deep."""
    level = [error]
    for _ in range(4):
        level = [inner for each in level for inner in (each if isinstance(each, list) else [each])]
        objects = [each for each in level if isinstance(each, dict)]
        yield from objects
        level = [value for each in objects for value in each.values()]


def _line(error: Any) -> str:
    said = dict.fromkeys(_words(error, list(_objects(error))))
    return " ".join(" ".join(said).split())[:KEPT]


def _words(error: Any, found: list[dict[str, Any]]) -> Iterator[str]:
    if isinstance(error, str):
        yield error
    names = ("message", "msg", "detail", "error", "raw")
    texts = [each[n] for each in found for n in names if isinstance(each.get(n), str)]
    yield from texts or ([] if isinstance(error, str) else [str(error)])


async def read_bounded(pieces: AsyncIterator[bytes], most: int) -> bytes:
    """Return what `pieces` hold together.

    Raises:
        UnreadableError: it is more than `most` bytes.
    """
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > most:
            raise _too_long(most)
    return bytes(body)


def _too_long(most: int) -> UnreadableError:
    return UnreadableError(f"the answer is longer than max_reply_bytes = {most}")


def unpack(body: bytes, encoding: str, most: int) -> bytes:
    """Return a body without its content encoding.

    Raises:
        UnreadableError: it would be more than `most` bytes, or is not so encoded.
    """
    kind = encoding.strip().lower()
    if kind in ("", "identity"):
        return body
    if kind not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableError(
            f"the answer is compressed with {encoding[:40]!r}, which was not requested"
        )
    windows = (
        (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS) if kind == "deflate" else (zlib.MAX_WBITS | 16,)
    )
    for window in windows:
        unpacking = zlib.decompressobj(window)
        try:
            text = unpacking.decompress(body, most + 1)
        except zlib.error:
            continue
        if len(text) > most:
            raise _too_long(most)
        return text
    raise UnreadableError(f"the answer is not the {kind} that it claims to be")


def read_answer(status: int, headers: Mapping[str, str], body: bytes, most: int) -> Any:
    """Return the JSON of an answer.

    Args:
        status: of HTTP.
        headers: of the answer, found by name in whatever case.
        body: as it came, packed or not.
        most: bytes that it may have when unpacked.

    Raises:
        ServerError: the server says that something went wrong.
        UnreadableError: the answer is too long or not JSON.
    """
    text = unpack(body, headers.get("content-encoding", ""), most)
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        if not 200 <= status < 300:
            raise ServerError(status, _shown(text) or "(nothing)", headers) from None
        raise UnreadableError("the answer is not JSON", _shown(text)) from None
    if not 200 <= status < 300:
        raise ServerError(status, answer, headers, _usage_in(answer))
    if (error := _error_in(answer)) is not None:
        raise ServerError(None, error, headers, _usage_in(answer))
    return answer


def _usage_in(answer: Any) -> Any:
    return answer.get("usage") if isinstance(answer, dict) else None


def _shown(text: bytes) -> str:
    return " ".join(text[:KEPT].decode("utf-8", "replace").split())


def _error_in(answer: Any) -> Any:
    """Return the error inside an answer of status 200, or None."""
    if isinstance(answer, list) and answer:
        return _error_in(answer[0])
    if not isinstance(answer, dict):
        return None
    if answer.get("error") or answer.get("object") == "error" or answer.get("type") == "error":
        return answer.get("error") or answer
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return (first.get("error") or None) if isinstance(first, dict) else None


def parse_completion(answer: Any) -> dict[str, Any]:
    """Return a chat completion of one message, with what a reply is read from and nothing else.

    Clients trip over odd values in fields that nobody here needs, such as roles and tool calls.

    Raises:
        UnreadableError: it holds no message.
    """
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content = message.get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        choice, message, content = None, None, 0
    if not (isinstance(choice, dict) and isinstance(message, dict) and _is_content(content)):
        problem = f"the answer holds no message: {str(answer)[:KEPT]}"
        raise UnreadableError(problem, usage=_usage_in(answer))
    logprobs = choice.get("logprobs")
    kept = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **fields_of_thoughts(message)},
        "finish_reason": choice.get("finish_reason"),
        "logprobs": logprobs if isinstance(logprobs, dict) else None,
    }
    return {
        "object": "chat.completion",
        "choices": [kept],
        "usage": openai_usage(answer.get("usage")),
    }


def _is_content(content: Any) -> bool:
    if isinstance(content, list):
        return all(isinstance(block, str | dict) for block in content)
    return isinstance(content, str | None)
