"""The server of `aloe view`: reads, never writes, and answers this machine only.

It listens on loopback. A page elsewhere could still have its name resolve to this address, so a
request must name the server by its own address; and since nothing but GET is answered, and nothing
lets another page read the answer, there is nothing to be had from a browser by trickery.
"""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from aloe.benchmark.run_pages import RunPages, ServedPage, explain_fault
from aloe.console import say_error
from aloe.errors import ConfigError
from aloe.page import SERVED_POLICY

HOST = "127.0.0.1"

HEADERS = {
    "Content-Security-Policy": SERVED_POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class RunServer(ThreadingHTTPServer):
    """Serves pages until it is closed.

    Args:
        pages: what to serve.
        port: to listen on; 0 for any that is free.

    Raises:
        ConfigError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, pages: RunPages, port: int = 0) -> None:
        self.pages = pages
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            reason = f"port {port} cannot be used ({error.strerror}); name another, or no --port"
            raise ConfigError(reason) from None

    @property
    def url(self) -> str:
        """Address of the list of runs."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def names(self) -> set[str]:
        """What a request may call this server."""
        return {f"{host}:{self.server_port}" for host in (HOST, "localhost")}

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a browser that hung up."""


class _Handler(BaseHTTPRequestHandler):
    server: RunServer
    server_version = "aloe"
    sys_version = ""

    def do_GET(self) -> None:
        """ServedPage with a page."""
        self._send(self._answer(), with_body=True)

    def do_HEAD(self) -> None:
        """ServedPage with what a page would be sent with."""
        self._send(self._answer(), with_body=False)

    def _answer(self) -> ServedPage:
        if self.headers.get("Host", "").lower() not in self.server.names:
            said = f"This server answers to {self.server.url} only.\n"
            return ServedPage(HTTPStatus.FORBIDDEN, said, "text/plain; charset=utf-8")
        parts = urlsplit(self.path)
        address, query = unquote(parts.path), dict(parse_qsl(parts.query))
        try:
            return self.server.pages.answer(address, query)
        except Exception as error:  # else the browser gets nothing, and nobody learns why
            line, page = explain_fault(address, error)
            say_error(line)
            return page

    def _send(self, answer: ServedPage, *, with_body: bool) -> None:
        body = answer.text.encode()
        self.send_response(answer.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: a page that asks every other second would fill the terminal."""
