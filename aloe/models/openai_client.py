"""The HTTP client under ChatOpenAI, whose answers are read as those of `HttpChat` are.

The SDK accepts an answer of any length and trusts it. This client limits its size, raises what
`aloe.models.http_answer` finds wrong with it, and passes on what is usable. Streams, and errors
with their own status, are left to the SDK.
"""

import json
from typing import Any

import openai

from aloe.models.http_answer import (
    ENCODINGS,
    parse_completion,
    read_answer,
    read_bounded,
    unpack,
)

_OF_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")


class CheckedClient(openai.DefaultAsyncHttpxClient):
    """An HTTP client that checks what comes.

    Args:
        max_reply_bytes: of one answer, unpacked.
        given: passed on, such as `proxy`.
    """

    def __init__(self, max_reply_bytes: int, **given: Any) -> None:
        super().__init__(headers={"Accept-Encoding": ENCODINGS}, **given)
        self._most = max_reply_bytes

    async def send(self, request: Any, *, stream: bool = False, **given: Any) -> Any:
        """Send a request and return its answer, with a body that was checked."""
        response = await super().send(request, stream=True, **given)
        if stream:
            return response
        try:
            body = await read_bounded(response.aiter_raw(), self._most)
        finally:
            await response.aclose()
        body = unpack(body, response.headers.get("content-encoding", ""), self._most)
        if response.is_success:
            answer = read_answer(response.status_code, {}, body, self._most)
            if request.url.path.endswith("/chat/completions"):
                answer = parse_completion(answer)
            body = json.dumps(answer).encode()
        own = [(k, v) for k, v in response.headers.items() if k.lower() not in _OF_THE_BODY]
        return type(response)(response.status_code, headers=own, content=body, request=request)
