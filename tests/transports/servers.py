"""The transports under test, and what they need beside the conformance kit's own server."""

import asyncio
import contextlib
import functools
import select
import socket
import ssl
import traceback
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import trustme

from firecrawl_interact import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction, FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import CHUNKED, sends_and_closes
from firecrawl_interact.core import Request, Response, TransportError

KEY = "fc-0123456789abcdef"
PATH = "/v2/interact/session-1"
HEADERS = {"Authorization": f"Bearer {KEY}", "Accept": "application/json"}
REQUEST = Request("DELETE", PATH, HEADERS)
OK = b"HTTP/1.1 200 OK\r\n"
ECHOES: dict[str, FaultFunction] = {
    "echoed without HTTP": sends_and_closes(KEY.encode() + b"\r\n\r\n"),
    "echoed as a header line": sends_and_closes(OK + KEY.encode() + b"\r\n\r\n"),
    "echoed as a chunk": sends_and_closes(CHUNKED + KEY.encode() + b"\r\n"),
}
PATIENCE = 5  # seconds for a request: no test hangs for ever

authority = functools.cache(trustme.CA)
HttpTransport: TypeAlias = Urllib3Transport | AsyncioTransport


@functools.cache
def server_tls(*hosts: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*(hosts or ("127.0.0.1", "::1", "localhost"))).configure_cert(context)
    return context


def http_2_tls() -> ssl.SSLContext:
    context = server_tls("127.0.0.1")
    context.set_alpn_protocols(["h2"])
    return context


@functools.cache
def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def tunnels(connection: Connection) -> None:
    """Accept a CONNECT, as a proxy does, and carry bytes both ways."""
    host, port = connection.read_request().rsplit(":", 1)
    with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as service:
        connection.sock.sendall(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
        ends = {connection.sock: service, service: connection.sock}
        while readable := select.select(list(ends), [], [], PATIENCE)[0]:
            for end in readable:
                data = end.recv(65536)
                if not data:
                    raise EOFError
                ends[end].sendall(data)


class Client:
    """A transport under test. What it awaits runs on an event loop of its own."""

    def __init__(self, transport: HttpTransport) -> None:
        self.transport = transport
        self._runner = asyncio.Runner()

    def send_request(self, request: Request, timeout: float = PATIENCE) -> Response:
        response = self.transport.send(request, timeout)
        return response if isinstance(response, Response) else self._runner.run(response)

    def send(self, path: str = PATH, timeout: float = PATIENCE) -> None:
        """Send a request, and check that its own response comes."""
        response = self.send_request(Request("DELETE", path, REQUEST.headers), timeout)
        assert path.encode() in response.body

    def fails(self, kind: type[TransportError], timeout: float = PATIENCE) -> TransportError:
        """Send a request, and return the error, which must be of exactly this kind."""
        with pytest.raises(TransportError) as caught:
            self.send(timeout=timeout)
        assert type(caught.value) is kind, caught.value
        return caught.value

    def close_transport(self) -> None:
        if isinstance(self.transport, Urllib3Transport):
            self.transport.close()
        else:
            self._runner.run(self.transport.aclose())

    def close(self) -> None:
        self.close_transport()
        self._runner.close()


class Net(contextlib.ExitStack):
    """The servers and clients of a test, which are all closed with it."""

    def __init__(self, transport_class: type[HttpTransport]) -> None:
        super().__init__()
        self.transport_class = transport_class

    def serve(self, *faults: FaultFunction, **options: Any) -> FaultServer:  # Any: as it takes them
        return self.enter_context(FaultServer(*faults, **options))

    def open(
        self, service: FaultServer | str, **settings: Any
    ) -> Client:  # Any: as a transport has
        """Make a client of a service. It trusts the certificates of the servers of tests."""
        url = service if isinstance(service, str) else service.api_url
        if url.startswith("https"):
            settings.setdefault("ssl_context", client_tls())
        client = Client(self.transport_class(url, **settings))
        self.callback(client.close)
        return client


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def look_up_gives(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Let the name service.example have these addresses, in this order."""
    look_up = socket.getaddrinfo
    kind = socket.AF_INET, socket.SOCK_STREAM, 0, ""
    addresses = [(*kind, ("127.0.0.1", port)) for port in ports]

    def give(host: str, *args: Any, **options: Any) -> object:  # Any: handed on as they came
        is_ours = host.startswith("service.example")
        return addresses if is_ours else look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", give)


class Unseen:
    """A variable of the program, at which the library never looks."""

    looks = 0

    def __repr__(self) -> str:
        Unseen.looks += 1
        return "Unseen()"


def has_a_bug(*given: object, **options: object) -> None:
    """Raise in a hook of the program, which has frames and variables of its own."""
    del given, options  # They may hold the key, and tests look for it in other frames.

    def fail(accept: str, row: Unseen) -> None:
        raise LookupError("a bug")

    Unseen.looks = 0
    fail("application/json", Unseen())


def bug() -> LookupError:
    """Return the error of a block that fails before its session is deleted."""
    with pytest.raises(LookupError) as caught:
        has_a_bug()
    return caught.value


BUG = ["has_a_bug", "fail"]  # its frames


def while_handling(error: Exception, call: Callable[[], object]) -> None:
    """Call something as a block does that has failed."""
    try:
        raise error
    except LookupError:
        call()


def names_in(error: BaseException) -> list[str]:
    """Return the functions of a traceback, from the outermost one."""
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]


def shown_by(error: BaseException) -> str:
    """What an error tracker can print: causes, contexts, and the locals of all their frames."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(report.format())
