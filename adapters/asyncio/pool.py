"""The connections of `AsyncioTransport` in one event loop: how they come about, and are kept."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from functools import partial
from time import monotonic

from firecrawl_interact.core.transport import ConnectFailedError, Request

from ..http.failures import no_connection, refused_tunnel
from ..http.framing import ParsedResponse
from ..http.settings import Proxy, default_user_agent, parse_api_url
from ..http.transport import LONGEST_IDLE, Settings
from .connection import Connection

_NEXT_ADDRESS_AFTER = 0.25  # seconds, as RFC 8305, 8, recommends


class Pool:
    """The connections of one event loop of one process, and where they lead.

    Args:
        settings: what the user said.
        proxy: what they lead through, if anything.
        ssl_context: verifies certificates, if there are any to verify.
    """

    def __init__(
        self, settings: Settings, proxy: Proxy | None, ssl_context: ssl.SSLContext | None
    ) -> None:
        url = settings.api_url
        self.is_closed: bool = False
        self._host, self._port = url.host, url.port
        self._proxy = proxy
        self._tls = ssl_context if url.scheme == "https" else None
        self._proxy_tls = ssl_context
        self._connect_timeout, self._size = settings.connect_timeout, settings.pool_size
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        #: It ends the connections when it is closed, which its event loop does at the latest.
        self.owner: AsyncGenerator[None] = _own(self._connections)
        self._target_start, fields = url.prefix, {"Host": url.origin.partition("://")[2]}
        if proxy is not None and self._tls is None:
            self._target_start = str(url)  # RFC 9112, 3.2.2
            fields |= proxy.headers  # With https, these must not leave the CONNECT.
        fields["User-Agent"] = settings.user_agent or default_user_agent()
        self._fields = [f"{name}: {value}" for name, value in fields.items()]

    async def exchange(self, request: Request, seconds: float) -> ParsedResponse:
        """Send a request, over a kept connection or a new one, and return its response.

        Raises:
            TransportError: what went wrong on the way.
        """
        lines = [f"{request.method} {self._target_start}{request.path} HTTP/1.1", *self._fields]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        head = _head(lines)
        connection = self._take_idle()
        if connection is None:
            began = monotonic()
            connection = await self._connect(min(seconds, self._connect_timeout))
            seconds -= monotonic() - began
        parsed = await connection.exchange(head, request.method, seconds)
        self._keep(connection, parsed)
        return parsed

    def _take_idle(self) -> Connection | None:
        """Take a kept connection on which nothing came since its last response, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            is_fresh = monotonic() - connection.idle_since < LONGEST_IDLE
            if is_fresh and connection.is_fit_to_be_used():
                return connection
            connection.abort()
        return None

    def _keep(self, connection: Connection, parsed: ParsedResponse) -> None:
        """Keep a connection after a response, or end it."""
        if len(self._idle) >= self._size:
            self._idle = [one for one in self._idle if one.is_open]
        is_wanted = connection.is_open and len(self._idle) < self._size and not self.is_closed
        if parsed.ends_connection or not is_wanted:
            connection.abort()
        else:
            connection.idle_since = monotonic()
            self._idle.append(connection)

    async def _connect(self, seconds: float) -> Connection:
        """Connect, through a proxy and with TLS as the case may be.

        Raises:
            ConnectFailedError: nothing reached the service.
        """
        peer, connection = f"{self._host}:{self._port}", None
        by = monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                if self._proxy is None:
                    connection = await self._open(self._host, self._port, self._tls, by)
                else:
                    url = parse_api_url(self._proxy.url, allow_plain_http=True)
                    service, peer = peer, f"the proxy {url.host}:{url.port}"
                    tls = self._proxy_tls if url.scheme == "https" else None
                    connection = await self._open(url.host, url.port, tls, by)
                    if self._tls is not None:
                        await self._open_tunnel(connection, service, self._proxy, seconds)
                        peer = f"{service} through {peer}"
                        await connection.start_tls(self._tls, self._host.strip("[]"))
            if self.is_closed:
                raise ConnectFailedError("this transport is closed", transient=False)
        except BaseException as error:
            if connection is not None:
                connection.abort()
            if isinstance(error, ConnectFailedError) or not isinstance(error, Exception):
                raise
            is_late = isinstance(error, TimeoutError)
            reason = "it took too long" if is_late else str(error) or type(error).__name__
            raise no_connection(peer, error, reason) from error
        return connection

    async def _open(
        self, host: str, port: int, tls: ssl.SSLContext | None, by: float
    ) -> Connection:
        """Connect to one of a host's addresses."""
        loop, name = asyncio.get_running_loop(), host.strip("[]")
        make = partial(Connection, self._connections)
        if isinstance(loop, asyncio.BaseEventLoop):
            _, connection = await loop.create_connection(
                make, name, port, ssl=tls, happy_eyeballs_delay=_NEXT_ADDRESS_AFTER
            )
        else:  # uvloop has no Happy Eyeballs.
            sock = await _connect_in_turns(loop, name, port, by)
            try:
                _, connection = await loop.create_connection(
                    make, sock=sock, ssl=tls, server_hostname=name if tls else None
                )
            except BaseException:
                sock.close()
                raise
        return connection

    async def _open_tunnel(
        self, connection: Connection, service: str, proxy: Proxy, seconds: float
    ) -> None:
        fields = {"Host": service, **proxy.headers}
        lines = [f"{name}: {value}" for name, value in fields.items()]
        head = _head([f"CONNECT {service} HTTP/1.1", *lines])
        response = await connection.exchange(head, "CONNECT", seconds)
        if not 200 <= response.status < 300:
            raise refused_tunnel(response.status)


def _head(lines: list[str]) -> bytes:
    """Join the lines of a request.

    Raises:
        ValueError: one is not ASCII, or is more than one line.
    """
    head = "\r\n".join([*lines, "", ""])
    if not head.isascii() or len(head.encode().splitlines()) != len(lines) + 1:
        raise ValueError("a request is ASCII, with a line for each header")
    return head.encode()


async def _connect_in_turns(
    loop: asyncio.AbstractEventLoop, name: str, port: int, by: float
) -> socket.socket:
    """Connect to a host's addresses in turns. Each gets an equal share of the time that is left.

    Raises:
        OSError: none connects.
    """
    addresses = await loop.run_in_executor(
        None, partial(socket.getaddrinfo, name, port, type=socket.SOCK_STREAM)
    )
    failure = OSError("its name has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            async with asyncio.timeout((by - monotonic()) / (len(addresses) - number)):
                await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _own(connections: set[Connection]) -> AsyncGenerator[None]:
    """End connections in their own loop: when that ends, or when nobody holds this any more.

    An event loop does so for every asynchronous generator that has begun.
    """
    try:
        yield
    finally:
        for connection in list(connections):
            connection.abort()
        await asyncio.sleep(0)  # The loop closes their sockets.
