"""The connections that `Urllib3Transport` gives urllib3, and when one may be used again.

urllib3 reads responses with http.client, which is lenient, and does not always say whether a
connection failed before or after the request went out. Here a response is read whole before
urllib3 sees it, under one clock and within bounds, and every failure becomes the port's.
"""

import os
import selectors
import socket
import ssl
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from http.client import IncompleteRead, RemoteDisconnected
from operator import itemgetter
from queue import Full, LifoQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

import urllib3

# vcrpy replaces these names in urllib3.connection while it records; here they stay.
from urllib3.connectionpool import (  # type: ignore[attr-defined]  # imported there, not exported
    HTTPConnection,
    HTTPSConnection,
)
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssltransport import SSLTransport

from firecrawl_interact.core.transport import ConnectFailedError, TimedOutError

from ..http.failures import lost_connection, no_connection
from ..http.transport import LONGEST_IDLE
from .response import StrictResponse, seconds_until

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_Address: TypeAlias = tuple[int, int, int, str, Any]
"""What `getaddrinfo` says of one. Any: each family has its own kind of address."""
_Option: TypeAlias = tuple[Any, ...]  # as in urllib3

_NEXT_ADDRESS_AFTER = 0.25  # seconds, as RFC 8305, 8, recommends

REQUEST_TARGET: ContextVar[str] = ContextVar("target")
"""The target of the request line, as it is to be sent: urllib3 would change %2e to %2E."""


class _TimedSocket:
    """TLS to a proxy, which carries TLS to the service.

    One read of the inner TLS takes several reads here, and they share its timeout.
    """

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

    response_class: type[StrictResponse] = StrictResponse
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
            raise no_connection(self._peer(), error) from error

    def _peer(self) -> str:
        if not self.proxy:
            return f"{self.host}:{self.port}"
        service = f"{self._tunnel_host} through " if self.has_connected_to_proxy else ""
        return f"{service}the proxy {self.host}:{self.port}"

    def _new_conn(self) -> socket.socket:
        # No timeout holds here: the system's resolver has its own.
        addresses = socket.getaddrinfo(
            self._dns_host.strip("[]"), self.port, allowed_gai_family(), socket.SOCK_STREAM
        )
        sock = _connect_to_one(addresses, self.socket_options or (), self._connect_by)
        sock.settimeout(seconds_until(self._connect_by))
        return sock

    @property
    def is_connected(self) -> bool:
        """Whether the next request may use this connection."""
        # TLS inside TLS does not show whether bytes wait that nobody asked for.
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
            raise lost_connection(error, has_begun=False, is_kept=self._is_kept) from error

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3
        """Wait for the response, and read it whole."""
        try:
            response = super().getresponse()
        except TimeoutError as error:
            raise TimedOutError("no whole response came in time") from error
        except (OSError, IncompleteRead) as error:
            raise lost_connection(
                error.__cause__ or error,
                has_begun=not isinstance(error, RemoteDisconnected),
                is_kept=self._is_kept,
            ) from error
        self._is_kept = True
        self._idle_since = monotonic()
        return response


class StrictHTTPSConnection(StrictHTTPConnection, HTTPSConnection):
    """The same, with TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        proxied = super()._connect_tls_proxy(hostname, sock)
        if self.proxy_is_forwarding:
            return proxied
        return _TimedSocket(proxied, self._connect_by)  # type: ignore[return-value]  # acts like it


class _KeptConnections(LifoQueue[HTTPConnection | None]):
    """The idle connections of a pool. One too many is closed; urllib3 would also log a warning."""

    def put(
        self, item: HTTPConnection | None, block: bool = True, timeout: float | None = None
    ) -> None:
        try:
            super().put(item, block, timeout)
        except Full:
            if item is not None:
                item.close()


class _HTTPPool(urllib3.HTTPConnectionPool):
    QueueCls = _KeptConnections  # type: ignore[assignment]  # urllib3 leaves open what it holds


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    QueueCls = _KeptConnections  # type: ignore[assignment]  # urllib3 leaves open what it holds


POOL_CLASSES: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}


def make_strict(pool: urllib3.HTTPConnectionPool) -> None:
    """Give the pool the connections above, unless a recorder or a counter has given it its own."""
    if pool.ConnectionCls is HTTPSConnection:
        pool.ConnectionCls = StrictHTTPSConnection
    elif pool.ConnectionCls is HTTPConnection:
        pool.ConnectionCls = StrictHTTPConnection


def _connect_to_one(
    addresses: Sequence[_Address], options: Iterable[_Option], deadline: float
) -> socket.socket:
    """Connect to one of a host's addresses, without waiting long for those that hang (RFC 8305).

    The next address has its turn when the one before it failed, or did not connect in a quarter
    of a second (5). The first one that connects is taken.

    Raises:
        OSError: none connects, or none in time.
    """
    failure = OSError("its name has no address")
    waiting = _in_turns(addresses)
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or selector.get_map():
                left = seconds_until(deadline)
                if waiting:
                    try:
                        sock = _start_connecting(waiting.pop(0), options)
                    except OSError as error:
                        failure = error
                        continue
                    selector.register(sock, selectors.EVENT_WRITE, sock)
                if waiting:  # Each has its turn, also in a short time.
                    left = min(left / (len(waiting) + 1), _NEXT_ADDRESS_AFTER)
                for key, _ in selector.select(left):
                    selector.unregister(key.fileobj)
                    connecting: socket.socket = key.data
                    number = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not number:
                        return connecting
                    connecting.close()
                    failure = OSError(number, os.strerror(number))
        finally:
            for key in selector.get_map().values():
                key.data.close()
    raise failure


def _in_turns(addresses: Sequence[_Address]) -> list[_Address]:
    """Let IPv6 and IPv4 take turns (RFC 8305, 4), the system's favourite first."""
    families = [address[0] for address in addresses]
    turns = [families[:place].count(family) for place, family in enumerate(families)]
    return [address for _, address in sorted(zip(turns, addresses, strict=True), key=itemgetter(0))]


def _start_connecting(address: _Address, options: Iterable[_Option]) -> socket.socket:
    family, kind, protocol, _, where = address
    with ExitStack() as closing:
        sock = closing.enter_context(socket.socket(family, kind, protocol))
        for option in options:
            sock.setsockopt(*option)
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(where)
        closing.pop_all()
        return sock
