"""Both transports, driven alike by the kit's driver; a proxy, and a port that nobody serves."""

import select
import socket
import threading
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.adapters.conformance.driver import Driver
from firecrawl_interact.adapters.conformance.harness import require_own
from firecrawl_interact.adapters.conformance.server import (
    PATIENCE,
    Connection,
    FaultFunction,
    FaultServer,
)
from firecrawl_interact.core import TransportError

PATH = "/v2/interact/session-1"
TransportClass: TypeAlias = type[Urllib3Transport] | type[AsyncioTransport]


# Any: whatever a transport takes.
def settings_for(service: FaultServer | str, **settings: Any) -> dict[str, Any]:
    """The arguments of a transport to a service, with a proxy if that is given.

    It trusts the certificates of servers that are given as such.
    """
    for name, server in (("api_url", service), ("proxy", settings.get("proxy"))):
        settings[name] = server
        if isinstance(server, FaultServer):
            settings[name] = server.api_url
            if server.api_url.startswith("https"):
                settings["ssl_context"] = certificates.client_context()
    return settings


class Wire(ExitStack):
    """The servers of a test and the transports under test, which are all closed with it."""

    def __init__(self, transport_class: TransportClass) -> None:
        super().__init__()
        self.transport_class = transport_class

    def serve(self, *faults: FaultFunction | None, **options: Any) -> FaultServer:
        return self.enter_context(FaultServer(*faults, **options))

    def open(self, service: FaultServer | str, **settings: Any) -> Driver:
        driver = Driver(self.transport_class(**settings_for(service, **settings)))
        self.callback(driver.close)
        return driver


def look_up_gives(monkeypatch: pytest.MonkeyPatch, *servers: FaultServer) -> None:
    """Let each look-up of a name give the addresses of these servers, in this order."""
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        for server in servers
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)


def send(driver: Driver, timeout: float = 5, path: str = PATH) -> None:
    """Send a request, and check that its own response comes."""
    require_own(driver.send(path, timeout), path)


def failure(driver: Driver, kind: type[TransportError], timeout: float = 5) -> TransportError:
    """Send a request, and return the error, which must be of exactly this kind."""
    outcome = driver.send(PATH, timeout)
    assert isinstance(outcome, TransportError)
    assert type(outcome) is kind, outcome
    return outcome


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Tunnel:
    """Accepts a CONNECT and carries bytes, once `is_slow` a byte at a time.

    One thread carries both ways: two at once break a connection over TLS now and then.
    """

    def __init__(self) -> None:
        self.is_slow = threading.Event()

    def __call__(self, connection: Connection) -> None:
        host, port = connection.read_request().rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), 10) as service:
            connection.send(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
            both: list[Connection | socket.socket] = [connection, service]
            while readable := select.select(both, [], [], PATIENCE)[0]:
                if connection in readable:
                    service.sendall(connection.receive())
                if service in readable:
                    self._carry_back(service.recv(65536), connection)
        raise EOFError

    def _carry_back(self, data: bytes, connection: Connection) -> None:
        if not data:
            raise EOFError
        if self.is_slow.is_set():
            connection.drip(data)
        else:
            connection.send(data)
