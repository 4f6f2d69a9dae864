"""A name with several addresses, of which the first ones take no connection (RFC 8305)."""

import socket
import time
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


def test_an_address_that_hangs_costs_at_most_a_second(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch, hanging_port: int
) -> None:
    with FaultServer() as server:
        has_addresses(monkeypatch, hanging_port, server.port)
        before = time.monotonic()
        send(open_transport("http://localhost"))
        assert time.monotonic() - before < 1


def test_addresses_that_refuse_cost_no_wait(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as server:
        has_addresses(monkeypatch, *[closed_port() for _ in range(5)], server.port)
        before = time.monotonic()
        send(open_transport("http://localhost"))
        assert time.monotonic() - before < 1


def test_each_address_has_its_turn_in_a_short_time_too(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch, hanging_port: int
) -> None:
    with FaultServer() as server:
        has_addresses(monkeypatch, *[hanging_port] * 3, server.port)
        send(open_transport("http://localhost", connect_timeout=1))


def test_a_name_whose_addresses_all_refuse_is_not_connected_to(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_addresses(monkeypatch, closed_port(), closed_port())
    error = failure(open_transport("http://localhost"), ConnectFailedError)
    assert isinstance(error.__cause__, OSError)
