"""One connection of `AsyncioTransport`: how it comes about, and what it carries."""

import asyncio
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from firecrawl_interact.core.transport import BadResponseError, ConnectionLostError, TimedOutError

from ..http.failures import lost_connection
from ..http.framing import ParsedResponse, ResponseParser

_NEXT_ADDRESS_AFTER = 0.25  # seconds, as RFC 8305, 8, recommends


class Connection(asyncio.Protocol):
    """Sends requests, one at a time, and reads their responses. It is in `connections` while open.

    What comes while no response is due ends the connection: it would pass for the next one's.
    """

    idle_since: float = 0.0

    def __init__(self, connections: "set[Connection]") -> None:
        self._loop = asyncio.get_running_loop()
        self._connections = connections
        self._is_kept = False  # whether it carried a response before
        self._error: Exception | None = None  # what ended it
        self._parser: ResponseParser | None = None
        self._parsed: asyncio.Future[ParsedResponse] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what a stream's protocol gets
        """Begin: it is connected, with TLS if it was asked for."""
        self._transport = transport
        self._has_input = _input_test(transport.get_extra_info("socket"))
        self._connections.add(self)

    def is_fit_to_be_used(self) -> bool:
        """Whether nothing came since the last response, not even what the loop has yet to read."""
        return not (self._transport.is_closing() or self._has_input(0))

    def abort(self) -> None:
        """End the connection at once. With a close in order, TLS would wait for the other side."""
        self._transport.abort()
        self._connections.discard(self)

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Let all that follows be TLS, also inside TLS."""
        inside = None
        if not self._transport.is_closing():
            inside = await self._loop.start_tls(
                self._transport, self, context, server_hostname=host
            )
        if inside is None:
            raise ConnectionResetError("the connection ended before the TLS handshake")
        self._transport = inside

    async def exchange(self, head: bytes, method: str, seconds: float) -> ParsedResponse:
        """Send all of a request, and return its response. After anything else, `abort` it."""
        if self._transport.is_closing():
            raise self._loss(self._error)
        self._parser = ResponseParser(method)
        self._parsed = self._loop.create_future()
        # Not `asyncio.timeout`: it costs more, and starts at the time that uvloop's clock last had.
        timer = self._loop.call_later(seconds, self._time_out)
        try:
            self._transport.write(head)
            parsed = await self._parsed
        finally:
            timer.cancel()
            self._parser = self._parsed = None
        self._is_kept = True
        return parsed

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._parser is None or self._parsed is None or self._parsed.done():
            self.abort()
            return
        try:
            self._parser.feed(data)
        except BadResponseError as error:
            self._parsed.set_exception(error)
        else:
            if self._parser.response is not None:
                self._parsed.set_result(self._parser.response)

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the end. `error`: what ended it, unless it was ended in order."""
        self._error = error
        self._connections.discard(self)
        if self._parsed is not None and not self._parsed.done():
            self._parsed.set_exception(self._loss(error))

    def _loss(self, error: Exception | None) -> ConnectionLostError:
        has_begun = self._parser is not None and self._parser.has_begun
        loss = lost_connection(error, has_begun=has_begun, is_kept=self._is_kept)
        loss.__cause__ = error
        return loss

    def _time_out(self) -> None:
        if self._parsed is not None and not self._parsed.done():
            self._parsed.set_exception(TimedOutError("no whole response came in time"))


def _input_test(sock: socket.socket) -> Callable[[int], object]:
    """Return a function: whether the socket has input, or has ended, within some milliseconds."""
    if not hasattr(select, "poll"):  # Windows has none.
        return lambda milliseconds: select.select([sock], [], [], milliseconds / 1000)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll


async def connect_socket(host: str, port: int, seconds: float) -> socket.socket:
    """Connect to the address that is the first to take the connection.

    The next address has its turn when the one before it failed, or after a quarter of a second
    (RFC 8305, 5). If `seconds` are short for that, each gets an equal share of them. asyncio's own
    way leaves a connection behind if it is cancelled at the wrong moment, and uvloop has none.
    """
    loop = asyncio.get_running_loop()
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    addresses = await loop.run_in_executor(None, look_up)
    delay = min(_NEXT_ADDRESS_AFTER, seconds / len(addresses))
    attempts: list[asyncio.Task[socket.socket]] = []
    try:
        while True:
            if addresses:
                attempts.append(loop.create_task(_connect(*addresses.pop(0))))
            done, _ = await asyncio.wait(
                attempts,
                timeout=delay if addresses else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                attempts.remove(attempt)
                if (error := attempt.exception()) is None:
                    return attempt.result()
                if not addresses and not attempts:
                    raise error
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close_socket)


# Any: each family has its own kind of address.
async def _connect(family: int, kind: int, protocol: int, _: str, address: Any) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_socket(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
