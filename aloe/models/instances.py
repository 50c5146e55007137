"""Chat models and functions made in Python, used in place of a model string.

Settings are text, so each gets a name: a chat model its own, or its class's, and a hash of its
plain fields; a function its own and a hash of its source. Both stay the same when a script creates
the model again. The model itself is kept here, for this process.
"""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

from aloe.errors import ConfigError
from aloe.schema import digest
from aloe.signatures import check_call

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_kept: "dict[str, BaseChatModel]" = {}


def is_chat(value: object) -> "TypeGuard[BaseChatModel]":
    """Whether `value` is a chat model of LangChain's (which is not imported for it)."""
    return any(kind.__name__ == "BaseChatModel" for kind in type(value).__mro__)


def keep_instance(chat: "BaseChatModel") -> str:
    """Keep a chat model and return the model string that stands for it."""
    plain = (str, int, float, bool)
    fields = {name: value for name, value in chat if isinstance(value, plain)}
    called: Any = fields.get("model_name") or fields.get("model") or type(chat).__name__
    name = f"instance:{called}#{digest(type(chat).__qualname__, fields)[:8]}"
    _kept[name] = chat
    return name


def keep_function(function: Callable[..., Any]) -> str:
    """Keep a function that answers in place of a model and return its model string.

    Raises:
        ConfigError: it takes something else than a script does.
    """
    from aloe.models.scripted import ScriptedChat

    called = getattr(function, "__qualname__", type(function).__qualname__)
    check_call("scripts", called, function)
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):  # typed into a console, or built in
        source = ""
    name = f"instance:{called}#{digest(called, source)[:8]}"
    _kept[name] = ScriptedChat(script=function)
    return name


def find_instance(name: str) -> "BaseChatModel":
    """Return the chat model that a model string of an instance stands for.

    Raises:
        ConfigError: it was made in another process.
    """
    if name not in _kept:
        raise ConfigError(
            f"{name} was made in Python, in another process; run that script again, "
            "or name a model by a string"
        )
    return _kept[name]
