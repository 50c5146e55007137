"""Chat classes on OpenAI's SDK, without what they lose of a reply.

LangChain passes on the fields that OpenAI knows. Other servers put a model's thoughts into fields
of their own beside the content. Where JSON was asked for, the client raises an error in place of a
reply that was cut at the token limit, as one whose thoughts ran on is. And the SDK believes what a
server says, so its HTTP client is replaced by one that checks (`aloe.models.openai_client`).
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import langchain_openai
import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai.chat_models.base import BaseChatOpenAI

from aloe.models.openai_client import CheckedClient
from aloe.models.thoughts import fields_of_thoughts


class _Keeping(BaseChatOpenAI):
    """Keeps fields of thoughts in `additional_kwargs` of its messages, and replies cut short."""

    def _create_chat_result(
        self,
        response: dict[str, Any] | openai.BaseModel,
        generation_info: dict[str, Any] | None = None,
    ) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        answer = response if isinstance(response, dict) else response.model_dump(warnings=False)
        for choice, generation in zip(answer["choices"], result.generations, strict=True):
            generation.message.additional_kwargs.update(fields_of_thoughts(choice["message"]))
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *given: Any, **named: Any
    ) -> ChatGenerationChunk | None:
        piece = super()._convert_chunk_to_generation_chunk(chunk, *given, **named)
        choices = chunk.get("choices") or [{}]
        if piece is not None:
            thoughts = fields_of_thoughts(choices[0].get("delta") or {})
            piece.message.additional_kwargs.update(thoughts)
        return piece

    async def _agenerate(self, *given: Any, **named: Any) -> ChatResult:
        try:
            return await super()._agenerate(*given, **named)
        except openai.LengthFinishReasonError as cut:
            return self._create_chat_result(cut.completion)


class ChatOpenAI(_Keeping, langchain_openai.ChatOpenAI):
    """LangChain's class for OpenAI."""


def checked(
    kind: Callable[..., BaseChatModel], *, max_reply_bytes: int, **given: Any
) -> BaseChatModel:
    """Return a chat model whose answers are checked as those of `HttpChat` are.

    Args:
        kind: a chat class that takes an HTTP client of OpenAI's SDK as `http_async_client`.
        max_reply_bytes: of one answer, unpacked.
        given: fields of the class.
    """
    proxy = given.pop("openai_proxy", None) or os.environ.get("OPENAI_PROXY")
    given = {"http_async_client": CheckedClient(max_reply_bytes, proxy=proxy), **given}
    if "openai_proxy" in getattr(kind, "model_fields", {}):
        given["openai_proxy"] = None  # the proxy is the client's now
    made: BaseChatModel = _keeping(kind)(**given)
    return made


@cache
def _keeping(kind: Any) -> Any:
    """Return a subclass that keeps what a chat class loses, if it is built on OpenAI's SDK."""
    if not issubclass(kind, BaseChatOpenAI) or issubclass(kind, _Keeping):
        return kind
    return type(kind.__name__, (_Keeping, kind), {})
