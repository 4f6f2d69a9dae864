"""One connection of `AsyncioTransport`, and the connect with Happy Eyeballs (RFC 8305)."""

import asyncio
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from firecrawl_interact.core.shielding import in_thread
from firecrawl_interact.core.transport import BadResponseError, TransportError

from ..http.connection import Address, Deadline, look_up, numeric_address
from ..http.errors import response_error
from ..http.framing import ParsedResponse, ResponseParser

_NEXT_ADDRESS_AFTER = 0.25  # seconds, as RFC 8305, 8, recommends


class Connection(asyncio.Protocol):
    """Sends requests, one at a time, and reads their responses. It is in `connections` while open.

    Bytes that arrive while no response is due end the connection.
    """

    kept_until: Deadline | None = None  #: None: no response yet; a CONNECT's does not count

    def __init__(self, connections: "set[Connection]") -> None:
        self._loop = asyncio.get_running_loop()
        self._connections = connections
        self._error: Exception | None = None  # what ended it
        self._parser: ResponseParser | None = None
        self._parsed: asyncio.Future[ParsedResponse] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as for every stream
        """Start: the connection is established, and so is TLS if there is any."""
        self._transport = transport
        self._has_input = _input_test(transport.get_extra_info("socket"))
        self._connections.add(self)

    def is_reusable(self) -> bool:
        """Return whether the next request may use it: no byte arrived since the last response."""
        if self.kept_until is None or self.kept_until.has_passed():
            return False
        return not (self._transport.is_closing() or self._has_input(0))

    def abort(self) -> None:
        """Close the connection at once. An orderly close of TLS would wait for the other side."""
        with suppress(RuntimeError):  # Its loop is closed: Python ends a call that it left.
            self._transport.abort()
        self._connections.discard(self)

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Start TLS, inside the TLS of the proxy if there is any."""
        inside = None
        if not self._transport.is_closing():
            inside = await self._loop.start_tls(
                self._transport, self, context, server_hostname=host
            )
        if inside is None:
            raise ConnectionResetError("the connection ended before the TLS handshake")
        self._transport = inside

    async def send(self, head: bytes, method: str, deadline: Deadline) -> ParsedResponse:
        """Send a whole request, and return its response. After any exception, call `abort`."""
        if self._transport.is_closing():
            raise self._lost(self._error)
        try:
            seconds = deadline.seconds_left()
        except TimeoutError as error:
            raise self._lost(error) from error
        self._parser = ResponseParser(method)
        self._parsed = self._loop.create_future()
        # `asyncio.timeout` costs more, and with uvloop it starts at an older time.
        timer = self._loop.call_later(seconds, self._fail, TimeoutError("timed out"))
        try:
            self._transport.write(head)
            return await self._parsed
        finally:
            timer.cancel()
            self._parser = self._parsed = None

    def data_received(self, data: bytes) -> None:
        """Parse the bytes that arrived."""
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
        """End the call under way. `error` is None if the connection was closed in order."""
        self._error = error
        self._connections.discard(self)
        self._fail(error)

    def _fail(self, error: Exception | None) -> None:
        if self._parsed is not None and not self._parsed.done():
            self._parsed.set_exception(self._lost(error))

    def _lost(self, error: Exception | None) -> TransportError:
        return response_error(error, self._parser, is_kept=self.kept_until is not None)


def _input_test(sock: socket.socket) -> Callable[[int], object]:
    """Return a function of milliseconds: whether the socket has input or an end by then."""
    if not hasattr(select, "poll"):  # Windows has none.
        return lambda milliseconds: select.select([sock], [], [], milliseconds / 1000)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll


async def connect_socket(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Connect to the first address that accepts: Happy Eyeballs (RFC 8305, 5).

    The next attempt starts when the one before failed, or after a quarter of a second, or sooner if
    the deadline is too near for that. asyncio's own way can leak a connection when cancelled, and
    uvloop has none.
    """
    loop = asyncio.get_running_loop()
    numeric = numeric_address(host, port)
    addresses = [numeric] if numeric else await in_thread(look_up, host, port)
    if not addresses:
        raise OSError("its name has no address")
    delay = min(_NEXT_ADDRESS_AFTER, deadline.seconds_left() / len(addresses))
    attempts: list[asyncio.Task[socket.socket]] = []
    try:
        while True:
            if addresses:
                attempts.append(loop.create_task(_connect(addresses.pop(0))))
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


async def _connect(address: Address) -> socket.socket:
    family, kind, protocol, _, target = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_socket(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
