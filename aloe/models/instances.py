"""Chat models made in Python, used in place of a model string (see `aloe.kept`).

One goes by its own name, or its class's, and a hash of its fields. A function answers in place of
a model as well.
"""

from typing import TYPE_CHECKING, Any, TypeGuard

from aloe.kept import find_kept, keep
from aloe.models.fingerprint import describe, fields_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


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
    return keep(str(called), (type(chat).__qualname__, fields, *told), chat, rest)


def find_instance(name: str) -> "BaseChatModel":
    """Return the chat model that a model string of an instance stands for.

    Raises:
        ConfigError: it was made in another process.
    """
    from aloe.models.scripted import ScriptedChat

    given = find_kept(name, "name a model by a string")
    return given if is_chat(given) else ScriptedChat(script=given)
