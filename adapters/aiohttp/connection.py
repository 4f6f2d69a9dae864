"""The pool that `AiohttpTransport` gives aiohttp, and when a connection may be used again.

aiohttp takes responses whose end is in doubt, sends a DELETE again when its connection breaks, and
does not notice what comes over a kept connection unasked. Here aiohttp sees a response when it is
whole, one `send` is one request, and a connection in doubt is given up.
"""

import asyncio
import os
import select
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar

import aiohttp

from firecrawl_interact.core.transport import ConnectFailedError

from ..http.failures import no_connection, refused_tunnel
from ..http.transport import LONGEST_IDLE
from .exchange import Exchange, Stage, reason_of, redact

EXCHANGE: ContextVar[Exchange] = ContextVar("exchange")
"""The exchange that a task, or one that it starts, is in."""


class Connector(aiohttp.TCPConnector):
    """A pool whose failures are the port's, and that uses no connection in doubt."""

    def __init__(self, pool_size: int, ssl_context: ssl.SSLContext | None) -> None:
        """Take the number of connections to keep, and what verifies certificates."""
        super().__init__(limit=0, keepalive_timeout=LONGEST_IDLE, ssl=ssl_context or True)
        self.is_open: bool = True
        self._pool_size = pool_size
        self._process = os.getpid()
        self._observed: set[_ObservedConnection] = set()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.connector.Connection:
        """Take a kept connection, or make one. aiohttp asks for one whenever it sends."""
        exchange = EXCHANGE.get()
        if exchange.stage is not Stage.ASKED:
            # RFC 9110, 9.2.2, lets a client send a DELETE twice. The core alone decides when.
            raise exchange.failure(aiohttp.ServerDisconnectedError())
        exchange.stage = Stage.CONNECTING
        try:
            while True:
                connection = await super().connect(req, traces, timeout)
                observed = self._observe(connection)
                if observed.is_fit_to_be_used():
                    break
                observed.transport.abort()
                connection.close()
        except Exception as error:
            redact(error)
            raise _connect_failure(req, error) from error
        observed.carry(exchange)
        return connection

    def _observe(self, connection: aiohttp.connector.Connection) -> "_ObservedConnection":
        if connection.transport is None or connection.protocol is None:
            connection.close()
            raise ConnectionResetError("it ended at once")
        observed = connection.transport.get_protocol()
        if not isinstance(observed, _ObservedConnection):
            observed = _ObservedConnection(
                connection.transport, connection.protocol, self._observed
            )
            observed.is_surplus = len(self._observed) > self._pool_size
        return observed

    def abort(self) -> None:
        """End all connections at once. With a close in order, TLS would wait for the other side."""
        self.is_open = False
        for observed in self._observed:
            observed.transport.abort()

    def __del__(self, *_: object) -> None:
        # After a fork, both processes share the object that notices input (epoll(7)).
        if self._process == os.getpid():
            super().__del__()


class _ObservedConnection(asyncio.Protocol):
    """Stands between a connection and aiohttp, and hands over whole responses only."""

    is_surplus = False  # whether the pool is full, so that it must not be kept

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        observed: "set[_ObservedConnection]",
    ) -> None:
        self.transport = transport
        self._protocol = protocol
        self._exchange: Exchange | None = None
        self._is_kept = False
        self._wait_for_input = _input_test(transport.get_extra_info("socket"))
        self._observed = observed
        observed.add(self)
        transport.set_protocol(self)

    def is_fit_to_be_used(self) -> bool:
        """Whether it is new, or nothing came since its last response, not even its end."""
        return not (self._is_kept and (self.transport.is_closing() or self._wait_for_input(0)))

    def carry(self, exchange: Exchange) -> None:
        self._exchange = exchange
        exchange.begin(self.transport, is_kept=self._is_kept)
        self._is_kept = True

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:  # Nobody asked for it.
            self.transport.abort()
        elif (response := self._exchange.receive(data)) is not None:
            ends_connection, self._exchange = self._exchange.ends_connection, None
            self._protocol.data_received(response)
            if ends_connection or self.is_surplus:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._observed.discard(self)
        if self._exchange is not None:
            self._exchange.lose(exc)
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


def _input_test(sock: socket.socket) -> Callable[[int], object]:
    """Return a function: whether the socket has input, or has ended, within some milliseconds."""
    if not hasattr(select, "poll"):  # Windows has none.
        return lambda milliseconds: select.select([sock], [], [], milliseconds / 1000)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll


def _connect_failure(request: aiohttp.ClientRequest, error: Exception) -> ConnectFailedError:
    """Say in the port's words why there is no connection."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return refused_tunnel(error.status)
    return no_connection(_where(request, error), error.__cause__ or error, reason_of(error))


def _where(request: aiohttp.ClientRequest, error: Exception) -> str:
    proxy = request.proxy
    if proxy is None:
        return f"{request.host}:{request.port}"
    host, port = getattr(error, "host", request.host), getattr(error, "port", request.port)
    is_at_proxy = (host, port) == (proxy.raw_host, proxy.port)
    return f"the proxy {proxy}" if is_at_proxy else f"{host}:{port} through the proxy {proxy}"
