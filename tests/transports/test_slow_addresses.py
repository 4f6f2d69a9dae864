"""A name with several addresses, of which the first ones take no connection."""

import socket
from collections.abc import Iterator

import pytest

from firecrawl_interact.adapters.conformance.server import FaultServer
from firecrawl_interact.core import ConnectFailedError

from .driven import OpenTransport, closed_port, failure, send

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def hanging_port() -> Iterator[int]:
    """A port that drops whoever wants to connect: its queue is full."""
    with FaultServer(listening=False) as server:
        waiting = server.fill_backlog()
        if not waiting:
            pytest.skip("a port whose queue is full can be connected to, here")
        yield server.port
        for sock in waiting:
            sock.close()
        server.listen()


def has_addresses(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Let every name have addresses of this machine, with these ports."""
    kind = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
    addresses = [(*kind, ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)


def test_addresses_that_hang_leave_time_for_the_last_one(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch, hanging_port: int
) -> None:
    with FaultServer() as server:
        has_addresses(monkeypatch, hanging_port, closed_port(), hanging_port, server.port)
        send(open_transport("http://localhost", connect_timeout=1))


def test_a_name_whose_addresses_all_refuse_is_not_connected_to(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_addresses(monkeypatch, closed_port(), closed_port())
    error = failure(open_transport("http://localhost"), ConnectFailedError)
    assert isinstance(error.__cause__, OSError)
