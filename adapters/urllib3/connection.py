"""The connections of `Urllib3Transport`: strict, with one deadline, and with the port's errors.

urllib3 reads responses with http.client, which is lenient, and does not always say whether a
connection failed before or after the request went out. Here `ResponseParser` reads the whole
response before urllib3 sees it.
"""

import io
import queue
import socket
import ssl
from collections.abc import Mapping
from contextvars import ContextVar

import urllib3

# vcrpy replaces these names in urllib3.connection while it records; here they stay.
from urllib3.connectionpool import (  # type: ignore[attr-defined]  # imported there, not exported
    HTTPConnection,
    HTTPSConnection,
)
from urllib3.util.ssltransport import SSLTransport

from firecrawl_interact.core.transport import ConnectFailedError, Request, TransportError

from ..api_url import ApiUrl
from ..http.connection import (
    Address,
    Deadline,
    check_tunnel,
    look_up,
    numeric_address,
    request_head,
    reuse_deadline,
    tunnel_head,
)
from ..http.errors import connect_error, is_of_others, response_error
from ..http.framing import ParsedResponse, ResponseParser
from ..http.transport import Settings

_RECEIVED_AT_ONCE = 16 * 1024  # A whole TLS record, so that no byte of it stays unread.


class Attempt:
    """One request, and how far it is."""

    def __init__(self, settings: Settings, request: Request, timeout: float) -> None:
        self.api_url: ApiUrl = settings.api_url
        self.method: str = request.method
        self.target: str = settings.target(request.path)
        self.deadline: Deadline = Deadline(timeout)
        self.connect_deadline: Deadline | None = None  # None: it is not connecting.
        self.may_be_sent: bool = False

    def seconds_left(self) -> float:
        """Return the seconds that are left for what is under way, or raise a `TimeoutError`."""
        return (self.connect_deadline or self.deadline).seconds_left()


ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")
"""The attempt of this thread. urllib3 cannot pass it to its connections."""


class _StrictHTTPConnection(HTTPConnection):
    """A connection with the port's errors, that is closed unless it is certainly reusable."""

    kept_until: Deadline | None = None  # None: it had no response yet

    def connect(self) -> None:
        """Connect in `timeout` seconds, through the proxy and with TLS if there are any."""
        self.kept_until = None
        attempt = ATTEMPT.get()
        try:
            attempt.connect_deadline = attempt.deadline.at_most(self.timeout or 0)
            super().connect()
        except ConnectFailedError:
            raise
        except Exception as error:
            raise connect_error(self._peer(), error) from error
        finally:
            attempt.connect_deadline = None

    def _peer(self) -> str:
        if not self.proxy:
            return f"{self.host}:{self.port}"
        api_url = ATTEMPT.get().api_url
        through = f"{api_url.host}:{api_url.port} through " if self.has_connected_to_proxy else ""
        return f"{through}the proxy {self.host}:{self.port}"

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that accepts. Each gets an equal share of the time."""
        numeric = numeric_address(self._dns_host, self.port)
        # No timeout applies to a look-up: the system's resolver has its own.
        addresses = [numeric] if numeric else look_up(self._dns_host, self.port)
        for place, address in enumerate(addresses):
            sharers = len(addresses) - place
            try:
                return self._connect_to(address, sharers)
            except OSError as error:
                if sharers == 1 or is_of_others(error):
                    raise
        raise OSError("its name has no address")

    def _connect_to(self, address: Address, sharers: int) -> socket.socket:
        """Connect to an address, when so many, this one included, share the time that is left."""
        attempt = ATTEMPT.get()
        family, kind, protocol, _, target = address
        sock = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(attempt.seconds_left() / sharers)
            sock.connect(target)
            sock.settimeout(attempt.seconds_left())
        except BaseException:
            sock.close()
            raise
        return sock

    def _tunnel(self) -> None:
        """Open the tunnel. http.client would read the proxy's response leniently."""
        attempt = ATTEMPT.get()
        self.write(tunnel_head(attempt.api_url, self._tunnel_headers))  # type: ignore[attr-defined]  # of http.client
        check_tunnel(self.receive("CONNECT"))
        self.sock.settimeout(attempt.seconds_left())

    @property
    def is_connected(self) -> bool:
        """Whether the next request may use this connection."""
        # TLS inside TLS does not show whether surplus bytes wait.
        if self.kept_until is None or isinstance(self.sock, SSLTransport):
            return False
        return not self.kept_until.has_passed() and super().is_connected

    def request(  # type: ignore[override]  # nothing else here
        self, method: str, url: str, body: None, headers: Mapping[str, str], **options: object
    ) -> None:
        """Send a request for the attempt's target: urllib3 would change %2e to %2E."""
        attempt = ATTEMPT.get()
        if self.sock is None:
            self.connect()
        attempt.may_be_sent = True  # From here on, a failure counts as sent.
        fields = {"Host": attempt.api_url.authority, **headers}
        self.write(request_head(method, attempt.target, fields))

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        """Receive the whole response, and close the connection if no other one may follow."""
        response = self.receive(ATTEMPT.get().method)
        self.kept_until = reuse_deadline(response)
        if self.kept_until.has_passed():
            self.close()
        return urllib3.HTTPResponse(
            io.BytesIO(response.body),
            response.headers,
            response.status,
            version=response.version,
            decode_content=False,
            request_method=ATTEMPT.get().method,
        )

    def write(self, data: bytes) -> None:
        """Send the head of a request, or of a CONNECT."""
        try:
            self.sock.settimeout(ATTEMPT.get().seconds_left())
            self.sock.sendall(data)
        except OSError as error:
            raise self._lost(error, None) from error

    def receive(self, method: str) -> ParsedResponse:
        """Receive the whole response to a request of this method."""
        attempt, parser = ATTEMPT.get(), ResponseParser(method)
        try:
            while parser.response is None:
                self.sock.settimeout(attempt.seconds_left())
                data = self.sock.recv(_RECEIVED_AT_ONCE)
                if not data:
                    raise self._lost(None, parser)
                parser.feed(data)
        except OSError as error:
            raise self._lost(error, parser) from error
        return parser.response

    def _lost(self, error: Exception | None, parser: ResponseParser | None) -> TransportError:
        return response_error(error, parser, is_kept=self.kept_until is not None)


class _StrictHTTPSConnection(_StrictHTTPConnection, HTTPSConnection):
    """The same, with TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        proxied = super()._connect_tls_proxy(hostname, sock)
        return proxied if self.proxy_is_forwarding else _TimedSocket(proxied)  # type: ignore[return-value]  # acts like it


class _TimedSocket:
    """The socket of a proxy with TLS, which carries TLS to the service.

    One read of the inner one may need several of this, each with the time that is then left.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock

    def recv(self, size: int) -> bytes:
        self._sock.settimeout(ATTEMPT.get().seconds_left())
        return self._sock.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class _IdleConnections(queue.LifoQueue[object]):
    """Takes no lock: an interruption may leave one taken, and every later call would wait for it.

    It never waits: `block` and `timeout` are there for the signature.
    """

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        if len(self.queue) >= self.maxsize:
            raise queue.Full
        self.queue.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> object:
        try:
            return self.queue.pop()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        return len(self.queue)


class _HTTPPool(urllib3.HTTPConnectionPool):
    QueueCls = _IdleConnections  # type: ignore[assignment]  # urllib3 leaves open what it holds

    @property
    def ConnectionCls(self) -> type:  # type: ignore[override]  # noqa: N802 - a class attribute there
        """Ours instead of urllib3's. A class that a recorder has put there stays."""
        current = super().ConnectionCls
        if current not in (HTTPConnection, HTTPSConnection):
            return current
        return _StrictHTTPSConnection if self.scheme == "https" else _StrictHTTPConnection


class _HTTPSPool(_HTTPPool, urllib3.HTTPSConnectionPool): ...  # type: ignore[override]  # see above


POOL_CLASSES: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}
