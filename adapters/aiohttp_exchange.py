"""One exchange over aiohttp, without guessing: what `AiohttpTransport` adds to it.

aiohttp sends a DELETE again when its connection breaks, calls a connection that failed and one
that broke by the same names, and takes answers whose end is in doubt. Here one `send` is one
request, every failure becomes the port's, and a connection that is in doubt is given up.
"""

import asyncio
import re
import select
import socket
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

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
MAX_ANSWER_BYTES = 4 * MAX_BODY_BYTES
"""Of an answer with all that stands around its body: heads, interim answers, chunk sizes."""

_LENGTH = re.compile(r"[0-9]+").fullmatch


class Exchange:
    """One `send`, as the middleware that aiohttp calls around its request."""

    connection: "_Watch | None" = None
    is_kept = False  # whether the connection carried an answer before
    answer: aiohttp.ClientResponse | None = None
    bytes_received = 0
    refusal: BadResponseError | None = None
    is_over = False  # its time

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request once: aiohttp repeats what fails with its own errors, not with ours."""
        assert isinstance(request, LinkedRequest)  # noqa: S101 - the session makes no others
        request.exchange = self
        try:
            return await handler(request)
        except (aiohttp.ClientError, OSError) as error:
            raise self.failure(error) from error

    async def read(self, answer: aiohttp.ClientResponse) -> Response:
        """Read an answer whole, if it leaves no doubt about its end."""
        self.answer = answer
        headers: dict[str, str] = {}
        for raw_name, raw_value in answer.raw_headers:
            name = raw_name.decode("latin-1").lower()
            value = raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        _check_head(answer, headers)
        content = answer.content
        body = bytearray()
        while not content.at_eof():
            body += await content.readany()
            if len(body) > MAX_BODY_BYTES:
                raise _too_large()
        return Response(answer.status, headers, bytes(body))

    def refuse(self, refusal: BadResponseError) -> None:
        """Take nothing more."""
        self.refusal = refusal
        self.give_up()

    def expire(self) -> None:
        """End the exchange: its time is over. A connection attempt ends by itself."""
        self.is_over = True
        if self.answer is not None:
            self.answer.content.set_exception(TimeoutError())
        elif self.connection is not None:
            self.connection.protocol.set_exception(TimeoutError())

    def give_up(self) -> None:
        """Never use the connection again, unless another exchange has it already."""
        if self.connection is not None and self.connection.exchange is self:
            self.connection.transport.abort()
        if self.answer is not None:
            self.answer.close()

    def failure(self, error: Exception) -> TransportError:
        """Say in the port's words what aiohttp raised."""
        _redact(error)
        if self.connection is None:
            return ConnectFailedError(f"no connection: {_reason(error)}")
        if self.refusal is not None:
            return self.refusal
        if isinstance(error, TimeoutError):
            return TimedOutError("no whole answer came in time")
        if isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError)):
            causes = error.__cause__, getattr(error.__cause__, "__cause__", None)
            is_too_long = any(isinstance(cause, LineTooLong) for cause in causes)
            return BadResponseError(
                f"this is not HTTP/1: {_reason(error)}", transient=not is_too_long
            )
        if self.bytes_received == 0:
            return ConnectionLostError("the connection ended before any answer", stale=self.is_kept)
        return ConnectionLostError("the connection ended before the whole answer")


class LinkedRequest(aiohttp.ClientRequest):
    """A request that knows the exchange it belongs to."""

    exchange: Exchange


class Connector(aiohttp.TCPConnector):
    """A pool whose failures are the port's, and that does not use a connection when in doubt."""

    def __init__(self, pool_size: int, context: ssl.SSLContext | None) -> None:
        """Take the number of connections to keep, and what verifies certificates."""
        super().__init__(limit=0, keepalive_timeout=LONGEST_IDLE, ssl=context or True)
        self._pool_size = pool_size
        self.connections = 0
        self.is_open = True

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.connector.Connection:
        """Take a kept connection that is fit, or make one."""
        assert isinstance(req, LinkedRequest)  # noqa: S101 - the session makes no others
        exchange = req.exchange
        try:
            while True:
                connection = await super().connect(req, traces, timeout)
                assert connection.transport is not None  # noqa: S101 - it is connected
                watch = connection.transport.get_protocol()
                exchange.is_kept = isinstance(watch, _Watch)
                if not isinstance(watch, _Watch):
                    watch = _Watch(connection, self)
                    if self.connections > self._pool_size:
                        watch.protocol.force_close()
                    break
                # Nothing may have come since its answer.
                if not (watch.protocol.should_close or watch.poll(0)):
                    break
                watch.transport.abort()
                connection.close()
            if exchange.is_over:
                watch.transport.abort()
                connection.close()
                raise TimeoutError
        except aiohttp.ClientConnectorCertificateError as error:
            raise ConnectFailedError(
                f"the certificate shown by {_where(req)} does not verify: {_reason(error)}",
                transient=False,
            ) from error
        except aiohttp.ClientHttpProxyError as error:
            _redact(error)
            raise ConnectFailedError(
                f"the proxy refused the tunnel: {error.status} {error.message[:80]!a}",
                transient=error.status >= 500 or error.status in (408, 429),
            ) from error
        except Exception as error:
            _redact(error)
            raise ConnectFailedError(f"no connection to {_where(req)}: {_reason(error)}") from error
        exchange.connection = watch
        watch.exchange = exchange
        return connection


def _where(request: aiohttp.ClientRequest) -> str:
    if request.proxy is not None:
        return f"the proxy {request.proxy}"
    return f"{request.host}:{request.port}"


class _Watch(asyncio.Protocol):
    """Stands between a connection and aiohttp, and sees what aiohttp does not tell."""

    exchange: Exchange

    def __init__(self, connection: aiohttp.connector.Connection, connector: Connector) -> None:
        assert connection.transport is not None  # noqa: S101 - it is new
        assert connection.protocol is not None  # noqa: S101
        self.transport = connection.transport
        self.protocol = connection.protocol
        self.transport.set_protocol(self)
        self._connector = connector
        connector.connections += 1
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
        self.poll = poll.poll

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange.bytes_received == 0 and data[0] != ord("H"):
            # aiohttp would skip empty lines here. Only a request may begin with one.
            exchange.refuse(BadResponseError(f"this is not HTTP/1: {data[:40]!r}"))
        exchange.bytes_received += len(data)
        if exchange.bytes_received > MAX_ANSWER_BYTES:
            exchange.refuse(
                BadResponseError(
                    f"the answer is larger than {MAX_ANSWER_BYTES} bytes", transient=False
                )
            )
        if exchange.refusal is None:
            self.protocol.data_received(data)

    def eof_received(self) -> None:
        self.protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connector.connections -= 1
        failure = self.protocol.exception()
        self.protocol.connection_lost(exc)
        # After a chunk that it cannot read, aiohttp does not tell whoever waits for the next.
        answer = self.exchange.answer
        if answer is None:
            return
        content = answer.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(failure or aiohttp.ClientPayloadError("cut short"))

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()


def _check_head(answer: aiohttp.ClientResponse, headers: Mapping[str, str]) -> None:
    """Refuse what aiohttp takes all the same (RFC 9112, 2.3 and 6.3).

    Raises:
        BadResponseError: the answer, or where it ends, is in doubt.
    """
    status, version = answer.status, answer.version
    if version is None or version.major != 1:
        raise BadResponseError("this is not HTTP/1")
    if status == 101:
        raise BadResponseError("the connection was switched to another protocol unasked")
    if not 200 <= status <= 599:
        raise BadResponseError(f"{status} is no HTTP status")
    if status in (204, 304) or answer.method == "HEAD":
        return
    coding = headers.get("content-encoding", "")
    if coding.lower() not in ("", "identity"):
        raise BadResponseError(f"the answer is coded, unasked: {coding[:80]!a}", transient=False)
    length = headers.get("content-length")
    transfer = headers.get("transfer-encoding")
    if transfer is not None:
        if transfer.lower() != "chunked" or length is not None or version.minor == 0:
            raise BadResponseError("the answer's Transfer-Encoding leaves its length in doubt")
    elif length is None:
        raise BadResponseError("the answer gives no length: nobody could see it cut short")
    elif not _LENGTH(length):
        raise BadResponseError("the answer's Content-Length leaves its length in doubt")
    elif len(length) > 18 or int(length) > MAX_BODY_BYTES:
        raise _too_large()


def _too_large() -> BadResponseError:
    return BadResponseError(f"the body is larger than {MAX_BODY_BYTES} bytes", transient=False)


def _reason(error: Exception) -> str:
    """Say why, in one short line. aiohttp's own texts begin with what is known already."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    cause = error.__cause__ or error
    text = str(getattr(error, "message", cause)) or type(cause).__name__
    return ascii(" ".join(text.split())[:200])[1:-1]


def _redact(error: Exception) -> None:
    """Take the request's headers out of an exception that shows them in its repr."""
    if isinstance(error, aiohttp.ClientResponseError):
        info = error.request_info
        error.request_info = aiohttp.RequestInfo(
            info.url, info.method, CIMultiDictProxy(CIMultiDict()), info.real_url
        )
        error.args = (error.request_info, error.history)
