"""The one door to chat models.

Everything that talks to a model takes a `Model`, and every `Model` wraps a LangChain
`BaseChatModel` that `open_model` builds from a string:

    local:smollm2-135m              the embedded default, served inside this process
    local:/path/to/model.gguf       any other GGUF file, served the same way
    openai:gpt-4o-mini              OpenAI
    openai:NAME@http://host:8000/v1 any OpenAI-compatible server (vLLM, llama.cpp, Ollama ...)
    hf:DIR_OR_NAME                  a transformers model in this process (needs the train extra)
    community:ChatOllama            any chat class of langchain-community, arguments in `options`
    scripted:MODULE:FUNCTION        a Python function in place of a model, for tests

The embedded model and a vLLM server share one code path, so what works on a laptop works on a
cluster, and the tests' double goes through the same door as all of them.
Failures are sorted in `aloe.failures` into those that stop the run, those that cost one call, and
those worth another try; what the model says is parted into its message and the rest (`aloe.reply`).
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables.config import var_child_runnable_config
from pydantic import SecretStr

from aloe.config import LimitsConfig, ModelConfig
from aloe.errors import CallError, ConfigError, ModelError
from aloe.failures import redacted, sorted_failure
from aloe.finish import fold_finish
from aloe.http_answer import ServerError, UnreadableError
from aloe.limits import Limiter, limiter_of
from aloe.logprobs import first_word
from aloe.reply import Reply as Reply
from aloe.schema import digest
from aloe.thoughts import thoughts_apart
from aloe.usage import count_usage

Message = tuple[Literal["system", "user", "assistant"], str]
"""Role and text, as LangChain and every chat API take them."""

TOP_LOGPROBS = 20
"""Alternatives asked for at the first position: the most that OpenAI gives."""

UNSHAPING = {"timeout", "max_reply_bytes", "api_key_env"}
"""Settings of a model that no reply depends on."""

THINKING = 2048
"""Most tokens of an answer with thoughts before it; the role's `max_tokens` if that is more."""

REACH_TIMEOUT = 10.0
"""Seconds a server has to answer the first question of a run."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A chat model with the settings of one role."""

    name: str
    """Model string without its base URL: what events, trees and prices call it."""
    config: ModelConfig
    chat: BaseChatModel
    openai_compatible: bool
    """Whether seed, log-probabilities and JSON schemas can be asked for."""
    limiter: Limiter = field(default_factory=Limiter)
    """What lets calls to its server in; models at one server share it."""

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the settings: what two calls must share to be the same call."""
        return digest(self.config.model_dump(mode="json", exclude=UNSHAPING))

    @cached_property
    def key(self) -> str | None:
        """The API key of its server, which must not be written anywhere; None without one."""
        return os.environ.get(self.key_variable)

    @property
    def key_variable(self) -> str:
        """Environment variable of the key."""
        return self.config.api_key_env or "OPENAI_API_KEY"

    @property
    def thinking_room(self) -> int | None:
        """Tokens to ask for where thoughts left none for the answer; None if there are no more."""
        roomy = (self.config.max_tokens or 0) >= THINKING
        return None if roomy or not self.openai_compatible else THINKING

    def arguments(
        self,
        *,
        seed: int,
        max_tokens: int | None = None,
        schema: dict[str, Any] | None = None,
        logprobs: bool = False,
    ) -> dict[str, Any]:
        """Return the keyword arguments of one call, as far as this model understands them."""
        if not self.openai_compatible:
            return {}
        arguments: dict[str, Any] = {"seed": seed}
        if max_tokens is not None:
            arguments["max_tokens"] = max_tokens
        if schema is not None:
            shape = {"name": "answer", "schema": schema}
            arguments["response_format"] = {"type": "json_schema", "json_schema": shape}
        if logprobs and self.config.logprobs:
            arguments |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return arguments

    async def ask(self, messages: Sequence[Message], arguments: dict[str, Any]) -> Reply:
        """Call the model once.

        Raises:
            ModelError: the model or the key is refused; every other call would fail as well.
            CallError: this one call failed; TransientCallError if another try may pass.
        """
        try:
            answer = await asyncio.wait_for(self._answer(messages, arguments), self.config.timeout)
            if headers := answer.response_metadata.get("headers"):
                self.limiter.heard(headers)
            return _reply(answer, messages, self.key)
        except (ModelError, CallError):
            raise
        except Exception as error:
            raise self.failure(error) from None

    def failure(self, error: Exception) -> ModelError | CallError:
        """Turn what the chat model raised into one of our errors."""
        return sorted_failure(error, model=self.name, key=self.key, variable=self.key_variable)

    async def _answer(self, messages: Sequence[Message], arguments: dict[str, Any]) -> AIMessage:
        """Take the shortest way to the model that passes by nobody who listens."""
        from aloe.http_chat import HttpChat

        if isinstance(self.chat, HttpChat) and not _listened_to():
            return await self.chat.complete(messages, arguments)
        return await self.chat.ainvoke(list(messages), **arguments)


def _listened_to() -> bool:
    """Whether a tracer or callback may follow this call: the graph around it knows.

    A graph's callbacks are those it was invoked with and the tracers that the environment sets.
    """
    config = var_child_runnable_config.get()
    callbacks = config.get("callbacks") if config else None
    return not isinstance(callbacks, BaseCallbackManager) or bool(callbacks.handlers)


def _reply(answer: AIMessage, messages: Sequence[Message], key: str | None) -> Reply:
    text, metadata = str(answer.text), answer.response_metadata
    apart = thoughts_apart(answer.additional_kwargs, answer.content)
    usage = count_usage(answer.usage_metadata, messages, apart + text)
    return Reply(
        text=_writable(text, key),
        finish=fold_finish(metadata, text),
        logprobs=first_word(metadata.get("logprobs")),
        reasoning=_writable(apart, key),
        **vars(usage),
    )


def _writable(text: str, key: str | None) -> str:
    """Return a text that any file takes, and that gives away no key."""
    if key and key in text:  # a server that echoes what it was sent
        text = text.replace(key, "***")
    # Half a surrogate pair, which JSON can carry, could not be written to any file.
    return text.encode("utf-8", "replace").decode()


def open_model(
    config: ModelConfig, limits: LimitsConfig | None = None, *, share: float = 1.0
) -> Model:
    """Build the model that `config` names.

    Args:
        config: settings of the model.
        limits: how its server is spared; None for the defaults.
        share: part of those limits that this process may use.

    Raises:
        ConfigError: the string names no provider or class, an argument does not fit, a key is
            missing, or a package is not installed.
        ModelError: the embedded server cannot be started.
    """
    provider, name, url = _parsed(config)
    chat, openai_compatible = PROVIDERS[provider](config, name, url)
    server = _base_url(chat) if provider in ("openai", "local") else f"{provider}:{name}"
    return Model(
        name=f"{provider}:{name}",
        config=config,
        chat=chat,
        openai_compatible=openai_compatible,
        limiter=limiter_of(server, limits or LimitsConfig(), share),
    )


def closed_model(config: ModelConfig, reason: str) -> Model:
    """Return a stand-in for the model that `config` names: asking it is the error `reason`.

    Raises:
        ConfigError: the string names no provider.
    """
    from aloe.scripted import ScriptedChat

    def refuse(*_: object) -> str:
        raise ModelError(reason)

    provider, name, _ = _parsed(config)
    chat = ScriptedChat(script=refuse)
    return Model(name=f"{provider}:{name}", config=config, chat=chat, openai_compatible=True)


def _parsed(config: ModelConfig) -> tuple[str, str, str | None]:
    """Return provider, name and base URL of a model string."""
    provider, _, rest = config.model.partition(":")
    if provider not in PROVIDERS and config.base_url:
        provider, rest = "openai", config.model
    if provider not in PROVIDERS or not rest:
        known = ", ".join(f"{name}:..." for name in PROVIDERS)
        raise ConfigError(f"unknown model '{config.model}'; a model string is one of {known}")
    name, _, url = rest.rpartition("@") if "@http" in rest else (rest, "", "")
    return provider, name, config.base_url or url or None


def _sampling(config: ModelConfig) -> dict[str, Any]:
    fields = ("temperature", "top_p", "max_tokens", "frequency_penalty")
    values = {field: getattr(config, field) for field in fields}
    return {field: value for field, value in values.items() if value is not None}


def _openai(
    config: ModelConfig, name: str, base_url: str | None, api_key: str | None = None
) -> tuple[BaseChatModel, bool]:
    """Build ChatOpenAI, or for a server that is asked for nothing special the lean `HttpChat`."""
    key = api_key or _api_key(config, base_url)
    if base_url and not config.options:
        from aloe.http_chat import HttpChat

        sampling = _sampling(config)
        return HttpChat(
            model_name=name,
            base_url=base_url,
            api_key=SecretStr(key),
            timeout=config.timeout,
            max_reply_bytes=config.max_reply_bytes,
            sampling=sampling,
        ), True
    from aloe.openai_chat import ChatOpenAI

    arguments = {
        "model": name,
        "api_key": key,
        "base_url": base_url,
        "timeout": config.timeout,
        "max_retries": 0,
        "include_response_headers": True,
        "max_reply_bytes": config.max_reply_bytes,
        **_sampling(config),
        **config.options,
    }
    return _construct(ChatOpenAI.checked, arguments, config), True


def _api_key(config: ModelConfig, base_url: str | None) -> str:
    variable = config.api_key_env or (None if base_url else "OPENAI_API_KEY")
    if variable is None:
        return "none"
    if key := os.environ.get(variable):
        return key
    raise ConfigError(
        f"{config.model} needs an API key: set the environment variable {variable}, "
        "or use --model local:smollm2-135m, which needs none"
    )


def _local(config: ModelConfig, name: str, _url: str | None) -> tuple[BaseChatModel, bool]:
    """Build the embedded chat model; its options are further fields of a request."""
    from aloe.embedded_chat import EmbeddedChat
    from aloe.local import embedded_server

    server = embedded_server(name)
    options = dict(config.options)
    nested = [options.pop(key, {}) for key in ("model_kwargs", "extra_body")]
    return EmbeddedChat(
        model_name=name,
        base_url=server.base_url,
        api_key=SecretStr(server.api_key),
        timeout=config.timeout,
        max_reply_bytes=config.max_reply_bytes,
        sampling={**_sampling(config), **options, **nested[0], **nested[1]},
        control=server.control,
    ), True


def _huggingface(config: ModelConfig, name: str, _url: str | None) -> tuple[BaseChatModel, bool]:
    try:
        from aloe.huggingface import HuggingFaceChat
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{config.model} needs {error.name}: pip install 'aloe-align[train]'"
        ) from None
    return HuggingFaceChat.load(name, **_sampling(config), **config.options), True


def _community(config: ModelConfig, name: str, _url: str | None) -> tuple[BaseChatModel, bool]:
    from langchain_community import chat_models

    try:
        kind = getattr(chat_models, name)
    except AttributeError:
        raise ConfigError(f"langchain-community has no chat model '{name}'") from None
    except ImportError as error:
        raise ConfigError(f"{config.model} needs another package: {error}") from None
    return _construct(kind, config.options, config), False


def _scripted(_config: ModelConfig, name: str, _url: str | None) -> tuple[BaseChatModel, bool]:
    from aloe.scripted import ScriptedChat, named_script

    return ScriptedChat(script=named_script(name)), True


def _construct(
    kind: Callable[..., BaseChatModel], arguments: dict[str, Any], config: ModelConfig
) -> BaseChatModel:
    try:
        return kind(**arguments)
    except Exception as error:
        raise ConfigError(f"{config.model}: {redacted(str(error))[:300]}") from None


PROVIDERS: dict[str, Callable[[ModelConfig, str, str | None], tuple[BaseChatModel, bool]]] = {
    "local": _local,
    "openai": _openai,
    "hf": _huggingface,
    "community": _community,
    "scripted": _scripted,
}


async def check_reachable(models: Sequence[Model]) -> None:
    """Ask each server once for its list of models, before anything is written.

    Raises:
        ModelError: nothing answers, or the key is refused. Any other answer counts as reachable,
            and so does one that is late: not every compatible server has that list, or shows it.
    """
    from aiohttp import ClientError, ConnectionTimeoutError, InvalidURL, NonHttpUrlClientError

    from aloe.http_chat import HttpChat

    servers = {
        (url, m.config.api_key_env): (m, url, key) for m in models for url, key in _server(m)
    }
    for model, url, key in servers.values():
        chat = HttpChat(model_name="", base_url=url, api_key=key, timeout=REACH_TIMEOUT)
        try:
            await chat.request("GET", "/models")
        except ServerError as error:
            if error.status_code == 401:
                raise model.failure(error) from None
        except ConnectionTimeoutError:
            raise _nobody(model, url) from None
        except (TimeoutError, UnreadableError):
            continue
        except (OSError, InvalidURL, NonHttpUrlClientError):
            raise _nobody(model, url) from None
        except (ClientError, ValueError):
            continue


def _nobody(model: Model, url: str) -> ModelError:
    return ModelError(
        f"{model.name}: nothing answers at {url}; start the server or correct the URL"
    )


def _server(model: Model) -> Iterator[tuple[str, SecretStr]]:
    """Yield URL and key of the OpenAI-compatible server behind `model`, if there is one."""
    chat = model.chat
    if model.config.model.startswith(("scripted:", "hf:", "community:")):
        return
    key = getattr(chat, "api_key", None) or getattr(chat, "openai_api_key", None)
    if isinstance(key, SecretStr):
        yield _base_url(chat), key


def _base_url(chat: BaseChatModel) -> str:
    given = getattr(chat, "base_url", None) or getattr(chat, "openai_api_base", None)
    return str(given or "https://api.openai.com/v1")
