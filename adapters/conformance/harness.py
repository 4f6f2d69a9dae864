"""What a case is played on: a service that can fail, and the transport under test."""

import os
import unittest
import unittest.mock
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Literal, Protocol, Self, TypeAlias

from firecrawl_interact.core.transport import Response

from ..fake_service import FakeService
from ..fake_service.faults import Fault as MemoryFault
from . import certificates
from .driver import KEY, AnyTransport, Driver, Kind
from .expectations import Failure, Result, require, require_failure, require_response
from .server import FaultFunction, FaultServer, SeenRequest

Channel: TypeAlias = Literal["http", "https", "memory"]
MakeTransport: TypeAlias = Callable[..., AnyTransport]

KINDS: frozenset[Kind] = frozenset({"blocking", "async"})
NOTICE = 0.1
"""Seconds that a transport gets to notice what happens on an idle connection."""

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Service(Protocol):
    """What a case asks of a service, over a socket or in memory."""

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests that reached it."""


class MemoryService:
    """A `FakeService` that lists its requests as a `FaultServer` does.

    Its response to a route that it does not know is a page that names the path. So each call
    can recognise its own response.
    """

    def __init__(self, fault: MemoryFault | None) -> None:
        self.fake: FakeService = FakeService(api_keys=())
        if fault is not None:
            self.fake.queue(fault)

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests that reached it. The fake never shows their credentials."""
        return [SeenRequest(0, f"{seen.method} {seen.path} -") for seen in self.fake.requests]


class Harness:
    """A place to play one case: services and transports, all closed when it is over.

    Args:
        make_transport: makes the transport under test.
        over: the way to the service.
        kinds: the kinds of transport that the case is about.
    """

    def __init__(
        self, make_transport: MakeTransport, over: Channel, kinds: frozenset[Kind] = KINDS
    ) -> None:
        self.over = over
        self._make_transport = make_transport
        self._kinds = kinds
        self._stack = ExitStack()
        self._paths = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(environment(dict.fromkeys(_PROXY_VARIABLES)))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def make_another(self) -> "Harness":
        """Make a harness like this one, to be closed on its own."""
        return Harness(self._make_transport, self.over, self._kinds)

    def make_path(self) -> str:
        """Make up a path that no other request of the case has."""
        self._paths += 1
        return f"/v2/echo/call-{self._paths:04}"

    def start_service(
        self,
        fault: FaultFunction | None = None,
        *,
        in_memory: MemoryFault | None = None,
        in_handshake: bool = False,
        listening: bool = True,
    ) -> Service:
        """Start the service that belongs to this way, with a fault for the first to come."""
        if self.over == "memory":
            return MemoryService(in_memory)
        return self.start_server(fault, in_handshake=in_handshake, listening=listening)

    def start_server(
        self,
        fault: FaultFunction | None = None,
        *,
        in_handshake: bool = False,
        listening: bool = True,
    ) -> FaultServer:
        """Start a server on a socket. Its first connection meets the fault."""
        tls = certificates.trusted() if self.over == "https" else None
        faults = () if fault is None else (fault,)
        server = FaultServer(*faults, tls=tls, in_handshake=in_handshake, listening=listening)
        return self._stack.enter_context(server)

    def make_transport(self, service: Service, *, api_url: str | None = None) -> Driver:
        """Make the transport under test, bound to a service.

        Raises:
            unittest.SkipTest: the case is not about this kind of transport.
        """
        if isinstance(service, FaultServer):
            api_url = api_url or service.api_url
        if isinstance(service, MemoryService):
            transport = self._make_transport(service.fake)
        elif self.over == "https":
            transport = self._make_transport(api_url, ssl_context=certificates.client_context())
        else:
            transport = self._make_transport(api_url)
        return self.drive(transport)

    def drive(self, transport: AnyTransport) -> Driver:
        """Drive a transport until the case is over."""
        driver = Driver(transport)
        self._stack.callback(driver.close)
        if driver.kind not in self._kinds:
            raise unittest.SkipTest(f"this is not about transports of the kind {driver.kind}")
        return driver

    def require_failure(self, result: Result, *expected: Failure) -> None:
        """Check that a call failed in one of the ways expected."""
        # In memory no library is behind an error. TLS may show a reset as a mere end.
        sent = any(failure.kind.sent for failure in expected)
        has_library = self.over == "http" or (self.over == "https" and not sent)
        require_failure(result, *expected, key=KEY, has_library=has_library)

    def require_healthy(
        self, driver: Driver, service: Service, *, avoiding: frozenset[int] = frozenset()
    ) -> SeenRequest:
        """Check that the next call gets its own response, and return its request.

        Args:
            driver: the transport.
            service: where it leads to.
            avoiding: numbers of connections that it must not use again.
        """
        path = self.make_path()
        require_own(driver.send(path), path, "the next call")
        request = require_one_request(service, path)
        require(
            self.over == "memory" or request.connection not in avoiding,
            "the next call went over a connection that must not be used again",
        )
        return request


def require_own(result: Result, path: str, call: str = "the call") -> Response:
    """Check that a result is the response to the request for this path, and return it."""
    response = require_response(result, call)
    require(
        path.encode() in response.body,
        f"{call} got a response that is not its own: {response.body[:200]!r}",
    )
    return response


def requests_for(service: Service, path: str) -> list[SeenRequest]:
    """Return the requests for a path that reached the service."""
    return [request for request in service.requests if request.target.endswith(path)]


def require_one_request(service: Service, path: str) -> SeenRequest:
    """Check that exactly one request for a path reached the service, and return it."""
    requests = requests_for(service, path)
    require(len(requests) == 1, f"{len(requests)} requests reached the service for one call")
    return requests[0]


@contextmanager
def environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables of the environment in both cases, or take them out of it, for a while."""
    with unittest.mock.patch.dict(os.environ):
        for name, value in variables.items():
            for spelled in (name.lower(), name.upper()):
                os.environ.pop(spelled, None)
                if value is not None:
                    os.environ[spelled] = value
        yield
