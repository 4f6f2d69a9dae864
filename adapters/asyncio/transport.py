"""`AsyncioTransport`, and its connection pool in one event loop."""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncGenerator
from functools import partial
from typing import Self, TypeAlias

from firecrawl_interact.core.arguments import check_seconds
from firecrawl_interact.core.transport import ConnectFailedError, Request, Response

from ..api_url import parse_api_url
from ..http.connection import Deadline, check_tunnel, request_head, reuse_deadline, tunnel_head
from ..http.errors import closed_error, connect_error, failure_to_raise
from ..http.framing import ParsedResponse
from ..http.settings import Proxy
from ..http.transport import HttpTransport, Settings
from ..system_time import AsyncSystemTime
from .connection import Connection, connect_socket

_Owner: TypeAlias = tuple[int, asyncio.AbstractEventLoop]
"""Who has a pool: a process, since a fork must not share a socket, and an event loop of it."""


class AsyncioTransport(HttpTransport, AsyncSystemTime):
    """An `AsyncTransport` to one service, over asyncio alone and its keep-alive connections.

    An address that hangs costs a quarter of a second (Happy Eyeballs, RFC 8305), on each event
    loop.

    Safe to share among tasks and event loops, to pickle and to use after a fork: each loop of
    each process has its own connections. A loop closes them when it shuts down its asynchronous
    generators (`loop.shutdown_asyncgens`), as `asyncio.run` lets it.
    """

    _pools: "dict[_Owner, _Pool]"

    async def send(self, request: Request, timeout: float) -> Response:
        """Send one request and return the response within `timeout` seconds.

        An exception of other code passes as it is, and the connection is closed: cancellation,
        what a signal's handler raises, and any class that is not Python's.

        Raises:
            TypeError, ValueError: `timeout` is not a positive, finite number.
            TransportError: there is no response. `sent` tells whether the service may have acted.
            RuntimeError: no event loop of asyncio runs here.
        """
        check_seconds("timeout", timeout)
        deadline, owner, handled = Deadline(timeout), _this_owner(), sys.exception()
        try:
            try:
                pool = self._pools.get(owner) or await self._open_pool(owner)
                parsed = await pool.send(request, deadline)
                return Response(parsed.status, parsed.headers, parsed.body)
            except BaseException as error:
                failure = failure_to_raise(error, handled)
        except BaseException as interruption:  # It came while a failure was handled.
            failure = failure_to_raise(interruption, handled)
        try:
            raise failure
        finally:
            del failure  # It holds this frame: nothing but the garbage collector would free both.

    async def aclose(self) -> None:
        """Close the connections, also those of calls under way in this event loop.

        Those of other event loops are closed when their calls end. From now on `send` raises a
        `ConnectFailedError` that is not transient.
        """
        self._is_closed = True
        this_owner = _this_owner()
        for owner in list(self._pools):
            # Another process's pool must not be touched, not even by its destructor.
            if owner[0] == this_owner[0]:
                pool = self._pools.pop(owner, None)
                if pool is not None:  # A pool that another loop closes meanwhile is gone.
                    pool.is_closed = True
                    if owner == this_owner:
                        await pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _open_pool(self, owner: _Owner) -> "_Pool":
        process, _ = owner
        for other in list(self._pools):
            if other[0] == process and other[1].is_closed():
                self._pools.pop(other, None)
        pool = self._pools[owner] = _Pool(self._settings, *self._find_way())
        if self._is_closed:  # An `aclose` elsewhere may have missed this pool.
            self._pools.pop(owner, None)
            raise closed_error()
        await pool.open()
        return pool


def _this_owner() -> _Owner:
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
        api_url = settings.api_url
        self.is_closed: bool = False
        self._settings, self._proxy = settings, proxy
        self._peer = api_url if proxy is None else parse_api_url(proxy.url, allow_plain_http=True)
        self._peer_tls = ssl_context if self._peer.scheme == "https" else None
        has_tunnel = proxy is not None and api_url.scheme == "https"
        self._service_tls = ssl_context if has_tunnel else None  # inside the tunnel
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        # `_abort_at_end_of_loop` sets it, without holding the pool. Nothing is kept from then on.
        self._loop_ends = asyncio.Event()
        self._end_of_loop = _abort_at_end_of_loop(self._idle, self._loop_ends)
        self._fields = {"Host": api_url.authority, "User-Agent": settings.user_agent}
        if proxy is not None and not has_tunnel:  # A tunnel's proxy gets them with the CONNECT.
            self._fields |= proxy.headers

    async def open(self) -> None:
        """Let the event loop close the connections at its end, unless `aclose` comes before.

        What a loop closes at its end are the asynchronous generators that began in it, and it
        offers nothing else.
        """
        # asyncio's own loop shows whether it has closed them. uvloop does not, and warns below.
        if getattr(asyncio.get_running_loop(), "_asyncgens_shutdown_called", False):
            self._loop_ends.set()
        else:
            await anext(self._end_of_loop)

    async def aclose(self) -> None:
        """Close the connections. It runs in their event loop."""
        for connection in list(self._connections):
            connection.abort()
        if not self._loop_ends.is_set():
            await self._end_of_loop.aclose()
        await asyncio.sleep(0)  # The loop closes their sockets.

    async def send(self, request: Request, deadline: Deadline) -> ParsedResponse:
        """Send a request over an idle connection or a new one, and return its response."""
        target = self._settings.target(request.path)
        head = request_head(request.method, target, {**self._fields, **request.headers})
        connection = self._take_idle() or await self._connect(deadline)
        try:
            response = await connection.send(head, request.method, deadline)
            self._keep(connection, response)
        except BaseException:
            connection.abort()
            raise
        return response

    def _take_idle(self) -> Connection | None:
        """Take an idle connection that is certainly reusable, if there is one."""
        while self._idle:
            if (connection := self._idle.pop()).is_reusable():
                return connection
            connection.abort()
        return None

    def _keep(self, connection: Connection, response: ParsedResponse) -> None:
        connection.kept_until = reuse_deadline(response)
        is_over = self.is_closed or self._loop_ends.is_set() or connection.kept_until.has_passed()
        if is_over or len(self._idle) >= self._settings.pool_size:
            connection.abort()
        else:
            self._idle.append(connection)

    async def _connect(self, deadline: Deadline) -> Connection:
        """Connect, through the proxy and with TLS if there are any."""
        peer, api_url, connection = self._peer, self._settings.api_url, None
        to = f"{'the proxy ' if self._proxy else ''}{peer.host}:{peer.port}"
        try:
            deadline = deadline.at_most(self._settings.connect_timeout)
            async with asyncio.timeout(deadline.seconds_left()):
                _, connection = await asyncio.get_running_loop().create_connection(
                    partial(Connection, self._connections),
                    sock=await connect_socket(peer.host, peer.port, deadline),
                    ssl=self._peer_tls,
                    server_hostname=peer.host.strip("[].") if self._peer_tls else None,
                )
                if self._proxy is not None and self._service_tls is not None:
                    to = f"{api_url.host}:{api_url.port} through {to}"
                    head = tunnel_head(api_url, self._proxy.headers)
                    check_tunnel(await connection.send(head, "CONNECT", deadline))
                    await connection.start_tls(self._service_tls, api_url.host.strip("[]."))
        except BaseException as error:
            if connection is not None:
                connection.abort()
            if isinstance(error, ConnectFailedError) or not isinstance(error, Exception):
                raise
            raise connect_error(to, error) from error
        if self.is_closed:
            connection.abort()
            raise closed_error()
        return connection


async def _abort_at_end_of_loop(
    idle: list[Connection], loop_ends: asyncio.Event
) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        loop_ends.set()
        for connection in idle:
            connection.abort()
