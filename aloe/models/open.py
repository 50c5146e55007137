"""The one way to open chat models.

Everything that talks to a model takes a `Model`, and every `Model` wraps a LangChain
`BaseChatModel` that `open_model` builds from a string; `aloe.models.providers` lists the strings.

The embedded model and a vLLM server share one code path, so what works on a laptop works on a
cluster, and the tests' scripted model is opened the same way. Failures are sorted in
`aloe.models.failures` into those that stop the run, those that cost one call, and those worth
another try; what the model says is parted into its message and the rest (`aloe.models.reply`).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables.config import var_child_runnable_config
from pydantic import SecretStr

from aloe.cancelling import answer_within
from aloe.config import Config, ModelConfig
from aloe.config.differences import UNSHAPING
from aloe.config.sent_key import base_url_in
from aloe.errors import CallError, ModelError
from aloe.finish import fold_finish
from aloe.models.advice import likely_cure
from aloe.models.api_key import key_variable
from aloe.models.chat_class import is_openai, place, renamed_limit
from aloe.models.failed_usage import with_usage
from aloe.models.failures import sort_failure
from aloe.models.http_answer import ServerError, UnreadableError, answer_to
from aloe.models.http_stream import STREAMED, Hear, collect
from aloe.models.key_server import announce_keys
from aloe.models.limits import Limiter, limiter_of, server_at
from aloe.models.logprobs import first_word
from aloe.models.markup import message_in
from aloe.models.model_string import ModelString
from aloe.models.parameters import Parameters, Send, Sent, parameters_of
from aloe.models.providers import base_url_of, open_chat, parse_model
from aloe.models.reply import Reply as Reply
from aloe.models.reply import writable
from aloe.models.thoughts import thoughts_apart
from aloe.models.usage import count_usage
from aloe.schema import digest
from aloe.secrets import SHORTEST, redact

Message = tuple[Literal["system", "user", "assistant"], str]
"""Role and text, as LangChain and every chat API take them."""

ADDED = ("top_logprobs", "reasoning", "omit", "max_tokens_field", "system")
"""Settings that `Model.fingerprint` passes over at their defaults: journals of runs from before
there were any still answer."""

THINKING = 2048
"""Most tokens of an answer with thoughts before it; the role's `max_tokens` if that is more."""

REACH_TIMEOUT = 10.0
"""Seconds a server has to answer the first question of a run."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A chat model with the settings of one role."""

    name: str
    """`ModelString` as text: what events, trees and prices call it."""
    config: ModelConfig
    chat: BaseChatModel
    openai_compatible: bool
    """Whether seed, log-probabilities and JSON schemas can be asked for."""
    limiter: Limiter = field(default_factory=Limiter)
    """What lets calls to its server in; models at one server share it."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that every call carries."""
    parameters: Parameters = field(default_factory=lambda: Parameters(model="the model"))
    """What the model takes of all that; roles that use the same one share it."""

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the settings: what two calls must share to be the same call."""
        known = ModelConfig.model_fields
        same = {name for name in ADDED if getattr(self.config, name) == known[name].default}
        return digest(self.config.model_dump(mode="json", exclude={*UNSHAPING, *same}))

    @cached_property
    def key(self) -> str | None:
        """The API key that its server is sent; None without. "none" or "ollama" is a mere word."""
        key = os.environ.get(self.key_variable or "", "")
        return key if len(key) >= SHORTEST else None

    @cached_property
    def key_variable(self) -> str | None:
        """Environment variable of the key; None if the server is sent none."""
        provider = ModelString.parse(self.config.model).provider
        at_openai = self.openai_compatible and provider not in ("local", "hf")
        return key_variable(self.config, at_openai=at_openai and not base_url_in(self.config))

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
        if logprobs and self.gives_logprobs:
            arguments |= {"logprobs": True, "top_logprobs": self.config.top_logprobs}
        return {name: value for name, value in arguments.items() if name not in self.config.omit}

    @property
    def gives_logprobs(self) -> bool:
        """Whether it is worth asking for log-probabilities."""
        wanted = self.config.logprobs and "logprobs" not in self.config.omit
        return wanted and self.openai_compatible and "logprobs" not in self.parameters.left_out

    async def ask(
        self,
        messages: Sequence[Message],
        arguments: dict[str, Any],
        hear: Hear | None = None,
        send: Send | None = None,
    ) -> Reply:
        """Call the model once.

        Args:
            messages: the conversation.
            arguments: as `arguments` makes them.
            hear: told what the message says so far, where the model can be listened to; None
                asks for the whole reply at once.
            send: what carries the request in place of the chat model; None for none.

        Raises:
            ModelError: the model or the key is refused; every other call would fail as well.
            CallError: this one call failed; TransientCallError if another try may pass.
        """
        streams = hear and self.openai_compatible and "stream" not in self.config.omit
        wished = {**arguments, **STREAMED} if streams else arguments
        while True:
            sent = self._sent(messages, wished)
            try:
                answer = await (send(sent) if send else self._answer_in_time(sent, hear))
                if headers := answer.response_metadata.get("headers"):
                    self.limiter.heard(headers)
                reply = _reply(answer, sent.messages, self.key)
                break
            except (ModelError, CallError):
                raise
            except Exception as raised:
                error = answer_to(sent.messages, raised)
                if not self.parameters.learn(error, sent):
                    raise with_usage(self.failure(error), error, sent.messages) from None
        self.parameters.confirm(sent)
        return reply

    def failure(self, error: Exception) -> ModelError | CallError:
        """Turn what the chat model raised into one of our errors."""
        variable = self.key_variable or "api_key_env, which names no variable"
        return sort_failure(error, model=self.name, key=self.key, variable=variable, url=_url(self))

    def _sent(self, messages: Sequence[Message], arguments: Mapping[str, Any]) -> Sent:
        """Return the request for a question, as far as it is known what the model takes."""
        fields = {**self.sampling, **arguments}
        name = self.config.max_tokens_field
        if self._by_openai:
            own = getattr(self.chat, "max_tokens", None)
            if own and "max_tokens" not in self.config.omit:
                fields = {"max_tokens": own, **fields}
            name = name or renamed_limit(self.chat)
        if name and "max_tokens" in fields:
            fields[name] = fields.pop("max_tokens")
        return self.parameters.shaped(messages, fields, system=self.config.system == "system")

    async def _answer_in_time(self, sent: Sent, hear: Hear | None) -> AIMessage:
        return await answer_within(self.config.timeout, self._answer, sent, hear)

    async def _answer(self, sent: Sent, hear: Hear | None) -> AIMessage:
        """Take the shortest way to the model that passes by nobody who listens."""
        from aloe.models.http_chat import HttpChat

        def hear_message(text: str) -> None:
            if hear:
                hear(message_in(writable(text, self.key)))

        streams = hear is not None and ("stream" in sent.fields or not self.openai_compatible)
        if isinstance(self.chat, HttpChat) and (streams or not _listened_to()):
            listener = hear_message if streams else None
            return await self.chat.complete(sent.messages, sent.fields, listener)
        by_client = ("stream",) if self._by_openai else STREAMED
        chat, fields = self._placed({k: v for k, v in sent.fields.items() if k not in by_client})
        if not streams:
            return await chat.ainvoke(list(sent.messages), **fields)
        return await collect(chat.astream(list(sent.messages), **fields), hear_message)

    @property
    def _by_openai(self) -> bool:
        return self.openai_compatible and is_openai(type(self.chat))

    def _placed(self, fields: dict[str, Any]) -> tuple[BaseChatModel, dict[str, Any]]:
        """Return the chat model to ask and the arguments of the call that carry `fields`."""
        if self._by_openai:
            return place(self.chat, fields)
        if not self.openai_compatible:  # it was built with them
            known = type(self.chat).model_fields
            changed = {
                name: fields.get(name, known[name].get_default(call_default_factory=True))
                for name, value in self.sampling.items()
                if name in known and fields.get(name) != value
            }
            return (self.chat.model_copy(update=changed) if changed else self.chat), {}
        return self.chat, fields


def _listened_to() -> bool:
    """Whether a tracer or callback may follow this call: the graph around it knows.

    A graph's callbacks are those it was invoked with and the tracers that the environment sets.
    """
    config = var_child_runnable_config.get()
    callbacks = config.get("callbacks") if config else None
    return not isinstance(callbacks, BaseCallbackManager) or bool(callbacks.handlers)


def _reply(answer: AIMessage, messages: Sequence[tuple[str, str]], key: str | None) -> Reply:
    text, metadata = str(answer.text), answer.response_metadata
    apart = thoughts_apart(answer.additional_kwargs, answer.content)
    usage = count_usage(answer.usage_metadata, messages, apart + text)
    return Reply(
        text=writable(text, key),
        finish=fold_finish(metadata, text),
        logprobs=first_word(metadata.get("logprobs")),
        reasoning=writable(apart, key),
        **vars(usage),
    )


def open_model(config: ModelConfig, settings: Config | None = None, *, share: float = 1.0) -> Model:
    """Build the model that `config` names.

    Args:
        config: settings of the model.
        settings: how servers are spared and `local:` is served; None for the defaults.
        share: part of the limits that this process may use.

    Raises:
        ConfigError: the string names no provider or class, an argument does not fit, a key or
            package is missing or unfit, or a base URL is given that would not be asked.
        ModelError: the embedded server cannot be started.
    """
    found, settings = parse_model(config), settings or Config()
    opened = open_chat(config, settings.local)
    served = found.provider in ("openai", "local")
    server = server_at(base_url_of(opened.chat)) if served else f"{found.provider}:{found.name}"
    return Model(
        name=str(found),
        config=config,
        chat=opened.chat,
        openai_compatible=opened.openai_compatible,
        limiter=limiter_of(server, opened.limits(settings), share),
        sampling=opened.sampling,
        parameters=parameters_of(server, str(found)),
    )


def closed_model(config: ModelConfig, reason: str) -> Model:
    """Return a stand-in for the model that `config` names: asking it is the error `reason`.

    Raises:
        ConfigError: the string names no provider.
    """
    from aloe.models.scripted import ScriptedChat

    def refuse(*_: object) -> str:
        raise ModelError(reason)

    name = str(parse_model(config))
    chat = ScriptedChat(script=refuse)
    return Model(name=name, config=config, chat=chat, openai_compatible=True)


async def check_reachable(models: Sequence[Model]) -> None:
    """Ask each server once for its list of models, before anything is written.

    Before that, it is said which keys go to servers that are not their provider's own.

    Raises:
        ModelError: nothing answers, or the key is refused. Any other answer counts as reachable,
            and so does one that is late: not every compatible server has that list, or shows it.
    """
    from aiohttp import ClientError, ConnectionTimeoutError, InvalidURL, NonHttpUrlClientError

    from aloe.models.http_chat import HttpChat

    announce_keys((each.config, each.chat) for each in models)
    servers = {
        (url, m.config.api_key_env): (m, url, key) for m in models for url, key in server_of(m)
    }
    for model, url, key in servers.values():
        chat = HttpChat(model_name="", base_url=url, api_key=key, timeout=REACH_TIMEOUT)
        try:
            await chat.request("GET", "/models")
        except ServerError as error:
            if error.status_code == 401:
                raise model.failure(error) from None
        except ConnectionTimeoutError as error:
            raise _nobody(model, url, error) from None
        except (TimeoutError, UnreadableError):
            continue
        except (OSError, InvalidURL, NonHttpUrlClientError) as error:
            raise _nobody(model, url, error) from None
        except (ClientError, ValueError):
            continue


def _nobody(model: Model, url: str, error: Exception) -> ModelError:
    cure = likely_cure(error, url) or "start the server or correct the URL"
    return ModelError(f"{model.name}: nothing answers at {redact(url)}; {cure}")


def server_of(model: Model) -> Iterator[tuple[str, SecretStr]]:
    """Yield URL and key of the OpenAI-compatible server behind `model`, if there is one."""
    url = _url(model)
    chat = model.chat
    key = getattr(chat, "api_key", None) or getattr(chat, "openai_api_key", None)
    if url and isinstance(key, SecretStr):
        yield url, key


def _url(model: Model) -> str | None:
    """Return the base URL of the server behind `model`, None if it has none that we know."""
    return base_url_of(model.chat) if model.name.startswith(("openai:", "local:")) else None
