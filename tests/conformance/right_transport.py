"""A small transport that keeps every promise, for others to break on purpose."""

import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from firecrawl_interact.adapters import SystemTime
from firecrawl_interact.core.transport import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)


class Wire:
    """One connection, read within one deadline and within bounds."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.process = os.getpid()
        self.buffer = b""
        self.is_kept = False
        self.is_old = False  # HTTP/1.0: without chunks, and not kept

    def begin(self, deadline: float) -> None:
        self.deadline = deadline
        self.has_begun = False
        self.line_bytes = 0

    def seconds_left(self) -> float:
        if (seconds := self.deadline - time.monotonic()) > 0:
            return seconds
        raise TimeoutError

    def send(self, data: bytes) -> None:
        try:
            self.sock.settimeout(self.seconds_left())
            self.sock.sendall(data)
        except TimeoutError as error:
            raise TimedOutError("no time left") from error
        except OSError as error:
            raise self.lost() from error

    def receive(self) -> None:
        try:
            self.sock.settimeout(self.seconds_left())
            data = self.sock.recv(65536)
        except TimeoutError as error:
            raise TimedOutError("no time left") from error
        except OSError as error:
            raise self.lost() from error
        if not data:
            raise self.lost()
        self.has_begun = True
        self.buffer += data

    def line(self) -> str:
        while b"\n" not in self.buffer and len(self.buffer) <= 65536:
            self.receive()
        line, _, self.buffer = self.buffer.partition(b"\n")
        self.line_bytes += len(line)
        if len(line) > 65536 or self.line_bytes > 100_000:
            raise BadResponseError("too much before the body")
        return self.without_end(line).decode("latin-1")

    def without_end(self, line: bytes) -> bytes:
        if not line.endswith(b"\r"):
            raise BadResponseError("a line that ends with a bare LF")
        return line[:-1]

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.receive()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def lost(self) -> ConnectionLostError:
        is_stale = self.is_kept and not self.has_begun
        return ConnectionLostError("the connection ended early", stale=is_stale)

    def is_usable(self) -> bool:
        if self.buffer or self.process != os.getpid():
            return False
        self.sock.settimeout(0)
        try:
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False


class RightTransport(SystemTime):
    """A small transport that keeps every promise. The broken ones change a method or two."""

    wire_class = Wire
    most_interim_responses = 8

    def __init__(self, api_url: str, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.url = urlsplit(api_url)
        self.ssl_context = ssl_context
        self.idle: list[Wire] = []
        self.is_closed = False

    def __reduce__(self) -> tuple[type["RightTransport"], tuple[str]]:
        return type(self), (self.url.geturl(),)

    def send(self, request: Request, timeout: float) -> Response:
        wire = self.wire(time.monotonic() + timeout)
        try:
            wire.send(self.head(request))
            response = self.read(wire)
        except (OSError, RuntimeError, ValueError) as error:
            self.end(wire)
            raise self.unknown(error) from error
        except BaseException:
            self.end(wire)
            raise
        if self.may_keep(wire, response):
            wire.is_kept = True
            self.idle.append(wire)
        else:
            self.end(wire)
        return response

    def unknown(self, error: Exception) -> TransportError:
        return ConnectionLostError(f"the call broke: {error}")

    def may_keep(self, wire: Wire, response: Response) -> bool:
        says_close = "close" in response.headers.get("connection", "")
        return not (wire.buffer or wire.is_old or says_close or self.is_closed)

    def close(self) -> None:
        self.is_closed = True
        while self.idle:
            self.end(self.idle.pop())

    def wire(self, deadline: float) -> Wire:
        if self.is_closed:
            raise ConnectFailedError("closed", transient=False)
        while self.idle:
            wire = self.idle.pop()
            if wire.is_usable():
                wire.begin(deadline)
                return wire
            self.end(wire)
        wire = self.wire_class(self.connect(deadline - time.monotonic()))
        wire.begin(deadline)
        return wire

    def connect(self, timeout: float) -> socket.socket:
        host = self.url.hostname or ""
        try:
            sock = connected(host, self.url.port, timeout)
            if self.ssl_context is None:
                return sock
            with sock:  # On success there is nothing left in it to close.
                return self.ssl_context.wrap_socket(sock, server_hostname=host)
        except OSError as error:
            is_trusted = not isinstance(error, ssl.SSLCertVerificationError)
            is_transient = is_trusted and "WRONG_VERSION_NUMBER" not in str(error)
            raise ConnectFailedError(f"no connection: {error}", transient=is_transient) from error

    def end(self, wire: Wire) -> None:
        wire.sock.close()

    def head(self, request: Request) -> bytes:
        path = self.url.path.rstrip("/") + request.path
        lines = [f"{request.method} {path} HTTP/1.1", f"Host: {self.url.netloc}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def read(self, wire: Wire) -> Response:
        for _ in range(self.most_interim_responses + 1):
            status = self.status(wire)
            headers = self.headers(wire)
            if status >= 200:
                return Response(status, headers, self.body(wire, status, headers))
            if status == 101:
                break
        raise BadResponseError("no final response")

    def status(self, wire: Wire) -> int:
        while len(wire.buffer) < 7:
            wire.receive()
        if wire.buffer.startswith(b"HTTP/1."):
            line = re.fullmatch(r"HTTP/1\.([01]) ([1-5][0-9]{2})( .*)?", wire.line())
            if line:
                wire.is_old = line[1] == "0"
                return int(line[2])
        raise BadResponseError("no HTTP/1")

    def headers(self, wire: Wire) -> dict[str, str]:
        headers: dict[str, str] = {}
        name = ""
        for _ in range(101):
            if not (line := wire.line()):
                return headers
            if name and line[0] in " \t":
                headers[name] += f" {line.strip()}"
                continue
            header = re.fullmatch(r"([\w!#$%&'*+.^`|~-]+):[ \t]*([^\0\r\n]*?)[ \t]*", line)
            if header is None:
                raise BadResponseError("no header")
            name, value = header[1].lower(), header[2]
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        raise BadResponseError("too many headers")

    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get("content-encoding", "identity") != "identity":
            raise BadResponseError("coded")
        length = headers.get("content-length")
        if headers.get("transfer-encoding") == "chunked" and length is None and not wire.is_old:
            return b"".join(self.chunks(wire))
        if length is None or not re.fullmatch("[0-9]+", length) or "transfer-encoding" in headers:
            raise BadResponseError(f"no clear length under status {status}")
        self.check_size(int(length[:18]))
        return wire.exactly(int(length))

    def chunks(self, wire: Wire) -> Iterator[bytes]:
        total = 0
        while size_line := re.fullmatch("([0-9A-Fa-f]{1,8})(;.*)?", wire.line()):
            size = int(size_line[1], 16)
            if not size:
                self.headers(wire)
                return
            total += size
            self.check_size(total)
            yield wire.exactly(size)
            if wire.exactly(2) != b"\r\n":
                break
        raise BadResponseError("no chunk")

    def check_size(self, size: int) -> None:
        if size > MAX_BODY_BYTES:
            raise BadResponseError("too large")


def connected(host: str, port: int | None, timeout: float) -> socket.socket:
    end = time.monotonic() + timeout
    problem = OSError("a name without an address")
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            share = (end - time.monotonic()) / (len(addresses) - number)
            sock.settimeout(max(share, 0.001))
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    raise problem
