"""ChatOpenAI that keeps what it would lose of a reply.

LangChain passes on the fields that OpenAI knows. Other servers put a model's thoughts into fields
of their own beside the content. And where JSON was asked for, the client raises an error in place
of a reply that was cut at the token limit, as one whose thoughts ran on is.
"""

import os
from typing import Any, Self

import langchain_openai
import openai
from langchain_core.outputs import ChatResult

from aloe.models.openai_client import CheckedClient
from aloe.models.thoughts import fields_of_thoughts


class ChatOpenAI(langchain_openai.ChatOpenAI):
    """LangChain's class with the fields of thoughts in `additional_kwargs` of its messages."""

    @classmethod
    def checked(cls, *, max_reply_bytes: int, **given: Any) -> Self:
        """Return one whose answers are checked as those of `HttpChat` are.

        Args:
            max_reply_bytes: of one answer, unpacked.
            given: fields of LangChain's class.
        """
        proxy = given.pop("openai_proxy", None) or os.environ.get("OPENAI_PROXY")
        client = CheckedClient(max_reply_bytes, proxy=proxy)
        # The proxy is the client's now.
        return cls(**{"http_async_client": client, **given, "openai_proxy": None})

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

    async def _agenerate(self, *given: Any, **named: Any) -> ChatResult:
        try:
            return await super()._agenerate(*given, **named)
        except openai.LengthFinishReasonError as cut:
            return self._create_chat_result(cut.completion)
