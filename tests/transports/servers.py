"""Servers on this machine that misbehave on purpose, and the transports that send to them."""

import asyncio
import contextlib
import functools
import select
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import pytest
import trustme

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.core import Request, Response, TransportError

KEY = "fc-0123456789abcdef"
PATH = "/v2/interact/session-1"
REQUEST = Request("DELETE", PATH, {"Authorization": f"Bearer {KEY}"})
PATIENCE = 5  # seconds until a server ends a connection, so that no test hangs for ever

authority = functools.cache(trustme.CA)
HttpTransport: TypeAlias = Urllib3Transport | AsyncioTransport


@functools.cache
def server_tls(*hosts: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*(hosts or ("127.0.0.1", "::1", "localhost"))).configure_cert(context)
    return context


@functools.cache
def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def good_response(target: str, headers: str = "") -> bytes:
    """Return a response that names the target, so that each call can recognise its own."""
    body = f'{{"success":true,"target":"{target}"}}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return f"{head}{body}".encode()


class Connection:
    """An accepted connection, which a script of a test controls."""

    def __init__(self, server: "Server", sock: socket.socket, number: int) -> None:
        self.sock, self.number, self._server = sock, number, server
        self._received = b""

    def read_request(self) -> str:
        """Read a whole request, and return its target. `EOFError`: the client has closed."""
        while b"\r\n\r\n" not in self._received:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._received += data
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        self._server.requests.append(SeenRequest(self.number, head.decode("latin-1")))
        return head.decode("latin-1").split(" ")[1]

    def respond(self, headers: str = "", surplus: bytes = b"") -> None:
        """Read a request, and respond well to it."""
        self.sock.sendall(good_response(self.read_request(), headers) + surplus)

    def wait_for_end(self) -> None:
        while self.sock.recv(65536):
            pass

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class SeenRequest(NamedTuple):
    connection: int
    head: str

    def values(self, name: str) -> list[str]:
        lines = [line.partition(": ") for line in self.head.split("\r\n")[1:]]
        return [value for header, _, value in lines if header.lower() == name]


Script: TypeAlias = Callable[[Connection], object]


class Server:
    """A server whose connections meet one script each. What a script leaves open is served well."""

    def __init__(
        self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.requests: list[SeenRequest] = []
        self.threads: list[threading.Thread] = []  # one for each connection
        self._scripts, self._tls = scripts, tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.authority = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.url = f"http{'s' if tls else ''}://{self.authority}"
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for thread in self.threads:
            thread.join()

    def open_connections(self) -> int:
        """Count the connections that the client leaves open."""
        for thread in self.threads:
            thread.join(0.2)
        return sum(thread.is_alive() for thread in self.threads)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # It is closed.
            while True:
                sock, _ = self._listener.accept()
                sock.settimeout(PATIENCE)
                number = len(self.threads) + 1
                thread = threading.Thread(target=self._serve, args=(sock, number))
                self.threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            if self._tls:
                sock = stack.enter_context(self._tls.wrap_socket(sock, server_side=True))
            connection = Connection(self, sock, number)
            if number <= len(self._scripts):
                self._scripts[number - 1](connection)
            while True:
                connection.respond()


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

    def send_at_once(self, count: int) -> None:
        """Send so many requests side by side, and check that each gets its own response."""
        paths = [f"/v2/interact/{number}" for number in range(count)]
        if isinstance(self.transport, Urllib3Transport):
            with ThreadPoolExecutor(count) as threads:
                list(threads.map(self.send, paths))
        else:
            self._runner.run(self._send_at_once(self.transport, paths))

    async def _send_at_once(self, transport: AsyncioTransport, paths: list[str]) -> None:
        requests = [Request("DELETE", path, REQUEST.headers) for path in paths]
        calls = [transport.send(request, PATIENCE) for request in requests]
        for path, response in zip(paths, await asyncio.gather(*calls), strict=True):
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

    def serve(self, *scripts: Script, **options: Any) -> Server:  # Any: as `Server` takes them
        server = Server(*scripts, **options)
        self.callback(server.close)
        return server

    def open(self, service: Server | str, **settings: Any) -> Client:  # Any: as a transport has
        """Make a client of a service. It trusts the certificates of the servers of tests."""
        url = service if isinstance(service, str) else service.url
        if url.startswith("https"):
            settings.setdefault("ssl_context", client_tls())
        client = Client(self.transport_class(url, **settings))
        self.callback(client.close)
        return client


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Give a port on which a connect hangs: its queue of connections not yet accepted is full."""
    with contextlib.ExitStack() as waiting:
        listener = waiting.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


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


def shown_by(error: BaseException) -> str:
    """What an error tracker can print: causes, contexts, and the locals of all their frames."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(report.format())
