"""Base URLs that nobody reads: an error, since another model would answer than was meant."""

from collections import defaultdict
from collections.abc import Mapping

from aloe.errors import ConfigError
from aloe.models.chat_class import COMMUNITY, by_field, chat_class
from aloe.models.model_string import CLASSES, ModelString
from aloe.secrets import redact


def refuse_unread_urls(models: Mapping[str, ModelString]) -> None:
    """Make sure that every model with a base URL takes one.

    Args:
        models: by role; the name of a single one may be empty.

    Raises:
        ConfigError: one takes none, or its class is missing.
    """
    unread = {role: each for role, each in models.items() if each.base_url and not _takes(each)}
    if not unread:
        return
    roles: defaultdict[str, list[str]] = defaultdict(list)
    for role, each in unread.items():
        roles[redact(str(each))] += [role] if role else []
    named = [f"{model} ({', '.join(of)})" if of else model for model, of in roles.items()]
    urls = " and ".join(dict.fromkeys(redact(str(each.base_url)) for each in unread.values()))
    of_class = any(each.provider in CLASSES for each in unread.values())
    cure = ", give the class its server in options," if of_class else ""
    raise ConfigError(
        f"{urls} would not be asked: {' and '.join(named)} take{'s' * (len(named) == 1)} no base "
        f"URL; name the model that is served there (--model openai:NAME){cure} or leave the URL out"
    )


def _takes(model: ModelString) -> bool:
    if model.provider in CLASSES:
        name = model.name if model.provider == "langchain" else f"{COMMUNITY}:{model.name}"
        return any(by_field(chat_class(name), {"base_url": model.base_url}))
    return model.provider == "openai"
