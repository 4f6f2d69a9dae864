"""`AsyncioTransport`, and its connection pool in one event loop."""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from time import monotonic
from typing import Self, TypeAlias

from firecrawl_interact.core.arguments import check_seconds
from firecrawl_interact.core.transport import ConnectFailedError, Request, Response

from ..api_url import parse_api_url
from ..http.errors import leaving_failure, no_connection, refused_tunnel
from ..http.framing import ParsedResponse
from ..http.settings import Proxy
from ..http.transport import LONGEST_IDLE, HttpTransport, Settings
from ..system_time import AsyncSystemTime
from .connection import Connection, connect_socket

_Place: TypeAlias = tuple[int, asyncio.AbstractEventLoop]
"""A process, since a fork must not share a socket, and an event loop."""


class AsyncioTransport(HttpTransport, AsyncSystemTime):
    """An `AsyncTransport` to one service, over asyncio alone and its keep-alive connections.

    For https it uses the proxies and CAs of the environment: `HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`, `SSL_CERT_DIR`. It uses no netrc, and no such proxy for plain http.

    An address that hangs costs a quarter of a second (Happy Eyeballs, RFC 8305), on each event
    loop.

    Safe to share among tasks and event loops, to pickle and to use after a fork: each loop of
    each process has its own connections. They are closed with their loop at the latest.
    """

    _pools: "dict[_Place, _Pool]"

    async def send(self, request: Request, timeout: float) -> Response:
        """Send one request and return the response within `timeout` seconds.

        An exception of other code passes as it is, and the connection is closed: cancellation,
        what a signal's handler raises, and any class that is not Python's.

        Raises:
            TypeError, ValueError: `timeout` is no positive, finite number.
            TransportError: there is no response. `sent` tells whether the service may have acted.
            RuntimeError: no event loop of asyncio runs here.
        """
        check_seconds("timeout", timeout)
        here, handled = _this_place(), sys.exception()
        try:
            self._check_open()
            pool = self._pools.get(here) or await self._open_pool(here)
            parsed = await pool.exchange(request, timeout)
            return Response(parsed.status, parsed.headers, parsed.body)
        except BaseException as error:
            failure = leaving_failure(error, handled)
        raise failure

    async def aclose(self) -> None:
        """Close the connections, also those of calls under way in this event loop.

        Those of other event loops are closed when their calls end. From now on `send` raises a
        `ConnectFailedError` that is not transient.
        """
        self._is_closed = True
        here = _this_place()
        for place in list(self._pools):
            # Another process's pool must not be touched, not even by its destructor.
            if place[0] == here[0]:
                pool = self._pools.pop(place)
                pool.is_closed = True
                if place == here:
                    await pool.owner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _open_pool(self, here: _Place) -> "_Pool":
        for place in list(self._pools):
            if place[0] == here[0] and place[1].is_closed():
                self._pools.pop(place, None)
        pool = self._pools[here] = _Pool(self._settings, *self._find_way())
        await anext(pool.owner)
        return pool


def _this_place() -> _Place:
    try:
        return os.getpid(), asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "AsyncioTransport needs asyncio's event loop. Under another one, such as trio's, use"
            " Urllib3Transport in a thread"
        ) from None


class _Pool:
    """The connections of one event loop of one process, to the service or to a proxy."""

    def __init__(
        self, settings: Settings, proxy: Proxy | None, ssl_context: ssl.SSLContext | None
    ) -> None:
        url = settings.api_url
        is_https = url.scheme == "https"
        self.is_closed: bool = False
        self._settings, self._proxy = settings, proxy
        self._first = url if proxy is None else parse_api_url(proxy.url, allow_plain_http=True)
        self._first_tls = ssl_context if self._first.scheme == "https" else None
        self._tunnel_tls = ssl_context if proxy is not None and is_https else None
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        #: Aborts the connections when it is closed: by `aclose`, or by its event loop at its end.
        self.owner: AsyncGenerator[None] = _own(self._connections)
        self._target_start = url.prefix
        host = url.origin.partition("://")[2]
        self._fields = {"Host": host, "User-Agent": settings.user_agent}
        if proxy is not None and not is_https:
            self._target_start = str(url)  # RFC 9112, 3.2.2
            self._fields |= proxy.headers  # With https, they belong to the CONNECT alone.

    async def exchange(self, request: Request, seconds: float) -> ParsedResponse:
        """Send a request over an idle connection or a new one, and return its response."""
        target = self._target_start + request.path
        head = _head(f"{request.method} {target}", {**self._fields, **request.headers})
        connection = self._take_idle()
        if connection is None:
            began = monotonic()
            connection = await self._connect(min(seconds, self._settings.connect_timeout))
            seconds -= monotonic() - began
        try:
            parsed = await connection.exchange(head, request.method, seconds)
            self._keep(connection, parsed)
        except BaseException:
            connection.abort()
            raise
        return parsed

    def _take_idle(self) -> Connection | None:
        """Take an idle connection that is certainly reusable, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            is_fresh = monotonic() - connection.idle_since < LONGEST_IDLE
            if is_fresh and connection.is_fit_to_be_used():
                return connection
            connection.abort()
        return None

    def _keep(self, connection: Connection, parsed: ParsedResponse) -> None:
        is_full = len(self._idle) >= self._settings.pool_size
        if parsed.ends_connection or is_full or self.is_closed:
            connection.abort()
        else:
            connection.idle_since = monotonic()
            self._idle.append(connection)

    async def _connect(self, seconds: float) -> Connection:
        """Connect, through the proxy and with TLS if there are any."""
        first, url, connection = self._first, self._settings.api_url, None
        peer = f"{'the proxy ' if self._proxy else ''}{first.host}:{first.port}"
        host = first.host.strip("[]")
        try:
            async with asyncio.timeout(seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    partial(Connection, self._connections),
                    sock=await connect_socket(host, first.port, seconds),
                    ssl=self._first_tls,
                    server_hostname=host if self._first_tls else None,
                )
                if self._proxy is not None and self._tunnel_tls is not None:
                    await self._open_tunnel(connection, self._proxy, seconds)
                    peer = f"{url.host}:{url.port} through {peer}"
                    await connection.start_tls(self._tunnel_tls, url.host.strip("[]"))
        except BaseException as error:
            if connection is not None:
                connection.abort()
            if isinstance(error, ConnectFailedError) or not isinstance(error, Exception):
                raise
            raise no_connection(peer, error) from error
        if self.is_closed:
            connection.abort()
            raise ConnectFailedError("this transport is closed", transient=False)
        return connection

    async def _open_tunnel(self, connection: Connection, proxy: Proxy, seconds: float) -> None:
        service = f"{self._settings.api_url.host}:{self._settings.api_url.port}"
        head = _head(f"CONNECT {service}", {"Host": service, **proxy.headers})
        response = await connection.exchange(head, "CONNECT", seconds)
        if not 200 <= response.status < 300:
            raise refused_tunnel(response.status)


def _head(start: str, fields: Mapping[str, str]) -> bytes:
    """Return the head of a request. Refuse what is not ASCII or contains a line end."""
    lines = [f"{start} HTTP/1.1", *[f"{name}: {value}" for name, value in fields.items()]]
    head = "\r\n".join([*lines, "", ""])
    if not head.isascii() or len(head.encode().splitlines()) != len(lines) + 1:
        raise ValueError("a request is ASCII, with a line for each header")
    return head.encode()


async def _own(connections: set[Connection]) -> AsyncGenerator[None]:
    """Abort connections in their own loop, when this generator is closed or collected."""
    try:
        yield
    finally:
        for connection in list(connections):
            connection.abort()
        await asyncio.sleep(0)  # The loop closes their sockets.
