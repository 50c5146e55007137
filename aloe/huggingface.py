"""Transformers models in this process: loading them, and talking to one as to any chat model.

Training and `hf:` share one loader, so that what is tuned and what is served are the same weights.
A model is a checkpoint folder, a LoRA adapter (put on the base that its config names), a GGUF file
or the embedded model by name (both dequantised), or a name in the local hub cache. The hub itself
is never asked unless HF_HUB_OFFLINE=0 says so.

The chat class answers in OpenAI's shape, log-probabilities included, so that a judge or the
benchmark cannot tell it from a server. What is asked at the same time is written at the same time
(`aloe.generation`), so a GPU is worth having without a server.
"""

# ruff: noqa: E402 - the hub reads its variables when it is first imported

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

for _variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_variable, "1")

import torch
import transformers
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr
from transformers import modeling_gguf_pytorch_utils as gguf_loading

from aloe.cache import cached
from aloe.control_tokens import ChatEncoder
from aloe.errors import ConfigError, ModelError
from aloe.generation import Request, Writer, Written
from aloe.local import WEIGHTS, weights_path
from aloe.thoughts import split_thoughts

ADAPTER = "adapter_config.json"
"""The file by which a folder is known as a LoRA adapter."""

DEFAULT_MAX_TOKENS = 256

Source = tuple[str, dict[str, str]]
"""Folder or hub name, and what else `from_pretrained` needs to find the file in it."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A causal language model with its tokenizer."""

    model: Any
    tokenizer: Any
    base: str
    """Model string of the base that an adapter sits on; the model's own without one."""


def load_checkpoint(name: str, *, trainable: bool = False, scoring: bool = False) -> Checkpoint:
    """Load the model that `name` stands for, in fp32 on a CPU and in bf16 on a GPU.

    Args:
        name: folder, adapter folder, GGUF file, embedded model or cached hub name; a leading
            `hf:` or `local:` is allowed.
        trainable: whether the weights of an adapter may change.
        scoring: whether the model gives one score for a conversation instead of the next token.

    Raises:
        ConfigError: a needed package is missing, or an adapter does not fit its base.
        ModelError: there is no such model here, or it cannot be read.
    """
    name = name.removeprefix("hf:").removeprefix("local:")
    adapter = Path(name) / ADAPTER
    base = adapter_base(Path(name)) if adapter.exists() else name
    with _quiet():
        model, source = _pretrained(base, scoring=scoring)
        if adapter.exists():
            model = _with_adapter(model, Path(name), trainable=trainable)
            if (Path(name) / "tokenizer_config.json").exists():
                source = (name, {})
        tokenizer = transformers.AutoTokenizer.from_pretrained(source[0], **source[1])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Checkpoint(model=model.to(device), tokenizer=tokenizer, base=base)


def adapter_base(adapter: Path) -> str:
    """Return the model string of the base that an adapter folder names."""
    base = json.loads((adapter / ADAPTER).read_text())["base_model_name_or_path"]
    return str(base).removeprefix("hf:").removeprefix("local:")


def _pretrained(name: str, *, scoring: bool) -> tuple[Any, Source]:
    """Return a model without adapter, and where its tokenizer is."""
    folder, options = _source(name)
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    labels = {"num_labels": 1} if scoring else {}
    kind = (
        transformers.AutoModelForSequenceClassification
        if scoring
        else transformers.AutoModelForCausalLM
    )
    try:
        model = kind.from_pretrained(folder, dtype=dtype, **options, **labels)
    except ImportError as error:
        raise ConfigError(f"{name}: {_first_line(error)}; install aloe-align[train]") from None
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{name} is no model that transformers can load here ({_first_line(error)})"
        ) from None
    return _plain(model) if options else model, (folder, options)


def _source(name: str) -> Source:
    """Return what `from_pretrained` needs to find `name`."""
    if name in WEIGHTS or name.endswith(".gguf"):
        path = weights_path(name)
        if name in WEIGHTS and (folder := _unpacked(path)):
            return str(folder), {}
        return str(path.parent), {"gguf_file": path.name}
    return str(Path(name).expanduser()) if Path(name).expanduser().exists() else name, {}


def _unpacked(path: Path) -> Path | None:
    """Return a checkpoint folder of an embedded model's GGUF file, made if it is not there.

    It holds the same numbers in fp32. From the file, transformers would make them anew for each
    process, and take most of a minute for it. None: no copy can be kept.
    """

    def make(folder: Path) -> None:
        options = {"gguf_file": path.name}
        model = transformers.AutoModelForCausalLM.from_pretrained(
            path.parent, dtype=torch.float32, **options
        )
        _plain(model).save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(path.parent, **options).save_pretrained(folder)

    size, version = path.stat().st_size, transformers.__version__
    return cached(f"{path.stem}-{size}-transformers-{version}", make)


def _plain(model: Any) -> Any:
    """Return a model that was read from a GGUF file as one that saves as any other."""
    del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    return model


def _with_adapter(model: Any, adapter: Path, *, trainable: bool) -> Any:
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable)
    except (RuntimeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{adapter} does not fit its base model {adapter_base(adapter)}: {_first_line(error)}"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and advice of transformers off the screen while a model loads."""
    transformers.utils.logging.disable_progress_bar()
    gguf_loading.tqdm = lambda tensors, **_: tensors  # has a bar of its own
    transformers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.utils.logging.set_verbosity_warning()


@cache
def _shared(name: str) -> tuple[Checkpoint, Writer]:
    """Load a model once in a process, whatever the number of roles that use it."""
    checkpoint = load_checkpoint(name)
    model = checkpoint.model
    if hasattr(model, "merge_and_unload"):  # an adapter beside its base is written with much slower
        model = model.merge_and_unload()
    model.eval()
    checkpoint = replace(checkpoint, model=model)
    return checkpoint, Writer(model, checkpoint.tokenizer)


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
    _writer: Writer = PrivateAttr()
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
        settings = {
            key: given.get(key, getattr(self, key))
            for key in ("temperature", "top_p", "max_tokens", "frequency_penalty")
        }
        return Request(
            prompt=tuple(prompt),
            max_tokens=settings["max_tokens"] or DEFAULT_MAX_TOKENS,
            **self._sampling(settings["temperature"], settings["top_p"]),
            penalty=settings["frequency_penalty"] or 0.0,
            seed=given.get("seed"),
            stop=tuple(stop or ()),
            logprobs=(given.get("top_logprobs") or 0) if given.get("logprobs") else None,
        )

    def _sampling(self, temperature: float | None, top_p: float | None) -> dict[str, Any]:
        """Return how tokens are drawn: the whole of it as asked, or as the model's settings say."""
        if temperature is not None:
            return {"temperature": temperature, "top_p": top_p or 1.0}
        own = self._checkpoint.model.generation_config
        if not own.do_sample:
            return {"temperature": 0.0}
        return {
            "temperature": 1.0 if own.temperature is None else own.temperature,
            "top_p": top_p or own.top_p or 1.0,
            "top_k": own.top_k or 0,
        }

    def _result(self, request: Request, written: Written) -> ChatResult:
        tokenizer = self._checkpoint.tokenizer
        ids = list(written.ids)
        text = _text(tokenizer, ids)
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


def _text(tokenizer: Any, ids: list[int]) -> str:
    """Return what tokens say, with special ones only where those tell thoughts from the answer."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    whole: str = tokenizer.decode(ids, skip_special_tokens=False)
    hidden = split_thoughts(whole).thoughts != split_thoughts(text).thoughts
    return whole if hidden else text


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
