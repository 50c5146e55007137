"""The guard that keeps all other tests on this machine does guard."""

import socket

import pytest
from offline import OffNetworkError
from server import ChatServer


def test_leaving_the_machine_raises() -> None:
    with socket.socket() as sock, pytest.raises(OffNetworkError):
        sock.connect(("192.0.2.1", 80))
    with socket.socket() as sock, pytest.raises(OffNetworkError):
        sock.connect_ex(("192.0.2.1", 80))
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(OffNetworkError):
        sock.sendto(b"", ("192.0.2.1", 53))
    with pytest.raises(OffNetworkError):
        socket.getaddrinfo("example.org", 80)


def test_loopback_does_not(server: ChatServer) -> None:
    port = int(server.url.split(":")[2].split("/")[0])
    with socket.create_connection(("localhost", port)):
        pass
