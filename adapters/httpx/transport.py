"""Transports over the program's own client: of httpx2, or of httpx, which has the same names.

Neither is imported here, because a program that has a client has its package.
"""

import sys
from contextlib import AbstractAsyncContextManager, nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from firecrawl_interact.core import transport as port
from firecrawl_interact.core.driver import run_sync
from firecrawl_interact.core.transport import Request, Response

from ..api_url import parse_api_url
from ..http import connection as http
from ..http.framing import body_length
from ..system_time import AsyncSystemTime, SystemTime

if TYPE_CHECKING:
    import httpx  # noqa: F401 - the type checkers find it in a string
    import httpx2  # noqa: F401 - as above

ClientT = TypeVar("ClientT")
_CONNECT_TIMEOUT = 10  # seconds, as of the other transports


class _KeptConnectionError(Exception):
    """The client chose a connection that was used before. Nothing was sent over it."""


class _Exchange:
    """One request: how far it is, when it must end, and the body so far.

    httpx sends through httpcore, which reports each step to `note` (its extension `trace`). Another
    transport of the client reports nothing, so that each of its failures counts as sent.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout, self.deadline = timeout, monotonic() + timeout
        self.body = b""
        self.is_connecting = False  # or has a connection of its own
        self.is_sent = False  # or part of it
        self.stream: Any = None  # Any: its connection, of httpcore

    def note(self, event: str, info: dict[str, Any]) -> None:  # Any: as httpcore has it
        """Take note of a step, and stop the client before one that may give a wrong fate."""
        match event.split("."):
            case [_, "connect_tcp" | "connect_unix_socket", "started"]:
                self.is_connecting = True
            case [_, "connect_tcp" | "connect_unix_socket" | "start_tls", "complete"]:
                self._limit_reads(info["return_value"])
            case [_, "start_tls", "started"] if not info["ssl_context"].check_hostname:
                advice = "nothing was sent: the client does not verify certificates"
                raise port.ConnectFailedError(advice, transient=False)
            case [layer, "send_request_headers", "started"] if info["request"].method != b"CONNECT":
                self._begin_sending(layer)
            case [_, "receive_response_headers", "complete"]:
                fields = info["return_value"][3]  # The client would keep the cookies among them.
                fields[:] = [field for field in fields if field[0].lower() != b"set-cookie"]

    async def note_awaited(self, event: str, info: dict[str, Any]) -> None:  # Any: as above
        self.note(event, info)

    def _limit_reads(self, stream: Any) -> None:  # Any: of httpcore
        """Give each read the time that is left, because httpcore gives each the whole timeout."""
        self.stream, read = stream, stream.read
        stream.read = lambda size, timeout=None: read(size, http.seconds_until(self.deadline))

    def _begin_sending(self, layer: str) -> None:
        if layer == "http2":
            advice = "nothing was sent: the client uses HTTP/2. Pass one with http2=False"
            raise port.ConnectFailedError(advice, transient=False)
        if self.is_sent:
            raise port.ConnectionLostError("no response: the client's transport would retry")
        if not self.is_connecting:  # Surplus bytes in it would be taken for our response.
            raise _KeptConnectionError
        self.is_sent = True

    def add(self, piece: bytes) -> None:
        """Add a piece of the body."""
        http.seconds_until(self.deadline)
        if len(self.body) + len(piece) > port.MAX_BODY_BYTES:
            raise port.BadResponseError(f"more than {port.MAX_BODY_BYTES} bytes in the body")
        self.body += piece


class _HttpxTransport(Generic[ClientT]):
    """What both share."""

    _is_awaited: ClassVar[bool]

    def __init__(
        self,
        api_url: str = "https://api.firecrawl.dev",
        *,
        client: ClientT,
        allow_plain_http: bool = False,
    ) -> None:
        loaded = [sys.modules[name] for name in ("httpx2", "httpx") if name in sys.modules]
        kind = "AsyncClient" if self._is_awaited else "Client"
        packages = [one for one in loaded if isinstance(client, getattr(one, kind))]
        if not packages:
            came = repr(client) if isinstance(client, type) else type(client).__name__
            raise TypeError(
                f"client must be an httpx2.{kind} or httpx.{kind}, not {came}. The extra httpx"
                " brings httpx2: pip install '.[httpx]' in a clone of the project"
            )
        self._package: Any = packages[0]  # Any: either module
        self._client: Any = client  # Any: of either
        self._api_url = parse_api_url(api_url, allow_plain_http=allow_plain_http)

    @property
    def api_url(self) -> str:
        """The API URL. Pass it to a journal as `service`."""
        return str(self._api_url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.api_url!r}, client={type(self._client).__name__})"

    async def _exchange(
        self, request: Request, timeout: float, limit: AbstractAsyncContextManager[object]
    ) -> Response:
        """Send a request, and return its response. With a `Client` this never suspends."""
        exchange, handled = _Exchange(timeout), sys.exception()
        try:
            async with limit:
                response = await self._begin(request, exchange)
                try:
                    headers = _checked_headers(response)
                    await self._read(response, exchange)
                finally:
                    await self._close(response)
        except BaseException as error:
            if exchange.stream is not None:  # httpcore leaves it open if a handshake is cancelled.
                await self._close(exchange.stream)
            http.drop_frames_of_bug(error, [*request.headers.values()])
            if failure := self._failure(error, exchange, handled):
                raise failure  # noqa: B904 - it has its cause
            raise
        return Response(response.status_code, headers, exchange.body)

    async def _read(self, response: Any, exchange: _Exchange) -> None:  # Any: of the package
        if response.is_stream_consumed:  # by a hook or a mock
            exchange.add(response.content)
        elif response.is_closed:  # because a hook raised
            return
        elif self._is_awaited:
            async for piece in response.aiter_raw():
                exchange.add(piece)
        else:
            for piece in response.iter_raw():
                exchange.add(piece)

    async def _close(self, what: Any) -> None:  # Any: of the package, or of httpcore
        if self._is_awaited:
            await what.aclose()
        else:
            what.close()

    async def _begin(self, request: Request, exchange: _Exchange) -> Any:  # Any: of the package
        """Send a request over a new connection, with nothing that the client has by default."""
        if self._client.is_closed:
            raise port.ConnectFailedError("nothing was sent: the client is closed", transient=False)
        timeout, connect = exchange.timeout, min(exchange.timeout, _CONNECT_TIMEOUT)
        sent = self._package.Request(
            request.method,
            f"{self._api_url}{request.path}",
            headers={"User-Agent": "firecrawl-interact", **request.headers, "Connection": "close"},
            extensions={
                "timeout": {"connect": connect, "pool": connect, "read": timeout, "write": timeout},
                "trace": exchange.note_awaited if self._is_awaited else exchange.note,
            },
        )
        while True:
            http.seconds_until(exchange.deadline)
            try:
                response = self._client.send(sent, stream=True, auth=None, follow_redirects=False)
                return await response if self._is_awaited else response
            except _KeptConnectionError:  # httpcore has closed it.
                continue
            except self._package.HTTPStatusError as error:  # of a hook: here, a status is data
                return error.response

    def _failure(
        self, error: BaseException, exchange: _Exchange, handled: BaseException | None
    ) -> port.TransportError | None:
        """Return what an error means, if it is one of httpx."""
        reason: Exception = ConnectionError(type(error).__name__)
        link: BaseException | None = error
        while link is not None and link is not handled:
            if isinstance(link, OSError):
                reason = link
            link = link.__cause__ or link.__context__
        if not isinstance(error, self._package.HTTPError | self._package.StreamError | OSError):
            return None
        if exchange.is_connecting and not exchange.is_sent:
            to = f"{self._api_url.host}:{self._api_url.port}"
            failure: port.TransportError = http.connect_error(to, reason)
            failure.__cause__ = error
            return failure
        late = self._package.TimeoutException | TimeoutError
        kind = port.TimedOutError if isinstance(error, late) else port.ConnectionLostError
        failure = kind(f"no whole response: {type(error).__name__} of {self._package.__name__}")
        failure.__cause__ = None  # The text of the error may quote the response, and so the key.
        return failure


class HttpxTransport(_HttpxTransport["httpx2.Client | httpx.Client"], SystemTime):
    """A blocking `Transport` over a `Client` of httpx2 or httpx, which it never closes.

    The client's proxies, certificates, `event_hooks` and instrumentation hold. Its `base_url`,
    cookies, `auth`, headers, `params`, timeouts and redirects do not. Each request has a connection
    of its own, over HTTP/1.1. Threads can share it. It cannot be pickled, because a client cannot.
    `api_url` and `allow_plain_http` are those of `Urllib3Transport`.
    """

    _is_awaited = False

    def send(self, request: Request, timeout: float) -> Response:
        """Send one request, and return the response within `timeout` seconds.

        Raises:
            TransportError: no response came. `sent` says whether Firecrawl may have acted.
        """
        return run_sync(self._exchange(request, timeout, nullcontext()))


class AsyncHttpxTransport(
    _HttpxTransport["httpx2.AsyncClient | httpx.AsyncClient"], AsyncSystemTime
):
    """`HttpxTransport` for asyncio, over an `AsyncClient` of httpx2 or httpx."""

    _is_awaited = True

    async def send(self, request: Request, timeout: float) -> Response:
        """Send one request, as `HttpxTransport.send` does."""
        import asyncio  # noqa: PLC0415 - as in `AsyncSystemTime`

        return await self._exchange(request, timeout, asyncio.timeout(timeout))


def _checked_headers(response: Any) -> dict[str, str]:  # Any: of the package
    """Return the headers of a response. Refuse what httpx takes although its end is ambiguous."""
    version, status = response.http_version, response.status_code
    if version not in ("HTTP/1.0", "HTTP/1.1") or not 200 <= status <= 599:
        raise port.BadResponseError(f"the response is not HTTP/1.1: {version}, status {status}")
    headers = dict(response.headers)
    body_length(headers, method="DELETE", status=status, is_old=version == "HTTP/1.0")
    return headers
