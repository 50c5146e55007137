"""What a failed call means for its run: the one place where failures are classified.

    again      another try may pass, after the delay that the server names
    refused    this call is refused, others may pass; `aloe.calls.refusals` sees whether any does
    too long   the same, since the conversation is longer than the model reads: its branch ends
    hopeless   no call will pass until a person sees to it: the run stops, with the server's words

A code outweighs a server's words, and so does an explicit delay: Gemini says "exceeded your current
quota, please check your plan and billing details" about its cap per minute, and when to retry.
What a refusal repeats of the request is not read as the server's own (`aloe.models.quoting`).
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from aloe.errors import CallError, Cause, ContextError, ModelError, TransientCallError
from aloe.models.advice import likely_cure, not_json
from aloe.models.http_answer import ServerError, UnreadableError, causes, server_error
from aloe.models.limits import duration
from aloe.models.rejections import overflowed
from aloe.plugins import describe_error
from aloe.secrets import hide, redact

Kind = Literal["again", "refused", "too long", "hopeless"]

SHOWN = 300
"""Characters of what was said in an error."""

QUOTED = 200
"""Characters shown of an answer that is not JSON."""

UNREADABLE = "unreadable answers"
"""What refusals are called that came as answers which nobody can read."""

_UNPAID = frozenset(
    {
        "insufficient_quota",
        "insufficient_balance",
        "insufficient_credits",
        "insufficient_funds",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "payment_required",
        "arrearage",
        "account_deactivated",
        "credit_balance_too_low",
    }
)
"""Codes of an account that gets nothing more."""

_UNPAID_WORDS = re.compile(
    r"exceeded your (?:current|monthly) (?:\w+ )?(?:quota|credits)|insufficient (?:\w+ )?"
    r"(?:balance|credits?|quota|funds)|credit balance is too low|out of credits|"
    r"requires more credits|payment required|not in good standing|billing hard limit",
    re.IGNORECASE,
)

_BUSY = frozenset(
    {
        "rate_limit",
        "rate_limit_error",
        "rate_limit_exceeded",
        "ratelimiterror",
        "too_many_requests",
        "throttlingexception",
        "throttling",
        "resource_exhausted",
        "overloaded_error",
        "overloaded",
        "engine_overloaded",
        "429",
        "529",
    }
)
"""Codes of a server that wants fewer calls."""

_DELAY = re.compile(
    r"(?:retry|try again|wait|retrydelay)\D{0,30}?"
    r"((?:\d+(?:\.\d+)?\s*(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b[ ,]*"
    r"|\d+[hm](?=\d))+)",
    re.IGNORECASE,
)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|s|m|h)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What became of one call."""

    kind: Kind
    words: str
    """What was said; may be long, and hold keys."""
    quote: str | None = None
    """What came in place of JSON, read on from `words`; may be long, and hold keys."""
    advice: str = ""
    """What to do about it, to be read on from `words`."""
    refusal: str = ""
    """What refusals of the same kind have in common."""
    cause: Cause = "fault"
    """Of one worth another try."""
    delay: float | None = None
    """Seconds that the server asks us to wait; None if it does not."""


def sort_failure(
    error: Exception, *, model: str, key: str | None, variable: str, url: str | None = None
) -> ModelError | CallError:
    """Turn what a chat model raised into one of ours, its text cut short and cleared of keys.

    Args:
        error: whatever it raised.
        model: what it is called.
        key: its key, if it has one.
        variable: environment variable of the key.
        url: base URL of its server, None if it has none that is known.
    """

    def cleared(text: str) -> str:
        return redact(hide(text, key) if key else text)

    failure = read_failure(error, variable)
    said = cleared(failure.words)[:SHOWN]
    if failure.quote is not None:
        said += f": {cleared(failure.quote)[:QUOTED]!r}" if failure.quote else ": (nothing)"
    cure = likely_cure(error, url) if url else None
    text = f"{model}: {said}{failure.advice}" + (f"; {cleared(cure)}" if cure else "")
    if failure.kind == "hopeless":
        return ModelError(text)
    if failure.kind == "too long":
        return ContextError(text, refusal=failure.refusal)
    if failure.kind == "refused":
        return CallError(text, refusal=failure.refusal)
    return TransientCallError(
        text, retry_after=failure.delay, cause=failure.cause, refusal=failure.refusal
    )


def read_failure(error: Exception, variable: str) -> Failure:
    """Return what an exception of any chat model means; `variable` holds the model's key."""
    if (said := server_error(error)) is not None:
        return _said(said, variable)
    if (answer := not_json(error)) is not None:
        return _unreadable("the answer is not JSON", answer)
    chain = list(causes(error))
    for inner in chain:
        if isinstance(inner, UnreadableError):
            return _unreadable(str(inner))
    words = describe_error(error)
    names = {kind.__name__ for inner in chain for kind in type(inner).__mro__}
    if names & {"InvalidURL", "NonHttpUrlClientError", "UnsupportedProtocol"}:
        return Failure(kind="hopeless", words=words, advice="; correct the base URL")
    for cause, of_it in _NAMES.items():
        if names & of_it:
            return Failure(kind="again", words=words, cause=cause)
    return Failure(kind="refused", words=words, refusal=type(error).__name__)


def _unreadable(words: str, quote: str | None = None) -> Failure:
    return Failure(kind="again", words=words, quote=quote, cause="garbled", refusal=UNREADABLE)


_NAMES: Mapping[Cause, frozenset[str]] = {
    "down": frozenset(
        {"ClientConnectorError", "ConnectionRefusedError", "ConnectError", "ConnectionTimeoutError",
         "ConnectTimeout"}
    ),
    "slow": frozenset({"TimeoutError", "APITimeoutError", "TimeoutException"}),
    "fault": frozenset(
        {"APIConnectionError", "TransportError", "ConnectionError", "ClientError"}
    ),
}  # fmt: skip
"""Exceptions of transport by what they say about the server; the first that fits counts."""


def _said(answer: ServerError, variable: str) -> Failure:
    """Sort an answer that is an error, by its status and what it says."""
    status, words = answer.status_code, str(answer)
    delay = read_delay(answer)
    if status == 402 or answer.codes & _UNPAID or (_is_unpaid(answer) and delay is None):
        advice = "; the provider will not answer until it is paid"
        return Failure(kind="hopeless", words=words, advice=advice)
    if status == 401:
        advice = f"; the key was refused: check {variable}"
        return Failure(kind="hopeless", words=words, advice=advice)
    if status == 404:
        advice = "; check the model's name and base URL"
        return Failure(kind="hopeless", words=words, advice=advice)
    refusal = " ".join(["HTTP", str(status), *sorted(answer.codes), answer.param or ""]).strip()
    if answer.filtered and status not in (429, 529):
        return Failure(kind="refused", words=words, refusal=refusal)
    if overflowed(answer):
        return Failure(kind="too long", words=words, refusal=refusal)
    if cause := _cause(answer):
        refusal = UNREADABLE if cause == "garbled" else ""
        return Failure(kind="again", words=words, cause=cause, delay=delay, refusal=refusal)
    advice = f"; it was refused: if all calls are, check {variable}" if status == 403 else ""
    return Failure(kind="refused", words=words, advice=advice, refusal=refusal)


def _is_unpaid(answer: ServerError) -> bool:
    status = answer.status_code
    if answer.filtered or not (status is None or 400 <= status < 500):
        return False
    return bool(_UNPAID_WORDS.search(answer.words))


def _cause(answer: ServerError) -> Cause | None:
    """Return what an error says about its server; None if another try would not help."""
    status = answer.status_code
    if status in (429, 529) or (answer.codes & _BUSY and status not in (400, 403)):
        return "busy"
    if status is None:
        return "garbled"
    if status in (502, 503, 504) or 520 <= status <= 524:
        return "down"
    return "fault" if status in (408, 409, 425) or status >= 500 else None


def read_delay(answer: ServerError) -> float | None:
    """Return the seconds a server asks us to wait, by its headers or in what it says."""
    if (asked := retry_after(answer.headers)) is not None:
        return asked
    try:
        text = json.dumps(answer.body, ensure_ascii=False)[:10_000]
    except (ValueError, TypeError, RecursionError):
        text = answer.words
    if not (found := _DELAY.search(text)):
        return None
    return sum(float(n) * _SECONDS[unit.lower()] for n, unit in _PIECE.findall(found[1]))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that headers ask us to wait: as such, or as a date."""
    milliseconds = duration(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    wish = headers.get("retry-after", "")
    if (seconds := duration(wish)) is not None:
        return seconds
    if (until := _time(wish)) is None:
        return None
    # By the server's clock where it gives one: ours may be wrong.
    now = _time(headers.get("date", ""))
    return max(0.0, until - (time.time() if now is None else now))


def _time(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError, OSError):
        return None
