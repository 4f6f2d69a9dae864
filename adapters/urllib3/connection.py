"""The connections of `Urllib3Transport`: strict, with one deadline, and with the port's errors.

urllib3 reads responses with http.client, which is lenient, and does not always say whether a
connection failed before or after the request went out. Here `ResponseParser` reads the whole
response before urllib3 sees it.
"""

import io
import socket
import ssl
from contextvars import ContextVar
from http.client import HTTPMessage, HTTPResponse
from time import monotonic
from types import SimpleNamespace
from typing import Any

import urllib3

# vcrpy replaces these names in urllib3.connection while it records; here they stay.
from urllib3.connectionpool import (  # type: ignore[attr-defined]  # imported there, not exported
    HTTPConnection,
    HTTPSConnection,
)
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssltransport import SSLTransport

from firecrawl_interact.core.transport import ConnectFailedError

from ..http.errors import no_connection, no_whole_response, refused_tunnel
from ..http.framing import ParsedResponse, ResponseParser
from ..http.transport import LONGEST_IDLE

_RECEIVED_AT_ONCE = 16 * 1024  # A whole TLS record, so that no byte of it stays unread.


class Attempt:
    """One request: its target, which is sent as it is, and its deadline, `timeout` seconds away."""

    def __init__(self, target: str, timeout: float) -> None:
        self.target = target
        self.deadline: float = monotonic() + timeout  # While connecting, the deadline of that.
        self.is_kept: bool = False  # whether its connection was used before
        self.may_be_sent: bool = False

    def seconds_left(self) -> float:
        """Return the seconds that are left, or raise a `TimeoutError`."""
        seconds = self.deadline - monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds


ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")
"""The attempt of this thread. urllib3 cannot pass it to its connections."""


_NO_FILE = SimpleNamespace(makefile=lambda mode: io.BytesIO())  # http.client reads nothing from it.


class _Response(HTTPResponse):
    """One response. `begin` receives all of it, and urllib3 then reads it from memory."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str = "GET") -> None:
        super().__init__(_NO_FILE, debuglevel, method)  # type: ignore[arg-type]  # all that it needs of a socket
        self._sock, self._request_method = sock, method

    def begin(self) -> None:
        response = _receive(self._sock, self._request_method)
        self.version, self.status, self.reason = response.version, response.status, response.reason
        self.code, self.length, self.chunked = response.status, len(response.body), False
        self.will_close = response.ends_connection
        self.headers = self.msg = HTTPMessage()
        for name, value in response.headers.items():
            self.msg.set_raw(name, value)
        self.fp = io.BytesIO(response.body)  # type: ignore[assignment]  # read like the socket's

    def _read_status(self) -> tuple[str, int, str]:
        """Receive the response to CONNECT. http.client calls this method for nothing else."""
        response = _receive(self._sock, "CONNECT")
        if not 200 <= response.status < 300:
            raise refused_tunnel(response.status)
        self.fp = io.BytesIO(b"\r\n")  # type: ignore[assignment]  # the end of the head, which http.client still reads
        self._sock.settimeout(ATTEMPT.get().seconds_left())
        return "HTTP/1.1", 200, response.reason


def _receive(sock: socket.socket, method: str) -> ParsedResponse:
    """Receive the whole response to a request of this method."""
    attempt, parser = ATTEMPT.get(), ResponseParser(method)
    try:
        while parser.response is None:
            sock.settimeout(attempt.seconds_left())
            data = sock.recv(_RECEIVED_AT_ONCE)
            if not data:
                raise no_whole_response(None, parser, is_kept=attempt.is_kept)
            parser.feed(data)
    except OSError as error:
        raise no_whole_response(error, parser, is_kept=attempt.is_kept) from error
    return parser.response


class _StrictHTTPConnection(HTTPConnection):
    """A connection with the port's errors, that is closed unless it is certainly reusable."""

    response_class = _Response
    _idle_since = 0.0  # 0: it had no response yet

    def connect(self) -> None:
        """Connect in `timeout` seconds, through the proxy and with TLS if there are any."""
        self._idle_since = 0.0
        attempt = ATTEMPT.get()
        deadline = attempt.deadline
        attempt.deadline = min(deadline, monotonic() + (self.timeout or 0))
        try:
            super().connect()
        except ConnectFailedError:
            raise
        except Exception as error:
            raise no_connection(self._peer(), error) from error
        finally:
            attempt.deadline = deadline

    def _peer(self) -> str:
        if not self.proxy:
            return f"{self.host}:{self.port}"
        service = f"{self._tunnel_host} through " if self.has_connected_to_proxy else ""
        return f"{service}the proxy {self.host}:{self.port}"

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that accepts. Each gets an equal share of the time."""
        # No timeout applies here: the system's resolver has its own.
        host, family = self._dns_host.strip("[]"), allowed_gai_family()
        addresses = socket.getaddrinfo(host, self.port, family, socket.SOCK_STREAM)
        attempt = ATTEMPT.get()
        for waiting in range(len(addresses), 0, -1):
            family, kind, protocol, _, address = addresses[-waiting]
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(attempt.seconds_left() / waiting)
                sock.connect(address)
                sock.settimeout(attempt.seconds_left())
            except BaseException as error:
                sock.close()
                if waiting == 1 or not isinstance(error, OSError):
                    raise
            else:
                return sock
        raise OSError("its name has no address")

    @property
    def is_connected(self) -> bool:
        """Whether the next request may use this connection."""
        # TLS inside TLS does not show whether surplus bytes wait.
        if self.sock is None or isinstance(self.sock, SSLTransport):
            return False
        return monotonic() - self._idle_since <= LONGEST_IDLE and super().is_connected

    def request(self, method: str, url: str, *body: Any, **options: Any) -> None:  # Any: passed on
        """Send a request for the attempt's target: urllib3 would change %2e to %2E."""
        attempt = ATTEMPT.get()
        if self.sock is None:
            self.connect()
        attempt.is_kept = self._idle_since > 0
        attempt.may_be_sent = True
        super().request(method, attempt.target, *body, **options)

    def send(self, data: bytes) -> None:  # type: ignore[override]  # nothing else here
        """Send the head of a request, or of a CONNECT."""
        attempt = ATTEMPT.get()
        try:
            self.sock.settimeout(attempt.seconds_left())
            self.sock.sendall(data)
        except OSError as error:
            raise no_whole_response(error, None, is_kept=attempt.is_kept) from error

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3
        """Wait for the response, and read it whole."""
        response = super().getresponse()
        self._idle_since = monotonic()
        return response


class _StrictHTTPSConnection(_StrictHTTPConnection, HTTPSConnection):
    """The same, with TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        proxied = super()._connect_tls_proxy(hostname, sock)
        return proxied if self.proxy_is_forwarding else _TimedSocket(proxied)  # type: ignore[return-value]  # acts like it


class _TimedSocket:
    """TLS to a proxy, around TLS to the service: one read there needs several reads here."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock

    def recv(self, size: int) -> bytes:
        self._sock.settimeout(ATTEMPT.get().seconds_left())
        return self._sock.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class _HTTPPool(urllib3.HTTPConnectionPool):
    @property
    def ConnectionCls(self) -> type:  # type: ignore[override]  # noqa: N802 - a class attribute there
        """Ours instead of urllib3's. A class that a recorder has put there stays."""
        current = super().ConnectionCls
        if current not in (HTTPConnection, HTTPSConnection):
            return current
        return _StrictHTTPSConnection if self.scheme == "https" else _StrictHTTPConnection


class _HTTPSPool(_HTTPPool, urllib3.HTTPSConnectionPool): ...  # type: ignore[override]  # see above


POOL_CLASSES: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}
