"""ChatOpenAI that keeps what it would lose of a reply.

LangChain passes on the fields that OpenAI knows. Other servers put a model's thoughts into fields
of their own beside the content. And where JSON was asked for, the client raises an error in place
of a reply that was cut at the token limit, as one whose thoughts ran on is.
"""

from typing import Any

import langchain_openai
import openai
from langchain_core.outputs import ChatResult

from aloe.thoughts import fields_of_thoughts


class ChatOpenAI(langchain_openai.ChatOpenAI):
    """LangChain's class with the fields of thoughts in `additional_kwargs` of its messages."""

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
