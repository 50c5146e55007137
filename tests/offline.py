"""Keeps every test off the network: importing this makes any socket that leaves the machine raise.

Child processes import it too, before the program (see `conftest.start`).
"""

import ipaddress
import os
import socket
from typing import Any

os.environ |= {
    "ANONYMIZED_TELEMETRY": "false",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGSMITH_TRACING": "false",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
}


class OffNetworkError(RuntimeError):
    """A test tried to leave the machine."""


def loopback(host: object) -> bool:
    """Whether `host`, a name or address, is this machine."""
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _guard(owner: Any, name: str, host: Any) -> None:
    real = getattr(owner, name)

    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not loopback(host(*args)):
            raise OffNetworkError(f"{name} to {host(*args)!r}: tests stay on this machine")
        return real(*args, **kwargs)

    setattr(owner, name, guarded)


def _peer(sock: socket.socket, *args: Any) -> object:
    on_network = sock.family in (socket.AF_INET, socket.AF_INET6)
    return args[-1][0] if on_network else "localhost"


for _method in ("connect", "connect_ex", "sendto"):
    _guard(socket.socket, _method, _peer)
_guard(socket, "getaddrinfo", lambda host, *_: host)
