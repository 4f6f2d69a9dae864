"""The connections that `Urllib3Transport` gives urllib3, and when one may be used again.

urllib3 reads responses with http.client, which is lenient, and does not always say whether a
connection failed before or after the request went out. Here a response is read whole before
urllib3 sees it, under one clock and within bounds, and every failure becomes the port's.
"""

import socket
import ssl
from contextvars import ContextVar
from http.client import IncompleteRead, RemoteDisconnected
from time import monotonic
from typing import TYPE_CHECKING

import urllib3

# vcrpy replaces these names in urllib3.connection while it records; here they stay.
from urllib3.connectionpool import (  # type: ignore[attr-defined]  # imported there, not exported
    HTTPConnection,
    HTTPSConnection,
)
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssltransport import SSLTransport

from firecrawl_interact.core.transport import (
    ConnectFailedError,
    ConnectionLostError,
    TimedOutError,
    TransportError,
)

from ..http.transport import LONGEST_IDLE
from .response import StrictResponse, seconds_until

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

REQUEST_TARGET: ContextVar[str] = ContextVar("target")
"""What the request line shall name. urllib3 spells escapes anew on the way (%2e as %2E)."""


class _TimedSocket:
    """TLS to a proxy, for TLS inside: one read of that is many here, and they share its time."""

    def __init__(self, sock: ssl.SSLSocket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def settimeout(self, seconds: float) -> None:
        self._deadline = monotonic() + seconds
        self._sock.settimeout(seconds)

    def recv(self, size: int) -> bytes:
        self._sock.settimeout(seconds_until(self._deadline))
        return self._sock.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class StrictHTTPConnection(HTTPConnection):
    """A connection whose failures are the port's, and that is not kept when in doubt."""

    response_class = StrictResponse
    _connect_by = 0.0
    _is_kept = False  # whether it carried a response before
    _idle_since = 0.0

    def connect(self) -> None:
        """Connect, through a proxy and with TLS as the case may be, in `timeout` seconds."""
        self._is_kept = False
        self._connect_by = monotonic() + (self.timeout or 0)
        try:
            super().connect()
        except ConnectFailedError:
            raise
        except Exception as error:
            raise ConnectFailedError(
                f"no connection to {self._peer()}: {error}",
                transient=not isinstance(error, ssl.SSLCertVerificationError),
            ) from error

    def _peer(self) -> str:
        if not self.proxy:
            return f"{self.host}:{self.port}"
        service = f"{self._tunnel_host} through " if self.has_connected_to_proxy else ""
        return f"{service}the proxy {self.host}:{self.port}"

    def _new_conn(self) -> socket.socket:
        """Try the host's addresses in turn, each with its share of the time that is left."""
        failure = OSError("its name has no address")
        host = self._dns_host.strip("[]")
        addresses = socket.getaddrinfo(host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, address) in enumerate(addresses):
            try:
                sock = socket.socket(family, kind, protocol)
                try:
                    for option in self.socket_options or ():
                        sock.setsockopt(*option)
                    sock.settimeout(seconds_until(self._connect_by) / (len(addresses) - number))
                    sock.connect(address)
                    sock.settimeout(seconds_until(self._connect_by))
                except BaseException:
                    sock.close()
                    raise
            except OSError as error:
                failure = error
            else:
                return sock
        raise failure

    @property
    def is_connected(self) -> bool:
        """Whether the next request may use this connection."""
        # TLS inside TLS cannot tell whether bytes wait that nobody asked for.
        if self.sock is None or isinstance(self.sock, SSLTransport):
            return False
        if monotonic() - self._idle_since > LONGEST_IDLE:
            return False
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return False
        return super().is_connected

    def putrequest(
        self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False
    ) -> None:
        """Begin a request for `REQUEST_TARGET`."""
        super().putrequest(method, REQUEST_TARGET.get(url), skip_host, skip_accept_encoding)

    def send(self, data: "ReadableBuffer") -> None:  # type: ignore[override]  # no files here
        """Send the request, or for http.client a part of it."""
        try:
            super().send(data)
        except TimeoutError as error:
            raise TimedOutError("the request could not be sent in time") from error
        except OSError as error:
            raise ConnectionLostError(
                f"the connection broke during the request: {error}", stale=self._is_kept
            ) from error
        finally:
            del data  # It holds the key, and a traceback can show the locals of its frames.

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3
        """Wait for the response, and read it whole."""
        try:
            response = super().getresponse()
        # Their frames are dropped: these hold what came, which may be the key, sent back.
        except TransportError as error:
            raise error.with_traceback(None)  # noqa: B904 - it is the same error
        except (OSError, IncompleteRead) as error:
            raise self._failure(error) from error.with_traceback(None)
        self._is_kept = True
        self._idle_since = monotonic()
        return response

    def _failure(self, error: OSError | IncompleteRead) -> TransportError:
        if isinstance(error, TimeoutError):
            return TimedOutError("no whole response came in time")
        if isinstance(error, RemoteDisconnected):
            return ConnectionLostError(
                "the connection ended before any response", stale=self._is_kept
            )
        return ConnectionLostError("the connection ended before the whole response")


class StrictHTTPSConnection(StrictHTTPConnection, HTTPSConnection):
    """The same, with TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        proxied = super()._connect_tls_proxy(hostname, sock)
        if self.proxy_is_forwarding:
            return proxied
        return _TimedSocket(proxied, self._connect_by)  # type: ignore[return-value]  # acts like it


def make_strict(pool: urllib3.HTTPConnectionPool) -> None:
    """Give the pool the connections above, unless somebody's recorder or counter is there."""
    if pool.ConnectionCls is HTTPSConnection:
        pool.ConnectionCls = StrictHTTPSConnection
    elif pool.ConnectionCls is HTTPConnection:
        pool.ConnectionCls = StrictHTTPConnection
