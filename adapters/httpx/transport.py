"""Transports over the program's own client: of httpx2, or of httpx, which has the same names.

Neither is imported here, because a program that has a client has its package.
"""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from firecrawl_interact.core import transport as port
from firecrawl_interact.core.driver import run_sync

from ..api_url import parse_api_url
from ..http import connection as http
from ..http.framing import body_length
from ..http.tracebacks import drop_frames
from ..system_time import AsyncSystemTime, SystemTime

if TYPE_CHECKING:
    import httpx  # noqa: F401 - the type checkers find it in a string
    import httpx2  # noqa: F401 - as above

ClientT = TypeVar("ClientT")
_CONNECT_TIMEOUT = 10  # seconds, as of the other transports


class _Steps:
    """How far a request is, if the client's transport reports that (the extension `trace`)."""

    is_connecting = False  # Otherwise it may go over a kept connection.
    is_verified = True
    is_sent = False  # or part of it

    def note(self, event: str, info: dict[str, Any]) -> None:  # Any: as httpcore has it
        """Take note of a step. Refuse to send what must not be sent."""
        match event.split("."):
            case [_, "connect_tcp" | "connect_unix_socket", "started"]:
                self.is_connecting = True
            case [_, "start_tls", "started"]:
                self.is_verified &= info["ssl_context"].check_hostname
            case ["http2", "send_request_headers", "started"]:
                raise _not_sent("the client uses HTTP/2. Pass one with http2=False")
            case [_, "send_request_headers", "started"] if info["request"].method != b"CONNECT":
                if not self.is_verified:
                    raise _not_sent("the client does not verify certificates")
                if self.is_sent:
                    raise port.ConnectionLostError("the client's transport would send it again")
                self.is_sent = True

    async def note_awaited(self, event: str, info: dict[str, Any]) -> None:  # Any: as above
        self.note(event, info)


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
            advice = "An AsyncClient is for AsyncHttpxTransport, and a Client for HttpxTransport"
            what = f"client must be an httpx2.{kind} or httpx.{kind}, not {came}"
            raise TypeError(f"{what}. {advice}")
        self._package: Any = packages[0]  # Any: either module
        self._client: Any = client  # Any: of either
        #: the API URL
        self.api_url: str = str(parse_api_url(api_url, allow_plain_http=allow_plain_http))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.api_url!r}, client={type(self._client).__name__})"

    async def _exchange(
        self, request: port.Request, timeout: float, limit: AbstractAsyncContextManager[object]
    ) -> port.Response:
        """Send a request, and return its response. With a `Client` this never suspends."""
        steps, handled, deadline = _Steps(), sys.exception(), monotonic() + timeout
        try:
            async with limit:
                response = await self._begin(request, timeout, steps)
                try:
                    headers = _checked_headers(response)
                    body = await self._read(response, deadline)
                finally:
                    await response.aclose() if self._is_awaited else response.close()
        except BaseException as error:
            drop_frames(error, handled)
            of_httpx = self._package.HTTPError | self._package.StreamError | OSError
            if not isinstance(error, of_httpx):
                raise
            raise self._failure(error, steps) from (None if steps.is_sent else error)
        return port.Response(response.status_code, headers, body)

    async def _begin(self, request: port.Request, timeout: float, steps: _Steps) -> Any:
        """Send a request, without what the client adds to its own. Any: an httpx response."""
        if self._client.is_closed:
            raise _not_sent("the client is closed")
        # The client closes what it cannot connect to, if its own time ends first.
        connect = min(0.9 * timeout, _CONNECT_TIMEOUT)
        sent = self._package.Request(
            request.method,
            f"{self.api_url}{request.path}",
            headers={"User-Agent": "firecrawl-interact", **request.headers, "Connection": "close"},
            extensions={
                "timeout": {"connect": connect, "pool": connect, "read": timeout, "write": timeout},
                "trace": steps.note_awaited if self._is_awaited else steps.note,
            },
        )
        try:
            response = self._client.send(sent, stream=True, auth=None, follow_redirects=False)
            return await response if self._is_awaited else response
        except self._package.HTTPStatusError as error:  # of a hook: here, a status is data
            return error.response

    async def _read(self, response: Any, deadline: float) -> bytes:  # Any: as above
        if response.is_stream_consumed:  # by a hook or a mock
            return bytes(response.content)
        if response.is_closed:  # because a hook raised
            return b""
        body = b""
        pieces = response.aiter_raw() if self._is_awaited else _each(response.iter_raw())
        async for piece in pieces:
            http.seconds_until(deadline)
            body += piece
            if len(body) > port.MAX_BODY_BYTES:
                raise port.BadResponseError(f"more than {port.MAX_BODY_BYTES} bytes in the body")
        return body

    def _failure(self, error: Exception, steps: _Steps) -> port.TransportError:
        """Return what an error of the package means."""
        package = self._package
        if isinstance(error, package.ProxyError) and re.match(r"4(?!08|29)\d\d\b", str(error)):
            return _not_sent(f"the proxy refused the tunnel: {str(error)[:3]}")
        certain = package.PoolTimeout | package.UnsupportedProtocol
        if not steps.is_sent and (steps.is_connecting or isinstance(error, certain)):
            # httpx raises it from an error of httpcore, and that from one of the system or of TLS.
            reason = getattr(error.__cause__, "__context__", None) or error
            return http.connect_error(self.api_url, reason)
        # The text of the error may quote the response, and so the key.
        text = f"no whole response: {type(error).__name__} of {package.__name__}"
        if isinstance(error, package.TimeoutException | TimeoutError):
            return port.TimedOutError(text)
        return port.ConnectionLostError(text, stale=steps.is_sent and not steps.is_connecting)


class HttpxTransport(_HttpxTransport["httpx2.Client | httpx.Client"], SystemTime):
    """A blocking `Transport` over a `Client` of httpx2 or httpx, which it never closes.

    The client's pool, proxies, certificates, `event_hooks` and instrumentation hold. Its
    `base_url`, cookies, `auth`, headers, `params`, timeouts and redirects do not, but it keeps the
    cookies that Firecrawl sets. The connection that carried a request is closed afterwards.
    `timeout` holds for each read of a response's head, and AsyncHttpxTransport's for the whole
    exchange, over HTTP/1.1. Threads can share it. It cannot be pickled, because a client cannot.
    `api_url` and `allow_plain_http` are those of `Urllib3Transport`.
    """

    _is_awaited = False

    def send(self, request: port.Request, timeout: float) -> port.Response:
        """Send one request, and return the response.

        Raises:
            TransportError: no response came. `sent` says whether Firecrawl may have acted.
        """
        return run_sync(self._exchange(request, timeout, nullcontext()))


class AsyncHttpxTransport(
    _HttpxTransport["httpx2.AsyncClient | httpx.AsyncClient"], AsyncSystemTime
):
    """`HttpxTransport` for asyncio, over an `AsyncClient` of httpx2 or httpx."""

    _is_awaited = True

    async def send(self, request: port.Request, timeout: float) -> port.Response:
        """Send one request, as `HttpxTransport.send` does."""
        import asyncio  # noqa: PLC0415 - as in `AsyncSystemTime`

        return await self._exchange(request, timeout, asyncio.timeout(timeout))


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _not_sent(reason: str) -> port.ConnectFailedError:
    return port.ConnectFailedError(f"nothing was sent: {reason}", transient=False)


def _checked_headers(response: Any) -> dict[str, str]:  # Any: of the package
    """Return the headers of a response. Refuse what httpx takes although its end is ambiguous."""
    version, status = response.http_version, response.status_code
    if version not in ("HTTP/1.0", "HTTP/1.1") or not 200 <= status <= 599:
        raise port.BadResponseError(f"the response is not HTTP/1.1: {version}, status {status}")
    headers = dict(response.headers)
    body_length(headers, method="DELETE", status=status, is_old=version == "HTTP/1.0")
    return headers
