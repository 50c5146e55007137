"""Chat models and functions made in Python, used in place of a model string.

Settings are text, so each gets a name: a chat model its own, or its class's, and a hash of its
fields; a function its own and a hash of its source and of what it is made with, such as a closure's
variables (`aloe.models.fingerprint`). Both stay the same when a script creates the model again. The
model itself is kept here, for this process.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from aloe.errors import ConfigError
from aloe.models.fingerprint import describe, fields_of, name_of, parts_of, source_of
from aloe.schema import digest
from aloe.signatures import check_call

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True, kw_only=True)
class _Kept:
    chat: "BaseChatModel"
    given: object
    made_with: object
    """What its name does not spell out, as it was when it was kept."""


_kept: dict[str, _Kept] = {}


def is_chat(value: object) -> "TypeGuard[BaseChatModel]":
    """Whether `value` is a chat model of LangChain's (which is not imported for it)."""
    return any(kind.__name__ == "BaseChatModel" for kind in type(value).__mro__)


def keep_instance(chat: "BaseChatModel") -> str:
    """Keep a chat model and return the model string that stands for it.

    Raises:
        ConfigError: the name is that of another, which differs in what has no stable description.
    """
    plain = (str, int, float, bool)
    fields = {name: value for name, value in chat if isinstance(value, plain)}
    called: Any = fields.get("model_name") or fields.get("model") or type(chat).__name__
    others = {name: value for name, value in fields_of(chat).items() if name not in fields}
    told_of = {name: describe(value) for name, value in others.items()}
    rest = {name: told for name, told in told_of.items() if told not in (None, (), ("map",))}
    told = [repr(rest)] if rest else []
    name = f"instance:{called}#{digest(type(chat).__qualname__, fields, *told)[:8]}"
    return _keep(name, _Kept(chat=chat, given=chat, made_with=rest))


def keep_function(function: Callable[..., Any]) -> str:
    """Keep a function that answers in place of a model and return its model string.

    Raises:
        ConfigError: it takes something else than a script does, or the name is that of another,
            which differs in what has no stable description.
    """
    from aloe.models.scripted import ScriptedChat

    called = name_of(function)
    check_call("scripts", called, function)
    for name, kept in _kept.items():  # what it is made with may change as it is called
        if kept.given is function or (inspect.ismethod(function) and kept.given == function):
            return name
    parts = parts_of(function)
    told = [repr(parts)] if parts else []
    name = f"instance:{called}#{digest(called, source_of(function), *told)[:8]}"
    kept = _Kept(chat=ScriptedChat(script=function), given=function, made_with=parts)
    return _keep(name, kept)


def _keep(name: str, kept: "_Kept") -> str:
    before = _kept.get(name)
    if before and before.given is not kept.given and before.made_with != kept.made_with:
        raise ConfigError(
            f"two objects given as models cannot be told apart ({name}): they differ only in what "
            "has no name, such as a client; make them with different texts or numbers as well, "
            "or pass the same object twice"
        )
    _kept[name] = kept
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
    return _kept[name].chat
