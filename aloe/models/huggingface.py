"""A transformers model in this process, used like any chat model.

It answers in OpenAI's format, log-probabilities included, so that a judge or the benchmark can
treat it like a server. Requests made at the same time are generated together
(`aloe.models.generation`), so a GPU pays off even without a server.
"""

import asyncio
import sys
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from aloe.errors import CallError, ConfigError, ContextError
from aloe.models.checkpoint import Checkpoint, context_window, embedding_rows, load_checkpoint
from aloe.models.control_tokens import ChatEncoder
from aloe.models.generation import BatchWriter, Request, Written
from aloe.models.thoughts import decoded
from aloe.models.weights import hash_weights

DEFAULT_MAX_TOKENS = 256


_loaded: dict[str, tuple[str | None, Checkpoint, BatchWriter]] = {}
"""What was loaded in this process, by name, with the hash of its files."""


def _shared(name: str) -> tuple[Checkpoint, BatchWriter]:
    """Load a model once in a process, whatever the number of roles that use it.

    One whose files have changed is loaded anew, in place of what it was.
    """
    weights = hash_weights(f"hf:{name}")
    if name not in _loaded or _loaded[name][0] != weights:
        _loaded.pop(name, None)  # there may be no room for both
        _loaded[name] = (weights, *_load(name))
    return _loaded[name][1:]


def _load(name: str) -> tuple[Checkpoint, BatchWriter]:
    checkpoint = load_checkpoint(name, merged=True)  # beside its base, an adapter is much slower
    checkpoint.model.eval()
    return checkpoint, BatchWriter(checkpoint.model, checkpoint.tokenizer)


class HuggingFaceChat(BaseChatModel):
    """A transformers model behind LangChain's interface."""

    name: str
    temperature: float | None = None
    """None: what the model's own generation settings say; 0 is greedy."""
    top_p: float | None = None
    max_tokens: int | None = None
    frequency_penalty: float | None = None
    """Taken off a token's logit for each time it was already written."""
    _checkpoint: Checkpoint = PrivateAttr()
    _writer: BatchWriter = PrivateAttr()
    _encoder: ChatEncoder = PrivateAttr()

    @classmethod
    def load(
        cls,
        name: str,
        *,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        frequency_penalty: float | None = None,
        **options: Any,
    ) -> Self:
        """Load a model; `options` are further fields of LangChain's base class.

        Raises:
            ConfigError: the model's tokenizer has no chat template.
            ModelError: there is no such model here.
        """
        checkpoint, writer = _shared(name)
        if not checkpoint.tokenizer.chat_template:
            raise ConfigError(f"hf:{name} cannot chat: its tokenizer has no chat template")
        chat = cls(
            name=name,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            frequency_penalty=frequency_penalty,
            **options,
        )
        chat._checkpoint, chat._writer = checkpoint, writer
        chat._encoder = ChatEncoder(checkpoint.tokenizer)
        return chat

    @property
    def _llm_type(self) -> str:
        return "huggingface"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        request = self._request(messages, stop, kwargs)
        return self._result(request, self._writer.ask(request).result())

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        request = self._request(messages, stop, kwargs)
        return self._result(request, await asyncio.wrap_future(self._writer.ask(request)))

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]
    ) -> Request:
        """Return what is asked; what a call gives wins over the role's settings."""
        said = convert_to_openai_messages(messages)
        prompt = self._encoder.encode(said, open_turn=True)
        if (highest := max(prompt)) >= (rows := embedding_rows(self._checkpoint.model)):
            raise CallError(
                f"hf:{self.name}: the conversation holds token {highest} "
                f"({self._checkpoint.tokenizer.decode([highest])!r}) and the model knows {rows}"
            )
        settings = {
            key: given.get(key, getattr(self, key))
            for key in ("temperature", "top_p", "max_tokens", "frequency_penalty")
        }
        return Request(
            prompt=tuple(prompt),
            max_tokens=min(settings["max_tokens"] or DEFAULT_MAX_TOKENS, self._room(prompt)),
            **self._sampling(settings["temperature"], settings["top_p"]),
            penalty=settings["frequency_penalty"] or 0.0,
            seed=given.get("seed"),
            stop=tuple(stop or ()),
            logprobs=(given.get("top_logprobs") or 0) if given.get("logprobs") else None,
        )

    def _room(self, prompt: list[int]) -> int:
        """Return how many tokens may follow a prompt, at least one.

        Raises:
            ContextError: none may.
        """
        if (window := context_window(self._checkpoint.model)) is None:
            return sys.maxsize
        if len(prompt) >= window:
            raise ContextError(
                f"hf:{self.name}: the conversation takes {len(prompt)} tokens and the model's "
                f"context window is {window}"
            )
        return window - len(prompt)

    def _sampling(self, temperature: float | None, top_p: float | None) -> dict[str, Any]:
        """Return how tokens are drawn: the whole of it as asked, or as the model's settings say."""
        if temperature is not None:
            return {"temperature": temperature, "top_p": top_p or 1.0}
        own = self._writer.settings
        if not own.do_sample:
            return {"temperature": 0.0, "own": True}
        return {
            "own": True,
            "temperature": 1.0 if own.temperature is None else own.temperature,
            "top_p": top_p or own.top_p or 1.0,
            "top_k": own.top_k or 0,
        }

    def _result(self, request: Request, written: Written) -> ChatResult:
        tokenizer = self._checkpoint.tokenizer
        ids = list(written.ids)
        text = decoded(tokenizer, ids)
        cut = min((text.find(each) for each in request.stop if each in text), default=len(text))
        ended = bool(ids) and ids[-1] in self._writer.ends
        metadata: dict[str, Any] = {
            "model_name": self.name,
            "finish_reason": "stop" if ended or cut < len(text) else "length",
        }
        if request.logprobs is not None:
            metadata["logprobs"] = {"content": _logprobs(tokenizer, written, request.logprobs)}
        message = AIMessage(
            content=text[:cut],
            response_metadata=metadata,
            usage_metadata={
                "input_tokens": len(request.prompt),
                "output_tokens": len(ids),
                "total_tokens": len(request.prompt) + len(ids),
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def _logprobs(tokenizer: Any, written: Written, top: int) -> list[dict[str, Any]]:
    """Return natural-log probabilities before temperature, as OpenAI's `logprobs.content`."""
    content = []
    for token, row in zip(written.ids, written.logits, strict=True):
        scores = row.float().log_softmax(-1)
        best = scores.topk(top)
        content.append(
            {
                "token": tokenizer.decode([token]),
                "logprob": scores[token].item(),
                "top_logprobs": [
                    {"token": tokenizer.decode([i]), "logprob": p}
                    for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                ],
            }
        )
    return content
