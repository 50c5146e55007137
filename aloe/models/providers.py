"""What model strings mean: how each provider's chat model is built.

    local:smollm2-135m              the embedded default, served inside this process
    local:/path/to/model.gguf       any other GGUF file, served the same way
    local:OWNER/NAME[:QUANT]        the same, of the hub; downloaded once
    openai:gpt-4o-mini              OpenAI
    openai:NAME@http://host:8000/v1 any OpenAI-compatible server (vLLM, llama.cpp, Ollama ...)
    hf:DIR_OR_NAME                  a transformers model in this process (needs the train extra)
    langchain:PACKAGE:CLASS         any chat class of LangChain's, arguments in `options`
    community:CLASS                 the same, of langchain-community
    scripted:MODULE:FUNCTION        a Python function in place of a model, for tests
    instance:...                    a chat model that was made in Python; see
    `aloe.models.instances`

Classes differ in what they call their settings, so they are asked: a setting is handed on under the
name of the field that the class has for it, and left out where it has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from aloe.config import Config, LimitsConfig, LocalConfig, ModelConfig
from aloe.config.sent_key import named_server
from aloe.errors import ConfigError
from aloe.extras import needs
from aloe.files.paths import expand_home
from aloe.models.api_key import key_variable, read_key
from aloe.models.base_url import refuse_unread_urls
from aloe.models.carried import part_options, refuse_other_models, with_options
from aloe.models.chat_class import COMMUNITY, by_field, chat_class, is_openai
from aloe.models.instances import find_instance
from aloe.models.model_string import ModelString
from aloe.models.openai_server import (
    OPENAI,
    openai_server,
    refuse_gateway,
    refuse_servers_of_variables,
)
from aloe.models.suggestion import suggest_model
from aloe.secrets import one_line, redact
from aloe.threads import blocks

if TYPE_CHECKING:
    from aloe.models.scripted import ScriptedChat


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A chat model, and what is sent to it with every call."""

    chat: BaseChatModel
    openai_compatible: bool
    """Whether seed, log-probabilities and JSON schemas can be asked for."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that each call carries; empty if the chat model was built with them."""
    threaded: bool = False
    """Whether it is a function that is called in threads."""

    def limits(self, settings: Config) -> LimitsConfig:
        """Return its limits: a function has as many threads as there are trees at once."""
        given, trees = settings.limits, settings.simulation.concurrency
        if given.concurrency or not self.threaded:
            return given
        return given.model_copy(update={"concurrency": trees})


def parse_model(config: ModelConfig) -> ModelString:
    """Return the parts of a model string, the base URL being the settings' own if they have one.

    Raises:
        ConfigError: the string names no provider, or options ask for another model.
    """
    found = ModelString.parse(config.model, config.options)
    if found.provider not in PROVIDERS and config.base_url:
        found = ModelString.parse(f"openai:{config.model}")
    if found.provider not in PROVIDERS or not found.name:
        raise _unknown(config.model)
    refuse_other_models(found, config.options)
    if found.provider == "instance":
        return replace(found, name=found.name.rpartition("#")[0], base_url=config.base_url)
    return replace(found, base_url=config.base_url or found.base_url)


def _unknown(model: str) -> ConfigError:
    """Return the error about a string that names no provider, with what it was meant to be."""
    from aloe.models.weights import WEIGHTS

    named = [name for name in PROVIDERS if name != "instance"]
    known = ", ".join(f"{name}:..." for name in named)
    near = suggest_model(model, named, WEIGHTS)
    meant = f"; did you mean {redact(near)}?" if near else ""
    if not near and model and expand_home(model).is_dir():
        meant = "; the folder of that name holds no model"
    return ConfigError(f"unknown model '{redact(model)}'{meant} (a model string is one of {known})")


def check_urls(models: Mapping[str, ModelConfig]) -> None:
    """Make sure that every base URL is read, before any model is opened.

    Args:
        models: by role.

    Raises:
        ConfigError: a model takes none, or its class is missing; roles are named.
    """
    refuse_unread_urls({role: parse_model(each) for role, each in models.items()})


def open_chat(config: ModelConfig, local: LocalConfig) -> Opened:
    """Build the chat model that a model string means; it raises what `open_model` does."""
    found = parse_model(config)
    refuse_unread_urls({"": found})
    return PROVIDERS[found.provider](config, found.name, found.base_url, local)


def base_url_of(chat: BaseChatModel) -> str:
    """Return the endpoint of an OpenAI-compatible chat model."""
    given = getattr(chat, "base_url", None) or getattr(chat, "openai_api_base", None)
    return str(given or OPENAI)


def sampling_of(config: ModelConfig) -> dict[str, Any]:
    """Return the sampling settings of a role that are set and may be sent."""
    fields = ("temperature", "top_p", "max_tokens", "frequency_penalty")
    values = {field: getattr(config, field) for field in fields}
    omitted = config.omit
    return {f: value for f, value in values.items() if value is not None and f not in omitted}


def reasoning_of(config: ModelConfig) -> dict[str, Any]:
    """Return how much a model is to think, in the words of every kind of server.

    OpenAI, Ollama, OpenRouter and Gemini read `reasoning_effort`; vLLM, SGLang and llama.cpp hand
    `chat_template_kwargs` to the template; Claude, GLM and DeepSeek read `thinking`. Servers pass
    over what they do not know or refuse it by name, and then it is left out.
    """
    if config.reasoning == "auto":
        return {}
    off = config.reasoning == "off"
    return {
        "reasoning_effort": "none" if off else config.reasoning,
        "chat_template_kwargs": {"enable_thinking": not off, "thinking": not off},
        "thinking": {"type": "disabled" if off else "enabled"},
    }


def _openai(config: ModelConfig, name: str, base_url: str | None, _: LocalConfig) -> Opened:
    """Build ChatOpenAI, or for a server that is asked for nothing special the lean `HttpChat`."""
    key = _api_key(config, base_url)
    reasoning = reasoning_of(config)
    if not base_url:  # OpenAI's own
        reasoning = {n: value for n, value in reasoning.items() if n == "reasoning_effort"}
    sampling = {**sampling_of(config), **reasoning}
    if base_url and not config.options:
        from aloe.models.http_chat import HttpChat

        chat: BaseChatModel = HttpChat(
            model_name=name,
            base_url=base_url,
            api_key=SecretStr(key),
            timeout=config.timeout,
            max_reply_bytes=config.max_reply_bytes,
        )
        return Opened(chat=chat, openai_compatible=True, sampling=sampling)
    from aloe.models.openai_chat import ChatOpenAI, checked

    arguments = {
        "model": name,
        "api_key": key,
        **server_arguments(base_url, config),
        "timeout": config.timeout,
        "max_retries": 0,
        "include_response_headers": True,
        "max_reply_bytes": config.max_reply_bytes,
        **part_options(config.options)[0],
    }
    chat = _construct(partial(checked, ChatOpenAI), arguments, config)
    sampling = with_options(sampling, config.options)
    return Opened(chat=chat, openai_compatible=True, sampling=sampling)


def server_arguments(url: str | None, config: ModelConfig) -> dict[str, Any]:
    """Return the arguments that say where to ask; none is left to the environment."""
    if not url and config.options.keys() & {"base_url", "openai_api_base"}:
        return {}
    parts = urlsplit(url or openai_server(config.model))
    query = dict(parse_qsl(parts.query))
    return {"base_url": urlunsplit(parts._replace(query="")), "default_query": query or None}


def _api_key(config: ModelConfig, base_url: str | None) -> str:
    variable = key_variable(config, at_openai=not base_url)
    if variable is None:
        return "none"
    if key := read_key(variable):
        return key
    raise ConfigError(
        f"{redact(config.model)} needs an API key: set the environment variable {variable}, "
        "or use --model local:smollm2-135m, which needs none"
    )


def _local(config: ModelConfig, name: str, _url: str | None, local: LocalConfig) -> Opened:
    """Build the embedded chat model; its options are further fields of a request."""
    from aloe.models.embedded_chat import EmbeddedChat
    from aloe.models.local import embedded_server

    server = embedded_server(name, local)
    given = {**sampling_of(config), **reasoning_of(config)}
    arguments, _ = part_options(config.options)
    chat = EmbeddedChat(
        model_name=name,
        base_url=server.base_url,
        api_key=SecretStr(server.api_key),
        timeout=config.timeout,
        max_reply_bytes=config.max_reply_bytes,
        sampling={**arguments, **with_options(given, config.options)},
        control=server.control,
    )
    return Opened(chat=chat, openai_compatible=True)


def _huggingface(config: ModelConfig, name: str, _url: str | None, _: LocalConfig) -> Opened:
    try:
        from aloe.models.huggingface import HuggingFaceChat
    except ModuleNotFoundError as error:
        raise ConfigError(needs(config.model, "transformers", error.name)) from None
    if config.reasoning != "auto":
        raise ConfigError(f"{config.model}: reasoning is only for models on a server; leave it out")
    given = {**sampling_of(config), **config.options}
    if unknown := sorted(config.options.keys() - (HuggingFaceChat.model_fields.keys() - {"name"})):
        raise ConfigError(f"{config.model}: options: hf: has no '{unknown[0]}'; leave it out")
    chat = HuggingFaceChat.load(name, **given)
    return Opened(chat=chat, openai_compatible=True)


def _community(config: ModelConfig, name: str, url: str | None, local: LocalConfig) -> Opened:
    return _langchain(config, f"{COMMUNITY}:{name}", url, local)


def _langchain(config: ModelConfig, name: str, base_url: str | None, _: LocalConfig) -> Opened:
    """Build any chat class of LangChain's, with what settings say and the class has a field for."""
    kind = chat_class(name)
    named = named_server(config)
    if not named:
        refuse_gateway(config.model)
    wished = {**sampling_of(config), **_reasoning_fields(kind, config)}
    sampling = dict(by_field(kind, wished))
    connection: dict[str, Any] = {
        "timeout": config.timeout, "max_retries": 0, "include_response_headers": True
    }  # fmt: skip
    connection |= {"base_url": base_url} if base_url else {}
    if config.api_key_env:
        connection["api_key"] = _api_key(config, base_url)
    compatible = is_openai(kind)
    options = part_options(config.options)[0] if compatible else config.options
    given = {**({} if compatible else sampling), **dict(by_field(kind, connection)), **options}
    chat = _checked(kind, given, config) or _construct(kind, given, config)
    if not named:
        refuse_servers_of_variables(config.model, chat)
    if compatible:
        sampling = with_options(wished, config.options)
    else:
        sampling = {n: value for n, value in sampling.items() if n not in config.options}
    return Opened(chat=chat, openai_compatible=compatible, sampling=sampling)


def _checked(
    kind: Callable[..., BaseChatModel], given: dict[str, Any], config: ModelConfig
) -> BaseChatModel | None:
    """Build a chat model whose answers are checked; None if its class takes no client of ours."""
    if "http_async_client" not in getattr(kind, "model_fields", {}):
        return None
    from aloe.models.openai_chat import checked

    try:  # which kind of client it takes, the field does not say
        return checked(kind, max_reply_bytes=config.max_reply_bytes, **given)
    except Exception:
        return None


def _reasoning_fields(kind: Callable[..., BaseChatModel], config: ModelConfig) -> dict[str, Any]:
    """Return how much a model is to think in the one field that its class has for it."""
    wished = reasoning_of(config)
    effort = wished.pop("reasoning_effort", None)
    fields = getattr(kind, "model_fields", {})
    if effort is None:
        return {}
    if "reasoning_effort" in fields:
        return {"reasoning_effort": effort}
    if "reasoning" in fields:  # ChatOllama's
        return {"reasoning": False if effort == "none" else effort}
    return {"thinking": wished["thinking"]} if "thinking" in fields and effort == "none" else {}


def _instance(config: ModelConfig, _name: str, _url: str | None, _: LocalConfig) -> Opened:
    from aloe.models.scripted import ScriptedChat

    chat = find_instance(config.model)
    if isinstance(chat, ScriptedChat):
        return _played(chat)
    return Opened(chat=chat, openai_compatible=is_openai(type(chat)))


def _scripted(_config: ModelConfig, name: str, _url: str | None, _: LocalConfig) -> Opened:
    from aloe.models.scripted import ScriptedChat, named_script

    return _played(ScriptedChat(script=named_script(name)))


def _played(chat: "ScriptedChat") -> Opened:
    return Opened(chat=chat, openai_compatible=True, threaded=blocks(chat.script))


def _construct(
    kind: Callable[..., BaseChatModel], arguments: dict[str, Any], config: ModelConfig
) -> BaseChatModel:
    try:
        return kind(**arguments)
    except Exception as error:
        raise ConfigError(f"{redact(config.model)}: {one_line(error)}") from None


PROVIDERS: dict[str, Callable[[ModelConfig, str, str | None, LocalConfig], Opened]] = {
    "local": _local,
    "openai": _openai,
    "hf": _huggingface,
    "langchain": _langchain,
    "community": _community,
    "scripted": _scripted,
    "instance": _instance,
}
