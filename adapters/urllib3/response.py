"""The response that `Urllib3Transport` gives urllib3 in the place of http.client's."""

import io
import socket
import ssl
from http.client import HTTPMessage, HTTPResponse, IncompleteRead, RemoteDisconnected
from time import monotonic

from ..http.failures import refused_tunnel
from ..http.framing import ParsedResponse, ResponseParser

_RECEIVED_AT_ONCE = 16 * 1024


class StrictResponse(HTTPResponse):
    """One response, read whole in `begin`. What urllib3 reads afterwards is in memory."""

    # What http.client sets, declared for those who check types.
    version: int
    status: int
    code: int
    reason: str
    headers: HTTPMessage
    msg: HTTPMessage
    will_close: bool
    length: int | None
    fp: io.BufferedReader

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        self._reader = _Reader(sock)
        self._parser = ResponseParser(method or "GET")
        super().__init__(self._reader, debuglevel, method, url)  # type: ignore[arg-type]  # makefile is all it asks of a socket

    def begin(self) -> None:
        """Receive the response.

        Raises:
            RemoteDisconnected: the connection ended before the first byte.
            IncompleteRead, OSError: the connection ended later.
            TimeoutError: the response is not whole within the socket's timeout.
            BadResponseError: it is no response, or one that cannot be taken.
        """
        response = self._reader.read_response(self._parser)
        self.version, self.status, self.reason = response.version, response.status, response.reason
        self.code = self.status
        self.headers = self.msg = HTTPMessage()
        for name, value in response.fields:
            self.headers.set_raw(name, value)
        self.will_close = response.ends_connection
        self.chunked = False
        self.length = len(response.body)
        self.fp = io.BytesIO(response.body)  # type: ignore[assignment]  # to be read like the socket's

    def _read_status(self) -> tuple[str, int, str]:
        """Receive the response to CONNECT. http.client calls this method for nothing else.

        Raises:
            ConnectFailedError: the proxy refused the tunnel.
        """
        response = self._reader.read_response(ResponseParser("CONNECT"))
        if not 200 <= response.status < 300:
            raise refused_tunnel(response.status)
        self.fp = io.BytesIO(b"\r\n")  # type: ignore[assignment]  # the end of the head, which http.client still reads
        self._reader.give_time_left()
        return "HTTP/1.1", 200, response.reason


class _Reader:
    """Feeds a parser what a socket receives, in the timeout that the socket had before."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deadline = monotonic() + (sock.gettimeout() or 0)

    def makefile(self, mode: str) -> io.BytesIO:
        """Give http.client a file to close. Nothing is read from it."""
        return io.BytesIO()

    def read_response(self, parser: ResponseParser) -> ParsedResponse:
        """Receive one response, and nothing more than came with it."""
        buffer = bytearray(_RECEIVED_AT_ONCE)
        while parser.response is None:
            self.give_time_left()
            try:
                size = self._sock.recv_into(buffer)
            except (ConnectionError, ssl.SSLError) as error:
                if parser.has_begun:
                    raise
                raise RemoteDisconnected(f"no response: {error}") from error
            if size:
                parser.feed(buffer[:size])
            elif parser.has_begun:
                raise IncompleteRead(b"")
            else:
                raise RemoteDisconnected("the connection was closed without a response")
        return parser.response

    def give_time_left(self) -> None:
        """Give the socket the time that is left."""
        self._sock.settimeout(seconds_until(self._deadline))


def seconds_until(deadline: float) -> float:
    """Return the seconds that are left.

    Raises:
        TimeoutError: there are none.
    """
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds
