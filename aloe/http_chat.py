"""A lean chat model for plain OpenAI-compatible servers.

ChatOpenAI can do everything such an API has; a simulation needs one request of it, many thousand
times, and pays about 8 ms of CPU for each, most of it in the HTTP client's connection pool and in
the SDK's walk over every message. This model speaks the same protocol through aiohttp and nothing
else. `aloe.models` takes it for servers with a base URL and no further options; everything else
stays with ChatOpenAI, and the same tests hold for both.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import aiohttp
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, SecretStr

from aloe.thoughts import fields_of_thoughts

ROLES = {"system": "system", "human": "user", "ai": "assistant"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONNECTIONS = 1024
"""Most connections to one server; how many are used is the run's concurrency."""

RATES = "x-ratelimit-limit-requests"
"""The header by which a server is known that states its caps a minute."""


class HttpStatusError(Exception):
    """The server answered with an error status."""

    def __init__(self, response: aiohttp.ClientResponse, text: str) -> None:
        super().__init__(f"HTTP {response.status}: {text}")
        self.status_code = response.status
        self.headers = response.headers


class HttpChat(BaseChatModel):
    """Chat completions over aiohttp; all models at one server share its connections."""

    model_name: str
    base_url: str
    api_key: SecretStr
    timeout: float
    """Seconds for one request."""
    sampling: dict[str, Any] = Field(default_factory=dict)
    """Sent with every request; the call's own arguments win."""

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
        self, messages: Sequence[tuple[str, str]], arguments: Mapping[str, Any]
    ) -> AIMessage:
        """Answer pairs of role and text, without what LangChain does around a call.

        Its callbacks, its conversion of messages and its copies cost more than the request itself.

        Raises:
            HttpStatusError, aiohttp.ClientError, TimeoutError, ValueError: as `exchange`, and if
                the answer holds no message.
        """
        body = {
            "model": self.model_name,
            "messages": [{"role": role, "content": text} for role, text in messages],
            **self.sampling,
            **arguments,
        }
        answer, headers = await self.exchange("POST", "/chat/completions", body)
        message = message_of(answer)
        if RATES in headers:
            message.response_metadata["headers"] = headers
        return message

    async def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one request and return the JSON of its answer; it raises what `exchange` does."""
        return (await self.exchange(method, path, body))[0]

    async def exchange(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[Any, Mapping[str, str]]:
        """Send one request and return the JSON of its answer, and its headers.

        Raises:
            HttpStatusError: the status is not 200.
            aiohttp.ClientError, TimeoutError: there was no answer, or only a part of one.
            ValueError: the answer is not JSON.
        """
        session = await _session(self.base_url, self.api_key.get_secret_value())
        url = self.base_url.rstrip("/") + path
        data = None if body is None else json.dumps(body).encode()
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        async with session.request(method, url, data=data, timeout=timeout) as response:
            text = await response.read()
            if response.status != 200:
                raise HttpStatusError(response, _reason(text))
        return json.loads(text), response.headers


_Keeper = AsyncGenerator[aiohttp.ClientSession, None]
_sessions: WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[tuple[str, str], tuple[_Keeper, aiohttp.ClientSession]]
] = WeakKeyDictionary()


async def _session(base_url: str, key: str) -> aiohttp.ClientSession:
    """Return the running loop's session with a server; all models at the server share it."""
    held = _sessions.setdefault(asyncio.get_running_loop(), {})
    if (base_url, key) not in held:
        # A loop that ends closes its async generators, and with this one the session.
        keeper = _kept_session(base_url, key)
        held[base_url, key] = keeper, await anext(keeper)
    return held[base_url, key][1]


async def _kept_session(base_url: str, key: str) -> _Keeper:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        trust_env=urlsplit(base_url).hostname not in LOOPBACK,
    ) as session:
        yield session


def message_of(answer: Any) -> AIMessage:
    """Return the message of a chat completion.

    Raises:
        ValueError: it holds none.
    """
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content = message.get("content") or ""
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError(f"the answer holds no message: {str(answer)[:200]}") from None
    usage = answer.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    read, wrote = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return AIMessage(
        content,
        additional_kwargs=fields_of_thoughts(message),
        response_metadata={
            "finish_reason": choice.get("finish_reason"),
            "logprobs": choice.get("logprobs"),
        },
        usage_metadata={
            "input_tokens": read,
            "output_tokens": wrote,
            "total_tokens": read + wrote,
            "input_token_details": {"cache_read": details.get("cached_tokens") or 0},
            "output_token_details": {"reasoning": thought},
        },
    )


def _reason(text: bytes) -> str:
    """Return the message of an error answer, or the answer itself, cut short."""
    try:
        return str(json.loads(text)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return text.decode("utf-8", "replace")[:300]
