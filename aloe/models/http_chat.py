"""A lean chat model for plain OpenAI-compatible servers.

ChatOpenAI can do everything such an API has; a simulation needs one request of it, many thousand
times, and pays about 8 ms of CPU for each, most of it in the HTTP client's connection pool and in
the SDK's walk over every message. This model speaks the same protocol through aiohttp and nothing
else. `aloe.models.open` takes it for servers with a base URL and no further options; everything
else stays with ChatOpenAI, and the same tests hold for both.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import aiohttp
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, SecretStr

from aloe.models.http_answer import ENCODINGS, parse_completion, read_answer, read_bounded
from aloe.models.http_stream import Hear, is_stream, read_stream
from aloe.models.thoughts import fields_of_thoughts
from aloe.models.usage import usage_metadata

ROLES = {"system": "system", "human": "user", "ai": "assistant"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONNECTIONS = 1024
"""Most connections to one server; how many are used is the run's concurrency."""

RATES = "x-ratelimit-"
"""How headers begin in which a server states its caps a minute, or what is left of them."""


CONNECT_TIMEOUT = 8.0
"""Seconds after which nobody is there: a handshake takes no longer, however busy the server."""

AT_ONCE = 0.25
"""Seconds within which a connection turns out to be closed: one round trip."""

EMPTY: Mapping[str, str] = MappingProxyType({})

MAX_REPLY_BYTES = 4_000_000
"""Default of `max_reply_bytes`."""


class HttpChat(BaseChatModel):
    """Chat completions over aiohttp; all models at one server share its connections."""

    model_name: str
    base_url: str
    api_key: SecretStr
    timeout: float
    """Seconds for one request."""
    max_reply_bytes: int = MAX_REPLY_BYTES
    """Of one answer, unpacked."""
    sampling: dict[str, Any] = Field(default_factory=dict)
    """Sent with every request; the call's own arguments win."""
    resends: bool = True
    """Whether a request that met a closed connection is sent once more; False where
    the sender first checks whether it arrived."""

    @property
    def _llm_type(self) -> str:
        return "http-chat"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return asyncio.run(self._agenerate(messages, stop, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        if stop:
            kwargs["stop"] = stop
        message = await self.complete([(ROLES[m.type], m.text) for m in messages], kwargs)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def complete(
        self,
        messages: Sequence[tuple[str, str]],
        arguments: Mapping[str, Any],
        hear: Hear | None = None,
    ) -> AIMessage:
        """Answer pairs of role and text, without what LangChain does around a call.

        Its callbacks, its conversion of messages and its copies cost more than the request itself.
        `hear` is told what the reply says so far, if `arguments` ask for a stream.

        Raises:
            ServerError, UnreadableError, aiohttp.ClientError, TimeoutError: as `exchange`, and if
                the answer holds no message.
        """
        body = {
            "model": self.model_name,
            "messages": [{"role": role, "content": text} for role, text in messages],
            **self.sampling,
            **arguments,
        }
        answer, headers = await self.exchange("POST", "/chat/completions", body, hear)
        message = message_of(answer)
        if any(name.lower().startswith(RATES) for name in headers):
            message.response_metadata["headers"] = headers
        return message

    async def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one request and return the JSON of its answer; it raises what `exchange` does."""
        return (await self.exchange(method, path, body))[0]

    async def exchange(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        hear: Hear | None = None,
    ) -> tuple[Any, Mapping[str, str]]:
        """Send one request and return the JSON of its answer, and its headers.

        A stream of events is read as it comes, `hear` being told, and is the answer that it holds.

        Raises:
            ServerError: the server says that something went wrong.
            UnreadableError: the answer is too long or not JSON.
            aiohttp.ClientError, TimeoutError: there was no answer, or only a part of one.
        """
        data = None if body is None else json.dumps(body).encode()
        most = self.max_reply_bytes
        plain = {} if hear is None else {"Accept-Encoding": "identity"}
        async with self.connect(method, path, data, plain) as response:
            if hear and is_stream(response.status, response.headers):
                whole = await read_stream(response.content.iter_any(), most, hear)
                return whole, response.headers
            came = await read_bounded(response.content.iter_any(), most)
        return read_answer(response.status, response.headers, came, most), response.headers

    @asynccontextmanager
    async def connect(
        self, method: str, path: str, data: Any = None, headers: Mapping[str, str] = EMPTY
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request, and yield its answer to be read.

        Args:
            method: of HTTP.
            path: below the base URL, with a query of its own if there is one.
            data: what is sent: JSON, or what `headers` say.
            headers: beside those of every request.

        Raises:
            aiohttp.ClientError, TimeoutError: there was no answer, or only a part of one.
        """
        base, _, query = self.base_url.partition("?")
        before, _, own = path.partition("?")
        asked = "&".join(filter(None, (query, own)))
        url = base.rstrip("/") + before + (f"?{asked}" if asked else "")
        timeout = aiohttp.ClientTimeout(total=self.timeout, sock_connect=CONNECT_TIMEOUT)
        given: dict[str, Any] = {"data": data, "timeout": timeout, "headers": headers}
        async with await self._sent(method, url, **given) as response:
            yield response

    async def _sent(self, method: str, url: str, **given: Any) -> aiohttp.ClientResponse:
        """Send a request; once more where it met a connection that the server had closed meanwhile.

        Servers close what is idle for some seconds, and whether they had is known on using it only.
        The second time it has a connection of its own. Whatever else breaks off may have been read
        and paid for, and is left to whoever counts.
        """
        place = self.base_url, self.api_key.get_secret_value()
        reused: list[float] = []
        session = await _session(*place)
        try:
            return await session.request(method, url, trace_request_ctx=reused, **given)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            begun = not isinstance(getattr(error, "message", ""), str)  # half a head of an answer
            late = not reused or time.monotonic() - reused[-1] > AT_ONCE
            if begun or late or not self.resends:
                raise
        session = await _session(*place, fresh=True)
        return await session.request(method, url, **given)


async def _note_reuse(_session: Any, context: Any, _event: Any) -> None:
    context.trace_request_ctx.append(time.monotonic())


_Keeper = AsyncGenerator[aiohttp.ClientSession, None]
_sessions: WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[tuple[str, str, bool], tuple[_Keeper, aiohttp.ClientSession]]
] = WeakKeyDictionary()


async def _session(base_url: str, key: str, *, fresh: bool = False) -> aiohttp.ClientSession:
    """Return the running loop's session with a server; all models at the server share it.

    One that is `fresh` has a new connection for each request.
    """
    held = _sessions.setdefault(asyncio.get_running_loop(), {})
    place = base_url, key, fresh
    if place not in held:
        # A loop that ends closes its async generators, and with this one the session.
        keeper = _kept_session(*place)
        held[place] = keeper, await anext(keeper)
    return held[place][1]


async def _kept_session(base_url: str, key: str, fresh: bool) -> _Keeper:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_reuse)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, force_close=fresh),
        trace_configs=[tracing],
        headers={
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept-Encoding": ENCODINGS,
        },
        auto_decompress=False,  # a few bytes can unpack to more than fits into memory
        trust_env=urlsplit(base_url).hostname not in LOOPBACK,
    ) as session:
        yield session


def message_of(answer: Any) -> AIMessage:
    """Return the message of a chat completion.

    Raises:
        UnreadableError: it holds none.
    """
    checked = parse_completion(answer)
    choice = checked["choices"][0]
    message = choice["message"]
    return AIMessage(
        message.get("content") or "",
        additional_kwargs=fields_of_thoughts(message),
        response_metadata={
            "finish_reason": choice.get("finish_reason"),
            "logprobs": choice.get("logprobs"),
        },
        usage_metadata=cast("UsageMetadata | None", usage_metadata(checked["usage"])),
    )
