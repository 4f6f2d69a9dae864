"""The environment of a case: a service that can fail, and the transport under test."""

import os
import traceback
import unittest
import unittest.mock
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Literal, Self, TypeAlias

from firecrawl_interact.core.transport import Response, TransportError

from ..fakes.service import FakeService
from ..fakes.service.faults import Fault as MemoryFault
from . import certificates
from .driver import KEY, AnyTransport, Driver, Kind
from .expectations import (
    ERROR_KINDS,
    BrokenPromiseError,
    Failure,
    Result,
    Severity,
    describe,
    require,
    require_response,
    severity_of,
)
from .server import FaultFunction, FaultServer, SeenRequest

Channel: TypeAlias = Literal["http", "https", "memory"]
MakeTransport: TypeAlias = Callable[..., AnyTransport]

KINDS: frozenset[Kind] = frozenset({"blocking", "async"})
NOTICE = 0.1
"""Seconds until a transport must have noticed what happens on an idle connection."""

_LONGEST_MESSAGE = 1000  # characters
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class MemoryService:
    """A `FakeService` that lists its requests as a `FaultServer` does.

    Its page for an unknown route names the path, so that each call can recognise its response.
    """

    def __init__(self, fault: MemoryFault | None) -> None:
        self.fake: FakeService = FakeService(api_keys=())
        if fault is not None:
            self.fake.queue(fault)

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests that reached it. The fake never shows their credentials."""
        return [SeenRequest(0, f"{seen.method} {seen.path} -") for seen in self.fake.requests]


Service: TypeAlias = FaultServer | MemoryService


class Harness(ExitStack):
    """The services and transports of one case, which are all closed when it is over."""

    def __init__(
        self, make_transport: MakeTransport, over: Channel, kinds: frozenset[Kind] = KINDS
    ) -> None:
        super().__init__()
        self.over = over
        self._make_transport = make_transport
        self._kinds = kinds
        self._paths = 0

    def __enter__(self) -> Self:
        self.enter_context(environment(dict.fromkeys(_PROXY_VARIABLES)))
        return self

    def make_another(self) -> "Harness":
        """Make another harness like this one."""
        return Harness(self._make_transport, self.over, self._kinds)

    def make_path(self) -> str:
        """Return a path that no other request of the case has."""
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
        """Start the service for this way. Its first connection or request meets the fault."""
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
        server = FaultServer(fault, tls=tls, in_handshake=in_handshake, listening=listening)
        return self.enter_context(server)

    def make_transport(self, service: Service, *, api_url: str | None = None) -> Driver:
        """Make the transport under test, bound to a service.

        Raises:
            unittest.SkipTest: the case is not about this kind of transport.
        """
        if isinstance(service, MemoryService):
            return self.drive(self._make_transport(service.fake))
        tls = {"ssl_context": certificates.client_context()} if self.over == "https" else {}
        return self.drive(self._make_transport(api_url or service.api_url, **tls))

    def drive(self, transport: AnyTransport) -> Driver:
        """Drive a transport until the case is over."""
        driver = Driver(transport)
        self.callback(driver.close)
        if driver.kind not in self._kinds:
            raise unittest.SkipTest(f"this is not about transports of the kind {driver.kind}")
        return driver

    def require_failure(self, result: Result, *expected: Failure) -> None:
        """Check that a call failed in one of these ways, and that its error is a good one."""
        matching = [failure for failure in expected if failure.matches(result)]
        if isinstance(result, Response) or not matching:
            wanted = " or ".join(map(str, expected))
            was_sent = any(failure.kind.sent for failure in expected)
            raise BrokenPromiseError(
                f"instead of {wanted}: {describe(result)}", severity_of(result, was_sent=was_sent)
            )
        kinds = [kind for kind in ERROR_KINDS if isinstance(result, kind)]
        sent = kinds[0].sent
        little = severity_of(result, was_sent=sent)
        require(
            len(kinds) == 1, f"an error of {len(kinds)} kinds at once: {describe(result)}", little
        )
        require(result.sent is sent, f"a {kinds[0].__name__} that says sent={result.sent}", little)
        # In memory an error has no library's error as its cause, nor may a reset over TLS.
        has_cause = self.over == "http" or (self.over == "https" and not sent)
        if has_cause and all(failure.caused for failure in matching):
            require(
                result.__cause__ is not None,
                f"an error without its __cause__: {describe(result)}",
                little,
            )
        length = len(str(result))
        require(0 < length <= _LONGEST_MESSAGE, f"a message of {length} characters", little)
        require_no_key(result)

    def require_healthy(self, driver: Driver, service: Service, *avoided: int) -> SeenRequest:
        """Check that the next call gets its own response, and return its request.

        It must not reuse the connections of these numbers.
        """
        path = self.make_path()
        require_own(driver.send(path), path, "the next call")
        request = require_one_request(service, path)
        require(
            self.over == "memory" or request.connection not in avoided,
            "the next call went over a connection that must not be used again",
            Severity.MAY_LOSE_SESSIONS,
        )
        return request


def require_no_key(result: TransportError) -> None:
    """Check that neither an error nor what caused it shows the key, and name what does."""
    error: BaseException | None = result
    place = ""
    while error is not None:
        shown = f"{error!r} {error} {error.args!r} {getattr(error, '__notes__', '')}"
        name = f"{type(error).__name__}{place}"
        require(
            KEY not in shown,
            f"the API key in the text of {name}: {shown.replace(KEY, '***')[:200]}",
            Severity.MAY_LOSE_SESSIONS,
        )
        place = f", which is the cause or context of {name}"
        error = error.__cause__ or error.__context__
    traced = "".join(traceback.format_exception(result))
    require(KEY not in traced, "the API key in a traceback", Severity.MAY_LOSE_SESSIONS)


def require_own(result: Result, path: str, call: str = "the call") -> Response:
    """Check that a result is the response to the request for this path, and return it."""
    response = require_response(result, call)
    require(
        path.encode() in response.body,
        f"{call} got a response that is not its own: {response.body[:200]!r}",
        Severity.MAY_LOSE_SESSIONS,
    )
    return response


def requests_for(service: Service, path: str) -> list[SeenRequest]:
    """Return the requests for a path that reached the service."""
    return [request for request in service.requests if request.target.endswith(path)]


def require_one_request(service: Service, path: str) -> SeenRequest:
    """Check that exactly one request for a path reached the service, and return it."""
    requests = requests_for(service, path)
    require(
        len(requests) == 1,
        f"{len(requests)} requests reached the service for one call",
        Severity.MAY_LOSE_SESSIONS,
    )
    return requests[0]


@contextmanager
def environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set or remove environment variables, in upper and lower case, while a block lasts."""
    with unittest.mock.patch.dict(os.environ):
        for name, value in variables.items():
            for spelled in (name.lower(), name.upper()):
                os.environ.pop(spelled, None)
                if value is not None:
                    os.environ[spelled] = value
        yield
