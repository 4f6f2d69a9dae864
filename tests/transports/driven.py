"""Both transports, driven alike by the kit's driver; a proxy, and a port that nobody serves."""

import socket
import threading
from collections.abc import Callable
from typing import TypeAlias

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance.driver import Driver
from firecrawl_interact.adapters.conformance.server import Connection
from firecrawl_interact.core import Response, TransportError

PATH = "/v2/interact/session-1"
TransportClass: TypeAlias = type[Urllib3Transport] | type[AsyncioTransport]
OpenTransport: TypeAlias = Callable[..., Driver]
"""Makes the transport under test from its arguments. It is closed when the test ends."""


def send(driver: Driver, timeout: float = 5, path: str = PATH) -> Response:
    """Send a request, and return the response, which must be its own."""
    outcome = driver.send(path, timeout)
    assert isinstance(outcome, Response), outcome
    assert path.encode() in outcome.body
    return outcome


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
    """Accepts a CONNECT and carries bytes, once `is_slow` a byte at a time."""

    def __init__(self) -> None:
        self.is_slow = threading.Event()

    def __call__(self, connection: Connection) -> None:
        host, port = connection.read_request().rsplit(":", 1)
        with socket.create_connection((host, int(port)), 10) as service:
            connection.send(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
            back = threading.Thread(target=self._carry_back, args=(service, connection))
            back.start()
            try:
                while True:
                    service.sendall(connection.receive())
            finally:
                service.shutdown(socket.SHUT_RDWR)
                back.join()

    def _carry_back(self, service: socket.socket, connection: Connection) -> None:
        try:
            while data := service.recv(65536):
                carry = connection.drip if self.is_slow.is_set() else connection.send
                carry(data)
        except OSError:
            pass  # The client has left.
        connection.abort()
