"""What a failed request most likely needs: a hint for common mistakes.

Base URLs without `/v1` or scheme, http for https or the reverse, and unknown certificates give a
different error in every client, and none of them names the cure.
"""

import json
import re
from urllib.parse import urlsplit

from aloe.models.http_answer import UnreadableError, causes, server_error

_UNKNOWN_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|self-?\s?signed", re.IGNORECASE)
_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|record layer failure|unknown protocol", re.IGNORECASE)
_TLS_WANTED = re.compile(r"HTTP request .{0,20}to an? HTTPS (?:port|server)", re.IGNORECASE)
_PREVIEW = re.compile(r"Expected a dict or openai.BaseModel, got str: ['\"](.*)", re.DOTALL)
"""How langchain-openai shows an answer that the openai client could not read."""

_CUT_OFF = re.compile(r"disconnected|reset by peer|BadStatusLine|Bad status line", re.IGNORECASE)


def not_json(error: BaseException) -> str | None:
    """Return the answer that a client could not read as JSON; None if that is not what happened."""
    for each in causes(error):
        if isinstance(each, UnreadableError):
            return each.answer
        if isinstance(each, json.JSONDecodeError):
            return each.doc
        if preview := _PREVIEW.search(str(each)):
            return preview[1]
    return None


def likely_cure(error: BaseException, url: str) -> str | None:
    """Return what is likely to help against a failed request to `url`; None if nothing is known."""
    answer = server_error(error)
    said = " ".join(f"{type(each).__name__} {each}" for each in [*causes(error), answer])
    parts = urlsplit(url)
    here = f"//{parts.netloc.rpartition('@')[2]}"
    if _UNKNOWN_CERTIFICATE.search(said):
        return (
            "its certificate is not signed by a known authority: name the file that holds it in "
            "the environment variable SSL_CERT_FILE"
        )
    if parts.scheme == "https" and _NOT_TLS.search(said):
        return f"the server speaks http, not https: write http:{here}{parts.path}"
    if parts.scheme == "http" and _TLS_WANTED.search(said):
        return f"the server speaks https, not http: write https:{here}{parts.path}"
    if parts.scheme == "http" and _CUT_OFF.search(said) and parts.port in (443, 8443):
        return f"port {parts.port} usually speaks https: write https:{here}{parts.path}"
    status = answer.status_code if answer else None
    if status not in (404, 405) and not_json(error) is None:
        return None
    if parts.path.rstrip("/").endswith("/chat/completions"):
        return "the base URL has to end before /chat/completions"
    if not re.search(r"/v\d", parts.path):
        return f"the base URL may lack its /v1: {parts.scheme}:{here}{parts.path.rstrip('/')}/v1"
    return None
