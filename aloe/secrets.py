"""What must not be written anywhere: keys in settings, in URLs and in what servers say.

Settings are written to disk, so a key in them is refused; and keys are removed from other programs'
texts before they go into errors and logs. Not every name with `token` or `key` is a secret
(`stop_token_ids`, `prompt_cache_key`): the name must be one that holds secrets, or the value must
look like one.
"""

import base64
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from aloe.control_characters import encodable
from aloe.models.model_string import ModelString

_NAMES = re.compile(
    r"(?:.*[_-])?(?:api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|subscription[_-]?key"
    r"|apikey|accesstoken|passwd|pwd|passphrase|cookie|x[_-]auth"
    r"|(?:access|auth|api|bearer|session|refresh|security|hub|hf)[_-]?token|client[_-]?secret"
    r"|password|secret|authorization|credentials?)|key|token|sig|signature|bearer",
    re.IGNORECASE,
)
"""Names that hold secrets, matched as a whole."""

_KEY = re.compile(
    r"\b(?:(?:sk|pk|key)-[\w*-]{6,}|(?:gsk|xai|hf|ghp|gho|glpat|nvapi|pplx|r8)[-_][A-Za-z0-9]{16,}"
    r"|AKIA[A-Z0-9]{12,}|AIza[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]+)"
)
"""What looks like a key: by the marks that providers begin theirs with, or a signed token."""

_BEARER = re.compile(r"(?:Bearer|Basic) \S{6,}")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=//)[^/\s'\"]*@")


SHORTEST = 8
"""Characters from which the value of a variable is taken for a secret: shorter ones are words."""


def redact(text: str) -> str:
    """Return `text` without what looks like a key or is one of ours, and without URLs' users.

    What comes back can be written to any file, since it goes into errors and logs.
    PWD is left alone: it is the working directory, with which paths in messages begin.
    """
    for name, value in os.environ.items():
        named = name.endswith(("_KEY", "_TOKEN")) or _NAMES.fullmatch(name)
        if named and name != "PWD" and len(value) >= SHORTEST:
            text = hide(text, value)
    return encodable(_USERINFO.sub("***@", _KEY.sub("***", text)))


def one_line(error: BaseException) -> str:
    """Return what a library's error says, redacted, on one line of at most 200 characters.

    Its kind if it says nothing.
    """
    return " ".join(redact(str(error)).split())[:200] or type(error).__name__


def hide(text: str, secret: str) -> str:
    """Return `text` without `secret`, be it plain, quoted as in a URL, or in base64."""
    for form in _forms(secret):
        text = text.replace(form, "***")
    return text


@cache
def _forms(secret: str) -> tuple[str, ...]:
    encoded = base64.b64encode(secret.encode()).decode()
    quoted = (quote(secret, safe=""), quote_plus(secret))
    return tuple(dict.fromkeys((secret, *quoted, encoded, encoded.rstrip("="))))


def refuse_secrets(where: str, options: Mapping[str, Any]) -> None:
    """Make sure that options, and what is within them, hold no secret.

    Raises:
        ValueError: naming the option, never its value.
    """
    for name, value in leaves(options):
        if isinstance(value, bool | None):
            continue
        shown = isinstance(value, str) and (_KEY.search(value) or _BEARER.search(value))
        if shown or _NAMES.fullmatch(name):
            raise ValueError(f"{where} must not hold '{name}'; settings are written to disk")
        if isinstance(value, str) and "://" in value:
            refuse_secret_url(value)


def refuse_secret_url(url: str) -> None:
    """Make sure that a URL holds no user, password or key; `?api-version=` and the like may stay.

    Raises:
        ValueError: without the URL.
    """
    if _holds_secret(url):
        raise ValueError("a base URL must not hold a key; name its variable in api_key_env")


def has_secret_url(text: str) -> bool:
    """Whether a URL in a text holds a user, password or key, as for `refuse_secret_url`."""
    return "://" in text and any(map(_holds_secret, _URL.findall(text)))


def _holds_secret(url: str) -> bool:
    parts = urlsplit(url if "//" in url else f"//{url}")
    behind = unquote(f"{parts.path}?{parts.query}#{parts.fragment}")
    return "@" in parts.netloc or any(map(_is_secret, re.split(r"[/?#&;]", behind)))


def _is_secret(part: str) -> bool:
    """Whether a part of a URL, a name with a value or a word, is a secret.

    In words, a key has a digit: `/key-service` is a path.
    """
    name, named, value = part.partition("=")
    shown = _KEY.search(value if named else name)
    if named:
        return bool((value and _NAMES.fullmatch(name)) or shown)
    return bool(shown and re.search(r"\d", shown[0]))


def check_base_url(url: str | None) -> None:
    """Make sure that a base URL has its scheme and holds no secret.

    Raises:
        ValueError: without the URL if it holds one.
    """
    refuse_secret_url(url or "")
    if url and not re.match(r"https?://", url):
        raise ValueError(f"the URL needs its scheme: write http://{url} (or https://)")


def check_model_url(model: str) -> None:
    """Make sure that the URL in a model string has its scheme and holds no secret.

    Raises:
        ValueError: without the URL.
    """
    url = ModelString.parse(model).base_url
    if re.search(r"@[^@/\s]+:[^@/\s]+@", model):
        refuse_secret_url(model.partition("@")[2])
    if url:
        refuse_secret_url(url)
    elif bare := re.search(r"@([\w.-]+:\d+(?:/\S*)?)$", model):
        raise ValueError(f"the URL needs its scheme: write ...@http://{bare[1]} (or https://)")


def leaves(options: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names and values of options, of headers and the like within them too."""
    if isinstance(options, Mapping):
        for key, value in options.items():
            yield from leaves(value, str(key))
    elif isinstance(options, list | tuple):
        for value in options:
            yield from leaves(value, name)
    else:
        yield name, options


def check_variable(name: str | None) -> None:
    """Make sure that the name of an environment variable is one, and not the key itself.

    Raises:
        ValueError: without the name, which may be the key.
    """
    if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*|[a-z_][a-z_]{0,39}", name):
        raise ValueError(
            "api_key_env is the name of a variable, such as MY_API_KEY, which holds the key"
        )
