"""Why a server rejects a request, by its own words and its error's fields.

Only a refusal of the request itself matters here: its message and, if the server gives them, the
names of parameters. Parts of the request that the answer repeats are ignored, because they name
every parameter there is.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aloe.models.http_answer import server_error

SPELLINGS = {
    "max_tokens": ("max_completion_tokens", "max_output_tokens", "max_new_tokens", "num_predict"),
    "seed": ("random_seed",),
}
"""Other names that servers give to a parameter, the commonest first."""

PHRASES = {
    "response_format": r"json.?schemas?|structured.?outputs?|guided|grammars?|response.?formats?",
    "top_logprobs": r"sample logprobs|top log.?prob\w*",
    "logprobs": r"log.?prob\w*",
    "max_tokens": r"max tokens|max\w* completion tokens|max\w* output tokens",
    "reasoning_effort": r"reasoning effort|reasoning\.effort",
    "system message": r"(?:system|developer) (?:role|message|prompt|instruction)s?"
    r"|roles? '?system'?|not support 'system'|roles must alternate",
}
"""Words by which refusals mean a parameter without its name."""

_OVERFLOW = re.compile(
    r"context.{0,12}(?:length|window|size|limit)|prompt is too long|too many (?:input )?tokens"
    r"|(?:input|prompt|request).{0,40}(?:exceed|longer|too l)\w*.{0,40}(?:context|tokens|model)",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(rf"{PHRASES['system message']}|raise_exception|jinja", re.IGNORECASE)


_REFUSING = (400, 422)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """What a server had against a request."""

    message: str
    params: tuple[str, ...] = ()
    """Parameters that it names in a field of its own."""

    @property
    def words(self) -> str:
        """What it says, without what is different each time."""
        said = re.sub(r"[0-9a-f-]{8,}|\d+", "#", self.message)
        return " ".join([*self.params, said])


def overflowed(error: Exception) -> bool:
    """Whether a server says that a conversation is longer than its model reads."""
    status, body = _answer(error)
    if _filtered(error):
        return False
    return status in (400, 413, 422, 500) and bool(_OVERFLOW.search(_message(body)[:2000]))


def rejection_of(error: Exception) -> Rejection | None:
    """Return what a server had against a request; None if the error says nothing of the kind.

    A conversation that is too long is nothing of the kind, though its refusal may name
    `max_tokens`.
    """
    if _filtered(error) or overflowed(error):
        return None
    status, body = _answer(error)
    if status not in _REFUSING and not (status in (500, 501) and _TEMPLATE.search(str(body))):
        return None
    return Rejection(message=_message(body)[:2000], params=tuple(_params(body)))


def _filtered(error: Exception) -> bool:
    answer = server_error(error)
    return answer is not None and answer.filtered


def _answer(error: BaseException) -> tuple[int | None, Any]:
    """Return status and body of the answer that an exception stands for."""
    answer = server_error(error)
    return (answer.status_code, _parsed(answer.body)) if answer else (None, str(error))


def _parsed(body: Any) -> Any:
    try:
        return json.loads(body) if isinstance(body, str | bytes) else body
    except (ValueError, RecursionError):
        return str(body)


def _message(answer: Any) -> str:
    """Return the words of an error answer, leaving out what it only repeats of the request."""
    if isinstance(answer, list):
        return "; ".join(filter(None, map(_message, answer)))
    if not isinstance(answer, dict):
        return str(answer or "")
    for name in ("error", "detail", "message", "msg"):
        if answer.get(name):
            return _message(answer[name])
    return ""


def _params(answer: Any) -> Iterator[str]:
    """Yield what an error answer names as `param` (OpenAI) or `loc` (pydantic)."""
    if isinstance(answer, list):
        for each in answer:
            yield from _params(each)
    elif isinstance(answer, dict):
        if isinstance(answer.get("param"), str):
            yield answer["param"]
        if isinstance(answer.get("loc"), list):
            yield ".".join(map(str, answer["loc"]))
        for name in ("error", "detail", "message"):
            yield from _params(answer.get(name))


def canonical(name: str) -> str:
    """Return what we call a parameter."""
    return next((known for known, others in SPELLINGS.items() if name in others), name)


def means(text: str, name: str, *, phrases: bool = True) -> bool:
    """Whether a text names a parameter, in any of its spellings or by what it is."""
    known = canonical(name)
    words = {name, known, *SPELLINGS.get(known, ())}
    words |= {re.sub("_([a-z])", lambda m: m[1].upper(), word) for word in words}
    either = [*map(re.escape, words), *([PHRASES[known]] if phrases and known in PHRASES else [])]
    return bool(re.search(rf"(?<![A-Za-z0-9_])(?:{'|'.join(either)})(?![A-Za-z0-9_])", text, re.I))
