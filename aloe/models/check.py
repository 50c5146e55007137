"""Whether a model could be opened, as far as that can be known without opening or asking it."""

from collections.abc import Callable
from pathlib import Path

from aloe.config import ModelConfig
from aloe.errors import ConfigError
from aloe.extras import require
from aloe.files.paths import expand_home
from aloe.models.api_key import key_variable, read_key
from aloe.models.base_url import refuse_unread_urls
from aloe.models.chat_class import COMMUNITY, chat_class
from aloe.models.openai_server import OPENAI
from aloe.models.providers import parse_model, server_arguments
from aloe.secrets import redact


def locate_model(config: ModelConfig) -> str:
    """Return what will answer: a server, a file, a class.

    Raises:
        ConfigError: the string names no provider, a file, class, package or key is missing, the
            key cannot be sent, the base URL would not be asked, or a variable names another server.
    """
    found = parse_model(config)
    at_openai = found.provider == "openai" and not found.base_url
    variable = key_variable(config, at_openai=at_openai)
    if variable and not read_key(variable):
        raise ConfigError(
            f"{redact(config.model)} needs an API key: set the environment variable {variable}"
        )
    if at_openai:
        server_arguments(None, config)  # refuses a variable that names another server
    check = _CHECKS.get(found.provider)
    what = check(found.name) if check else ""
    refuse_unread_urls({"": found})
    return redact(found.base_url) if found.base_url else what


def _check_openai(_name: str) -> str:
    return OPENAI


def _check_local(name: str) -> str:
    from aloe.models.hub import find_cached, is_hub_name
    from aloe.models.local import model_files, shipped_file
    from aloe.models.weights import WEIGHTS

    if name in WEIGHTS:
        return shipped_file(name).name
    if is_hub_name(name) and not Path(name).exists():
        return str(find_cached(name) or "the hub, from which it is downloaded at first use")
    return str(model_files(name)[0])


def _check_hf(name: str) -> str:
    require(f"hf:{name}", "transformers")
    folder = expand_home(name)
    if name.startswith((".", "/", "~")) and not folder.is_dir():
        raise ConfigError(f"hf:{name}: there is no such folder")
    return str(folder) if folder.is_dir() else "the hub's cache"


def _check_langchain(name: str) -> str:
    chat_class(name)
    return name


def _check_community(name: str) -> str:
    return _check_langchain(f"{COMMUNITY}:{name}")


def _check_script(name: str) -> str:
    from aloe.models.scripted import named_script

    named_script(name)
    return name


_CHECKS: dict[str, Callable[[str], str]] = {
    "openai": _check_openai,
    "local": _check_local,
    "hf": _check_hf,
    "langchain": _check_langchain,
    "community": _check_community,
    "scripted": _check_script,
}
