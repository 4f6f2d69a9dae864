"""Both transports, driven alike by the kit's driver, and a port that nobody serves."""

import socket
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance.driver import Driver
from firecrawl_interact.core import Response, TransportError

PATH = "/v2/interact/session-1"
TransportClass: TypeAlias = type[Urllib3Transport] | type[AsyncioTransport]
OpenTransport: TypeAlias = Callable[..., Driver]
"""Makes the transport under test from its arguments. It is closed when the test ends."""

_Error = TypeVar("_Error", bound=TransportError)


def send(driver: Driver, timeout: float = 5, path: str = PATH) -> Response:
    """Send a request, and return the response, which must be its own."""
    outcome = driver.send(path, timeout)
    assert isinstance(outcome, Response), outcome
    assert path.encode() in outcome.body
    return outcome


def failure(driver: Driver, kind: type[_Error], timeout: float = 5) -> _Error:
    """Send a request, and return the error, which must be of exactly this kind."""
    outcome = driver.send(PATH, timeout)
    assert type(outcome) is kind, outcome
    return outcome


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
