"""A Python function in place of a model.

The function is opened like any other model (`scripted:MODULE:FUNCTION`), so a test that uses it
exercises the real path: prompts, parsing, retries, call log. `MODULE` is looked up in the working
folder too.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from aloe.errors import CallError
from aloe.plugins import import_named
from aloe.signatures import check_call
from aloe.threads import call_apart

Answer = str | AIMessage
Script = Callable[[Sequence[BaseMessage], dict[str, Any]], Answer | Awaitable[Answer]]
"""Takes the messages and the call's arguments (seed, logprobs, response_format ...), returns the
reply, or is a coroutine function that does; any other is called from several threads at once,
unless it comes with this program (see `aloe.threads`). A plain string is a complete reply; an
AIMessage can set finish reason and log-probabilities in `response_metadata`. Raising stands for a
failing server."""


class ScriptedChat(BaseChatModel):
    """Chat model that answers with what its script returns; a token is a word."""

    script: Script

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return _result(messages, self.script(messages, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return _result(messages, await call_apart(self.script, messages, kwargs))


def _result(messages: Sequence[BaseMessage], answer: object) -> ChatResult:
    if not isinstance(answer, str | AIMessage):
        raise CallError(
            f"the function in place of a model returned {type(answer).__name__}; it returns the "
            "reply, a text or an AIMessage"
        )
    message = answer if isinstance(answer, AIMessage) else AIMessage(answer)
    message.response_metadata.setdefault("finish_reason", "stop")
    if message.usage_metadata is None:
        read = sum(len(m.text.split()) for m in messages)
        wrote = len(message.text.split())
        message.usage_metadata = {
            "input_tokens": read,
            "output_tokens": wrote,
            "total_tokens": read + wrote,
        }
    return ChatResult(generations=[ChatGeneration(message=message)])


def named_script(name: str) -> Script:
    """Import the function that `MODULE:FUNCTION` names.

    Raises:
        ConfigError: there is no such module or function, or it takes something else.
    """
    script: Script = import_named(name, f"scripted:{name} cannot be found")
    check_call("scripts", name, script)
    return script
