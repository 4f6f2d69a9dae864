"""A small transport that keeps every promise, for others to break on purpose."""

import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from firecrawl_interact.adapters import SystemTime
from firecrawl_interact.adapters.http.framing import parse_response
from firecrawl_interact.core.transport import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)


class Wire:
    """A connection, and how far the call that has it is."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.process = os.getpid()
        self.deadline = 0.0
        self.received = b""
        self.usable_until = time.monotonic() + 30
        self.is_kept = self.is_reusable = False


class RightTransport(SystemTime):
    """A small transport that keeps every promise. The broken ones change a method or two."""

    bytes_at_once = 65536

    def __init__(self, api_url: str, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.url = urlsplit(api_url)
        self.ssl_context = ssl_context
        self.idle: list[Wire] = []
        self.is_closed = False

    def __reduce__(self) -> tuple[type["RightTransport"], tuple[str]]:
        return type(self), (self.url.geturl(),)

    def send(self, request: Request, timeout: float) -> Response:
        try:
            return self.exchange(request, time.monotonic() + timeout)
        except (TransportError, OSError, RuntimeError, ValueError) as error:
            raise self.report(error, request)  # noqa: B904 - some broken ones hide the cause

    def exchange(self, request: Request, deadline: float) -> Response:
        wire = self.wire(deadline)
        try:
            with self.on_time(wire):
                wire.sock.sendall(self.head(request))
            response = self.read(wire)
        except BaseException:
            self.end(wire)
            raise
        if wire.is_reusable and not self.is_closed:
            wire.is_kept = True
            self.idle.append(wire)
        else:
            self.end(wire)
        return response

    def report(self, error: Exception, request: Request) -> Exception:
        if isinstance(error, TransportError):
            return error
        lost = ConnectionLostError(f"the call broke: {error}")
        lost.__cause__ = error
        return lost

    def close(self) -> None:
        self.is_closed = True
        while self.idle:
            self.end(self.idle.pop())

    def end(self, wire: Wire) -> None:
        wire.sock.close()

    def wire(self, deadline: float) -> Wire:
        if self.is_closed:
            raise ConnectFailedError("closed", transient=False)
        while self.idle:
            wire = self.idle.pop()
            if self.is_usable(wire):
                break
            self.end(wire)
        else:
            wire = Wire(self.connect(deadline - time.monotonic()))
        wire.deadline, wire.received, wire.is_reusable = deadline, b"", False
        return wire

    def is_usable(self, wire: Wire) -> bool:
        if wire.process != os.getpid() or wire.usable_until <= time.monotonic():
            return False
        wire.sock.settimeout(0)
        try:
            wire.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def connect(self, timeout: float) -> socket.socket:
        try:
            sock = self.connected(time.monotonic() + timeout)
            if self.ssl_context is None:
                return sock
            with sock:  # On success there is nothing left in it to close.
                return self.ssl_context.wrap_socket(sock, server_hostname=self.url.hostname)
        except OSError as error:
            is_trusted = not isinstance(error, ssl.SSLCertVerificationError)
            is_transient = is_trusted and "WRONG_VERSION_NUMBER" not in str(error)
            raise ConnectFailedError(f"no connection: {error}", transient=is_transient) from error

    def connected(self, end: float) -> socket.socket:
        problem = OSError("a name without an address")
        addresses = self.addresses()
        while addresses:
            left = end - time.monotonic()
            timeout = max(self.share(left, len(addresses)), 0.001)
            try:
                return socket.create_connection(addresses.pop(0), timeout)
            except OSError as error:
                problem = error
        raise problem

    def addresses(self) -> list[tuple[str, int]]:
        found = socket.getaddrinfo(self.url.hostname, self.url.port, type=socket.SOCK_STREAM)
        return [(str(address[0]), int(address[1])) for *_, address in found]

    def share(self, seconds: float, addresses: int) -> float:
        return seconds / addresses

    def head(self, request: Request) -> bytes:
        path = self.url.path.rstrip("/") + request.path
        lines = [f"{request.method} {path} HTTP/1.1", f"Host: {self.url.netloc}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        return self.rewrite_head("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def rewrite_head(self, head: bytes) -> bytes:
        """Return what it sends: a right one sends what it was given."""
        return head

    def read(self, wire: Wire) -> Response:
        while True:
            with self.on_time(wire):
                if not (data := wire.sock.recv(self.bytes_at_once)):
                    raise self.lost(wire)
            wire.received += data
            if response := parse_response("DELETE", self.rewrite(wire.received)):
                wire.is_reusable = not response.ends_connection
                wire.usable_until = time.monotonic() + self.keep_seconds(response.headers)
                return Response(response.status, response.headers, response.body)

    def keep_seconds(self, headers: Mapping[str, str]) -> float:
        told = re.search("timeout=([0-9]+)", headers.get("keep-alive", ""))
        return int(told[1]) - 1 if told else 30

    def rewrite(self, received: bytes) -> bytes:
        """Return what it takes for the response: a right one takes what came."""
        return received

    @contextmanager
    def on_time(self, wire: Wire) -> Iterator[None]:
        try:
            wire.sock.settimeout(self.seconds_left(wire))
            yield
        except TimeoutError as error:
            raise TimedOutError("no time left") from error
        except OSError as error:
            raise self.lost(wire) from error

    def seconds_left(self, wire: Wire) -> float:
        if (seconds := wire.deadline - time.monotonic()) > 0:
            return seconds
        raise TimeoutError

    def lost(self, wire: Wire) -> ConnectionLostError:
        is_stale = wire.is_kept and not wire.received
        return ConnectionLostError("the connection ended early", stale=is_stale)
