"""Which web pages a server on loopback listens to: those of this machine and those it names.

A browser sends a request of any page to any address, and says in `Origin` whose page it was. What
has no origin is no page.
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class OwnPages:
    """An ASGI middleware that answers 403 to pages of others."""

    app: App
    also: Collection[str] = ()
    """Origins of pages elsewhere that are welcome."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        headers = dict(scope.get("headers", ()))
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not origin or origin in self.also or urlsplit(origin).hostname in HERE:
            return await self.app(scope, receive, send)
        text = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 403, "headers": text})
        await send({"type": "http.response.body", "body": b"this page may not use the server\n"})
        return None
