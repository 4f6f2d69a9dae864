"""One `send` of `AiohttpTransport`: how far it came, and what its failure means."""

import asyncio
import enum

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from firecrawl_interact.core.transport import (
    BadResponseError,
    ConnectFailedError,
    Response,
    TimedOutError,
    TransportError,
)

from ..http.failures import lost_connection
from ..http.framing import ResponseParser, merge_fields
from .plain_form import in_plain_form, is_plain_response


class Stage(enum.Enum):
    """How far an exchange came. That decides which kind of error its failure is."""

    ASKED = "aiohttp was asked to send: whatever is wrapped around it may have sent something"
    CONNECTING = "aiohttp asked for a connection, and has none: nothing reached the service"
    CONNECTED = "the request may have reached the service"
    ENDED = "its response is whole, or it was given up and `verdict` says why"


class Exchange:
    """One request, and what comes over its connection until the response is whole.

    aiohttp does not always say whether a request failed before or after it went out. This does.
    """

    def __init__(self, method: str) -> None:
        self.stage: Stage = Stage.ASKED
        self.verdict: TransportError | None = None
        self.ends_connection: bool = False  #: whether no other request may follow
        self._method = method
        self._transport: asyncio.Transport | None = None
        self._is_kept = False
        self._parser: ResponseParser | None = None  # once something came that it must read

    def begin(self, transport: asyncio.Transport, *, is_kept: bool) -> None:
        """Go on over a connection. `is_kept`: it carried a response before."""
        self.stage, self._transport, self._is_kept = Stage.CONNECTED, transport, is_kept

    def receive(self, data: bytes) -> bytes | None:
        """Take what came over the connection, and return the response once it is whole."""
        if self._parser is None:
            if self._method != "HEAD" and is_plain_response(data):
                self.stage = Stage.ENDED
                return data
            self._parser = ResponseParser(self._method)
        try:
            self._parser.feed(data)
        except BadResponseError as error:
            self.end(error)
        if self._parser.response is None:
            return None
        self.stage = Stage.ENDED
        self.ends_connection = self._parser.response.ends_connection
        return in_plain_form(self._parser.response)

    async def read(self, response: aiohttp.ClientResponse) -> Response:
        """Return the response that came, or what a recorder such as vcrpy put in its place."""
        if self._parser is not None and (parsed := self._parser.response) is not None:
            return Response(parsed.status, parsed.headers, parsed.body)
        content = response.content
        body = content.read_nowait() if content.is_eof() else await content.read()
        fields = [
            (name.decode(), value.strip(b" \t").decode("latin-1"))
            for name, value in response.raw_headers
        ]
        return Response(response.status, merge_fields(fields), body)

    def lose(self, error: BaseException | None) -> None:
        """End the exchange: its connection is lost."""
        self.end(self._loss(error))

    def end(self, verdict: TransportError | None = None) -> None:
        """Give up the connection, unless the response is whole. The first verdict counts."""
        if self.stage is not Stage.ENDED:
            self.stage, self.verdict = Stage.ENDED, verdict
            if self._transport is not None:
                self._transport.abort()

    def failure(self, error: BaseException) -> TransportError:
        """Say in the port's words what aiohttp raised, or what is wrapped around it."""
        if self.verdict is not None:
            return self.verdict
        if self.stage is Stage.CONNECTING:
            return ConnectFailedError(f"no connection: {reason_of(error)}")
        if isinstance(error, TimeoutError):
            return TimedOutError("no whole response came in time")
        if isinstance(error, aiohttp.ClientError | OSError):
            return self._loss(error)
        return BadResponseError(f"the request failed: {type(error).__name__}")

    def _loss(self, error: BaseException | None) -> TransportError:
        has_begun = self._parser is not None or self.stage is Stage.ENDED
        loss = lost_connection(error, has_begun=has_begun, is_kept=self._is_kept)
        loss.__cause__ = error
        return loss


def reason_of(error: BaseException) -> str:
    """Say in one short line why there is no connection. aiohttp begins with what is known."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"its response is not HTTP/1, aiohttp says: {error.message}"
    cause = error.__cause__ or error
    text = str(cause) or type(cause).__name__
    return ascii(" ".join(text.split())[:200])[1:-1]


def redact(error: BaseException) -> None:
    """Take out of an exception what it shows of the request, or of what a proxy sent.

    Either may be a key: aiohttp shows the headers, and quotes what it cannot read.
    """
    if isinstance(error, aiohttp.ServerDisconnectedError):
        error.message = "Server disconnected"
        error.args = (error.message,)
    if isinstance(error, aiohttp.ClientResponseError):
        info = error.request_info
        error.request_info = aiohttp.RequestInfo(
            info.url, info.method, CIMultiDictProxy(CIMultiDict()), info.real_url
        )
        error.message = type(error.__cause__ or error).__name__
        error.headers = None
        error.args = (error.request_info, error.history)
        error.__cause__ = error.__context__ = None
