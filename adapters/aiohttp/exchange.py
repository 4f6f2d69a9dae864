"""aiohttp without guessing: the pool of connections and the exchanges of `AiohttpTransport`.

aiohttp sends a DELETE again when its connection breaks, does not always say whether one failed
before or after that, and takes answers whose end is in doubt. Here one `send` is one request,
every failure becomes the port's, and a connection in doubt is given up.
"""

import asyncio
import os
import re
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from multidict import CIMultiDict, CIMultiDictProxy

from firecrawl_interact.core.transport import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Response,
    TimedOutError,
    TransportError,
)

LONGEST_IDLE = 30
"""Seconds after which a kept connection is not used again. Servers often close after 60."""
MAX_FIELDS = 100
"""Header lines, as in http.client."""
MAX_HEAD_BYTES = 512 * 1024
"""Until the head of the answer is read: interim answers, and what comes of the body meanwhile."""
MAX_RESPONSE_BYTES = 4 * MAX_BODY_BYTES
"""Of all that comes: with the body, the sizes of its chunks."""

_LENGTH = re.compile(r"[0-9]+").fullmatch


class Exchange:
    """One `send`: which connection it has, and what came over that."""

    connection: "_ObservedConnection | None" = None
    is_kept = False  # whether the connection carried an answer before
    bytes_received = 0
    answer: aiohttp.ClientResponse | None = None
    refusal: BadResponseError | None = None
    is_over = False  # its time

    async def read(self, answer: aiohttp.ClientResponse) -> Response:
        """Read an answer whole, if it leaves no doubt about its end."""
        self.answer = answer
        if self.connection is not None and self.connection.loss is not None:
            self.wake_up()
        headers: dict[str, str] = {}
        for raw_name, raw_value in answer.raw_headers:
            name = _lower(raw_name)
            value = raw_value.strip(b" \t").decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        length = headers.get("content-length", "")
        # What most answers look like. Nothing about it needs to be checked.
        if not (
            answer.status == 200
            and answer.version == aiohttp.HttpVersion11
            and length.isdecimal()
            and len(length) <= 6
            and len(answer.raw_headers) <= MAX_FIELDS
            and "transfer-encoding" not in headers
            and "content-encoding" not in headers
        ):
            _check_head(answer, headers)
        content = answer.content
        body = bytearray(content.read_nowait())
        while not content.at_eof() and len(body) <= MAX_BODY_BYTES:
            body += await content.readany()
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if self.connection is not None and self.connection.is_surplus:
            self.give_up()
        return Response(answer.status, headers, bytes(body))

    def expire(self) -> None:
        """End the exchange: its time is over. An attempt to connect ends by itself."""
        self.is_over = True
        self.give_up()

    def refuse(self, refusal: BadResponseError) -> None:
        """Take nothing more of this answer."""
        self.refusal = refusal
        self.give_up()

    def wake_up(self) -> None:
        """Let nobody wait for more of this answer: its connection is lost.

        aiohttp forgets to after a chunk, or a trailer, that it cannot read.
        """
        if self.answer is not None:
            content = self.answer.content
            if not content.is_eof() and content.exception() is None:
                content.set_exception(aiohttp.ClientPayloadError("cut short"))

    def give_up(self) -> None:
        """Never use the connection again, unless it is another exchange's by now."""
        if self.connection is not None and self.connection.exchange is self:
            self.connection.transport.abort()
        if self.answer is not None:
            self.answer.close()

    def failure(self, error: BaseException) -> TransportError:
        """Say in the port's words what aiohttp raised."""
        if self.connection is None:
            return ConnectFailedError(f"no connection: {_reason(error)}")
        if self.refusal is not None:
            return self.refusal
        if self.is_over:
            return TimedOutError("no whole answer came in time")
        if isinstance(self.connection.loss, HttpProcessingError):
            error = self.connection.loss
        if isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError)):
            cause = _first_cause(error)
            return BadResponseError(
                f"this is not HTTP/1, aiohttp says: {type(cause).__name__}",
                transient=not isinstance(cause, LineTooLong),
            )
        is_lost = self.connection.loss is not None
        if not (is_lost or isinstance(error, (aiohttp.ClientError, OSError))):
            return BadResponseError(f"the exchange failed: {type(error).__name__}")
        if not self.bytes_received:
            return ConnectionLostError("the connection ended before any answer", stale=self.is_kept)
        return ConnectionLostError("the connection ended before the whole answer")


class Connector(aiohttp.TCPConnector):
    """A pool whose failures are the port's, and that uses no connection in doubt."""

    def __init__(self, pool_size: int, ssl_context: ssl.SSLContext | None) -> None:
        """Take the number of connections to keep, and what verifies certificates."""
        super().__init__(limit=0, keepalive_timeout=LONGEST_IDLE, ssl=ssl_context or True)
        self.is_open = True
        self.exchanges: dict[asyncio.Task[object] | None, Exchange] = {}
        """Those under way, by the task in which they are."""
        self._pool_size = pool_size
        self._process = os.getpid()
        self._watches: dict[object, _ObservedConnection] = {}

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.connector.Connection:
        """Take a kept connection, or make one. aiohttp asks for one whenever it sends."""
        exchange = self.exchanges[asyncio.current_task()]
        if exchange.connection is not None:
            # RFC 9110, 9.2.2, allows to send a DELETE twice. When to is the core's to say.
            loss = exchange.connection.loss or aiohttp.ServerDisconnectedError()
            raise exchange.failure(loss) from bare(loss)
        try:
            while True:
                connection = await super().connect(req, traces, timeout)
                watch = self._watches.get(connection.protocol)
                if watch is None:
                    watch = _ObservedConnection(connection, self._watches, exchange)
                    watch.is_surplus = len(self._watches) > self._pool_size
                    break
                # Whatever came since its answer, its end or more, nobody has asked for.
                if not (watch.protocol.should_close or watch.has_input(0)):
                    exchange.is_kept = True
                    break
                watch.transport.abort()
                connection.close()
        except aiohttp.ClientConnectorCertificateError as error:
            raise ConnectFailedError(
                f"the certificate shown by {_where(req, error)} does not verify: {_reason(error)}",
                transient=False,
            ) from error
        except aiohttp.ClientHttpProxyError as error:
            raise ConnectFailedError(
                f"the proxy refused the tunnel: {error.status} {error.message[:80]!a}",
                transient=error.status >= 500 or error.status in (408, 429),
            ) from bare(error)
        except Exception as error:
            reason = f"no connection to {_where(req, error)}: {_reason(error)}"
            raise ConnectFailedError(reason) from bare(error)
        exchange.connection = watch
        watch.exchange = exchange
        if exchange.is_over:
            connection.close()
            raise ConnectFailedError(f"no connection to {_where(req)}: it took too long")
        return connection

    def abort(self) -> None:
        """End all connections at once. Closing in order, TLS would wait for the other side."""
        self.is_open = False
        for watch in self._watches.values():
            watch.transport.abort()

    def __del__(self, *_: object) -> None:
        # After a fork, both processes share what tells an event loop of input (epoll(7)).
        if self._process == os.getpid():
            super().__del__()


class _ObservedConnection(asyncio.Protocol):
    """Stands between a connection and aiohttp, and sees what aiohttp does not tell."""

    is_surplus = False  # whether the pool is full, so that it must not be kept

    def __init__(
        self,
        connection: aiohttp.connector.Connection,
        watches: dict[object, "_ObservedConnection"],
        exchange: Exchange,
    ) -> None:
        if connection.transport is None or connection.protocol is None:
            connection.close()
            raise ConnectionResetError("it ended at once")
        self.transport = connection.transport
        self.protocol = connection.protocol
        self.exchange = exchange
        self.loss: BaseException | None = None  # why it ended, once it has
        self.has_input = _input_test(self.transport.get_extra_info("socket"))
        self._watches = watches
        watches[self.protocol] = self
        self.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if not exchange.bytes_received and data[:1] != b"H":
            # aiohttp would skip an empty line. But only a request may follow one.
            exchange.refuse(BadResponseError(f"this is not HTTP/1: {data[:7]!r}"))
        limit = MAX_HEAD_BYTES if exchange.answer is None else MAX_RESPONSE_BYTES
        if exchange.bytes_received > limit:
            reason = f"more than {limit} bytes came, and no end of the answer"
            exchange.refuse(BadResponseError(reason, transient=False))
        exchange.bytes_received += len(data)
        if exchange.refusal is None:
            self.protocol.data_received(data)

    def eof_received(self) -> None:
        self.protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        del self._watches[self.protocol]
        misread = self.protocol.exception()
        self.protocol.connection_lost(exc)
        self.loss = misread or self.protocol.exception() or aiohttp.ServerDisconnectedError()
        self.exchange.wake_up()

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()


def _input_test(sock: socket.socket) -> Callable[[int], object]:
    """Return what tells whether a socket has input, or its end, within some milliseconds."""
    if not hasattr(select, "poll"):  # Windows has none.
        return lambda milliseconds: select.select([sock], [], [], milliseconds / 1000)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll


@lru_cache
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _check_head(answer: aiohttp.ClientResponse, headers: Mapping[str, str]) -> None:
    """Refuse what aiohttp takes all the same (RFC 9112, 2.3 and 6.3).

    Raises:
        BadResponseError: the answer is no such thing, or its end is in doubt.
    """
    status, version = answer.status, answer.version
    if version not in (aiohttp.HttpVersion10, aiohttp.HttpVersion11, None):  # vcrpy's has none
        raise BadResponseError("this is not HTTP/1")
    if status == 101:
        raise BadResponseError("the connection was switched to another protocol unasked")
    if not 200 <= status <= 599:
        raise BadResponseError(f"{status} is no HTTP status")
    if len(answer.raw_headers) > MAX_FIELDS:
        raise BadResponseError(f"more than {MAX_FIELDS} header lines")
    if status in (204, 304) or answer.method == "HEAD":
        return
    coding = headers.get("content-encoding", "")
    if coding.lower() not in ("", "identity"):
        raise BadResponseError("the answer is coded, unasked", transient=False)
    length = headers.get("content-length")
    transfer = headers.get("transfer-encoding")
    if transfer is not None:
        if transfer.lower() != "chunked" or length is not None or version == aiohttp.HttpVersion10:
            raise BadResponseError("the answer's Transfer-Encoding leaves its length in doubt")
    elif length is None:
        raise BadResponseError("the answer gives no length: nobody could see it cut short")
    elif not _LENGTH(length):
        raise BadResponseError("the answer's Content-Length leaves its length in doubt")
    elif len(length) > 18 or int(length) > MAX_BODY_BYTES:
        raise _too_large()


def _too_large() -> BadResponseError:
    return BadResponseError(f"the body is larger than {MAX_BODY_BYTES} bytes", transient=False)


def _where(request: aiohttp.ClientRequest, error: Exception | None = None) -> str:
    proxy = request.proxy
    if proxy is None:
        return f"{request.host}:{request.port}"
    host, port = getattr(error, "host", request.host), getattr(error, "port", request.port)
    is_at_proxy = (host, port) == (proxy.raw_host, proxy.port)
    return f"the proxy {proxy}" if is_at_proxy else f"{host}:{port} through the proxy {proxy}"


def _reason(error: BaseException) -> str:
    """Say in one short line why there is no connection. aiohttp begins with what is known."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"its answer is not HTTP/1, aiohttp says: {type(_first_cause(error)).__name__}"
    cause = error.__cause__ or error
    text = str(cause) or type(cause).__name__
    return ascii(" ".join(text.split())[:200])[1:-1]


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def bare(error: BaseException) -> BaseException:
    """Take out of an exception what it shows of the request, or of what came.

    Either may be the key: aiohttp shows the request's headers, and quotes what it cannot read.
    """
    reason = type(_first_cause(error)).__name__
    if isinstance(error, aiohttp.ClientResponseError):
        info = error.request_info
        error.request_info = aiohttp.RequestInfo(
            info.url, info.method, CIMultiDictProxy(CIMultiDict()), info.real_url
        )
        error.message = reason
        error.headers = None
        error.args = (error.request_info, error.history)
    elif isinstance(error, HttpProcessingError):
        error.message = reason
        error.headers = None
        error.args = (reason,)
    elif isinstance(error, aiohttp.ClientPayloadError):
        error.args = (reason,)
    elif isinstance(error, aiohttp.ServerDisconnectedError):
        error.message = "Server disconnected"
        error.args = (error.message,)
    else:
        return error.with_traceback(None)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
