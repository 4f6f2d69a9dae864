"""HTTP/1.1 without guessing: the connections and answers that `Urllib3Transport` gives urllib3.

urllib3 reads answers with http.client, which is lenient where a mistake would make one call's
answer the next one's, or half an answer a whole one. Here an answer is read whole before
urllib3 sees it, under one clock and within bounds, and every failure becomes the port's.
"""

import io
import re
import socket
import ssl
from contextvars import ContextVar
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead, RemoteDisconnected
from time import monotonic
from typing import TYPE_CHECKING

import urllib3

# vcrpy replaces these names in urllib3.connection while it records; here they stay.
from urllib3.connectionpool import (  # type: ignore[attr-defined]  # imported there, not exported
    HTTPConnection,
    HTTPSConnection,
)
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssltransport import SSLTransport

from firecrawl_interact.core.transport import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    TimedOutError,
    TransportError,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

MAX_HEAD_BYTES = 100 * 1024
"""All lines of an answer: heads, chunk extensions, trailers. h11 takes 100 KiB, Node.js 16."""
MAX_LINE_BYTES = 64 * 1024
"""One line of an answer, as in http.client. aiohttp takes 8 KiB."""
MAX_FIELDS = 100
"""Header lines, as in http.client."""
MAX_INTERIM_RESPONSES = 8
"""1xx answers before the real one. http.client takes any number."""
LONGEST_IDLE = 30
"""Seconds after which a kept connection is not used again. Servers often close after 60."""

REQUEST_TARGET: ContextVar[str] = ContextVar("target")
"""What the request line shall name. urllib3 spells escapes anew on the way (%2e as %2E)."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\0\r]*))?").fullmatch
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r]*)").fullmatch
# 16 digits count more bytes than there are.
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\0\r]*)?").fullmatch
_LENGTH = re.compile(r"[0-9]+").fullmatch


class UnwantedResponseError(HTTPException):
    """The answer is too large, or coded. The next one would be, too."""


class StrictResponse(HTTPResponse):
    """One answer, read whole in `begin`. What urllib3 reads afterwards is in memory."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        self._bytes = _TimedBytes(sock)
        super().__init__(self._bytes, debuglevel, method, url)  # type: ignore[arg-type]  # makefile is all it asks of a socket
        self._is_for_head = method == "HEAD"
        self._line_bytes = 0

    def begin(self) -> None:
        """Read the answer, and take it apart as RFC 9112 says.

        Raises:
            RemoteDisconnected: the connection ended before the first byte.
            IncompleteRead, OSError: the connection ended later.
            TimeoutError: no whole answer within the socket's time-out.
            UnwantedResponseError, HTTPException: it cannot be taken.
        """
        fields = self._read_head()
        body = self._read_body(fields)
        self._bytes.has_ended = True  # Of what follows, only what is here already counts.
        self.will_close = (
            self.version == 10
            or "close" in fields.get("connection", "").lower()
            or bool(self.fp.peek(1))
        )
        self.chunked = False
        self.length = len(body)
        self.fp = io.BytesIO(body)  # type: ignore[assignment]  # to be read like the socket's

    def _read_status(self) -> tuple[str, int, str]:
        """Read the answer to CONNECT: for that alone http.client calls this method."""
        self._read_head()
        if not 200 <= self.status < 300:
            raise ConnectFailedError(
                f"the proxy refused the tunnel: {self.status} {self.reason[:80]!a}",
                transient=self.status >= 500 or self.status in (408, 429),
            )
        self.fp = io.BytesIO(b"\r\n")  # type: ignore[assignment]  # the end of the head
        self._bytes.settimeout()
        return "HTTP/1.1", 200, self.reason

    def _read_head(self) -> dict[str, str]:
        # Messages quote next to nothing: what came may hold the key, sent back.
        try:
            start = self.fp.peek(1)[:7]
        except (ConnectionError, ssl.SSLError) as error:
            raise RemoteDisconnected(f"no answer: {error}") from error
        if not start:
            raise RemoteDisconnected("the connection was closed without an answer")
        if not b"HTTP/1.".startswith(start):
            raise HTTPException(f"this is not HTTP/1, it starts with {start!r}")
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            line = self._read_line()
            status_line = _STATUS_LINE(line)
            if status_line is None:
                raise HTTPException(f"this is no HTTP/1 status line: {line[:16]!r}")
            self.version = 11 if status_line[1] == b"1" else 10
            self.code = self.status = int(status_line[2])
            self.reason = (status_line[3] or b"").decode("latin-1")
            fields = self._read_fields()
            if self.status >= 200:
                return fields
            if self.status == 101:
                raise HTTPException("the connection was switched to another protocol unasked")
        raise HTTPException(f"more than {MAX_INTERIM_RESPONSES} interim answers")

    def _read_fields(self) -> dict[str, str]:
        """Read header or trailer lines, and the empty line behind them."""
        lines: list[bytes] = []
        while line := self._read_line():
            if line[0] in b" \t" and lines:
                lines[-1] += b" " + line.lstrip(b" \t")  # RFC 9112, 5.2
            else:
                lines.append(line)
            if len(lines) > MAX_FIELDS:
                raise HTTPException(f"more than {MAX_FIELDS} header lines")
        self.headers = self.msg = HTTPMessage()
        fields: dict[str, str] = {}
        for line in lines:
            field = _FIELD(line)
            if field is None:
                raise HTTPException(f"header line {len(fields) + 1} is none")
            name = field[1].decode("ascii")
            value = field[2].strip(b" \t").decode("latin-1")
            self.headers.set_raw(name, value)
            name = name.lower()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        return fields

    def _read_body(self, fields: dict[str, str]) -> bytes:
        """Read the body by RFC 9112, 6.3, with every doubt an error."""
        if self._is_for_head or self.status in (204, 304):
            return b""
        if fields.get("content-encoding", "").lower() not in ("", "identity"):
            raise UnwantedResponseError("the body is coded (Content-Encoding), unasked")
        length = fields.get("content-length")
        transfer = fields.get("transfer-encoding")
        if transfer is not None:
            if transfer.lower() != "chunked" or length is not None or self.version == 10:
                raise HTTPException("the answer's Transfer-Encoding leaves its length in doubt")
            return self._read_chunks()
        if length is None:
            raise HTTPException("the answer gives no length: nobody could see it cut short")
        length, *others = {one.strip(" \t") for one in length.split(",")}
        if others or not _LENGTH(length):
            raise HTTPException("the answer's Content-Length leaves its length in doubt")
        if len(length) > 18 or int(length) > MAX_BODY_BYTES:
            raise UnwantedResponseError(f"the body is larger than {MAX_BODY_BYTES} bytes")
        return self._read_exactly(int(length))

    def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            line = self._read_line()
            chunk_size = _CHUNK_SIZE(line)
            if chunk_size is None:
                raise HTTPException("a chunk does not start with its size")
            # Chunks may be as small as a byte: of their lines only the extensions count.
            self._line_bytes -= chunk_size.end(1) + 2
            size = int(chunk_size[1], 16)
            if not size:
                break
            total += size
            if total > MAX_BODY_BYTES:
                raise UnwantedResponseError(f"the body is larger than {MAX_BODY_BYTES} bytes")
            chunks.append(self._read_exactly(size))
            if self._read_exactly(2) != b"\r\n":
                raise HTTPException("a chunk does not end where its size says")
        headers = self.headers
        self._read_fields()  # RFC 9110, 6.5.1: trailers must not pass for headers.
        self.headers = self.msg = headers
        return b"".join(chunks)

    def _read_line(self) -> bytes:
        line = self.fp.readline(MAX_LINE_BYTES + 1)
        self._line_bytes += len(line)
        if self._line_bytes > MAX_HEAD_BYTES:
            raise UnwantedResponseError(f"the head is larger than {MAX_HEAD_BYTES} bytes")
        if not line.endswith(b"\r\n"):
            if len(line) > MAX_LINE_BYTES:
                raise HTTPException(f"a line is longer than {MAX_LINE_BYTES} bytes")
            if not line.endswith(b"\n"):
                raise IncompleteRead(b"")
            raise HTTPException("a line ends without CR")
        return line[:-2]

    def _read_exactly(self, size: int) -> bytes:
        piece = self.fp.read(size)
        if len(piece) < size:
            raise IncompleteRead(b"", size - len(piece))
        return piece


class _TimedBytes(io.RawIOBase):
    """A socket's bytes. All reads together take no longer than one could when this was made."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deadline = monotonic() + (sock.gettimeout() or 0)
        self.has_ended = False

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if self.has_ended:
            return 0
        self.settimeout()
        return self._sock.recv_into(buffer)

    def settimeout(self) -> None:
        """Give the socket the time that is left."""
        self._sock.settimeout(_left(self._deadline))


class _TimedSocket:
    """TLS to a proxy, for TLS inside: one read of that is many here, and they share its time."""

    def __init__(self, sock: ssl.SSLSocket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def settimeout(self, seconds: float) -> None:
        self._deadline = monotonic() + seconds
        self._sock.settimeout(seconds)

    def recv(self, size: int) -> bytes:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class StrictHTTPConnection(HTTPConnection):
    """A connection whose failures are the port's, and that is not kept when in doubt."""

    response_class = StrictResponse
    _connect_by = 0.0
    _is_kept = False  # whether it carried an answer before
    _idle_since = 0.0

    def connect(self) -> None:
        """Connect, through a proxy and with TLS as the case may be, in `timeout` seconds."""
        self._is_kept = False
        self._connect_by = monotonic() + (self.timeout or 0)
        try:
            super().connect()
        except ConnectFailedError:
            raise
        except Exception as error:
            raise ConnectFailedError(
                f"no connection to {self._peer()}: {error}",
                transient=not isinstance(error, ssl.SSLCertVerificationError),
            ) from error

    def _peer(self) -> str:
        if not self.proxy:
            return f"{self.host}:{self.port}"
        service = f"{self._tunnel_host} through " if self.has_connected_to_proxy else ""
        return f"{service}the proxy {self.host}:{self.port}"

    def _new_conn(self) -> socket.socket:
        """Try the host's addresses in turn, each with its share of the time that is left."""
        failure = OSError("its name has no address")
        host = self._dns_host.strip("[]")
        addresses = socket.getaddrinfo(host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, address) in enumerate(addresses):
            try:
                sock = socket.socket(family, kind, protocol)
                try:
                    for option in self.socket_options or ():
                        sock.setsockopt(*option)
                    sock.settimeout(_left(self._connect_by) / (len(addresses) - number))
                    sock.connect(address)
                    sock.settimeout(_left(self._connect_by))
                except BaseException:
                    sock.close()
                    raise
            except OSError as error:
                failure = error
            else:
                return sock
        raise failure

    @property
    def is_connected(self) -> bool:
        """Whether the next request may use this connection."""
        # TLS inside TLS cannot tell whether bytes wait that nobody asked for.
        if self.sock is None or isinstance(self.sock, SSLTransport):
            return False
        if monotonic() - self._idle_since > LONGEST_IDLE:
            return False
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return False
        return super().is_connected

    def putrequest(
        self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False
    ) -> None:
        """Begin a request for `REQUEST_TARGET`."""
        super().putrequest(method, REQUEST_TARGET.get(url), skip_host, skip_accept_encoding)

    def send(self, data: "ReadableBuffer") -> None:  # type: ignore[override]  # no files here
        """Send the request, or for http.client a part of it."""
        try:
            super().send(data)
        except TimeoutError as error:
            raise TimedOutError("the request could not be sent in time") from error
        except OSError as error:
            raise ConnectionLostError(
                f"the connection broke during the request: {error}", stale=self._is_kept
            ) from error
        finally:
            del data  # It holds the key, and a traceback can show the locals of its frames.

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3
        """Wait for the answer, and read it whole."""
        try:
            response = super().getresponse()
        except (OSError, HTTPException) as error:
            # The frames that it passed hold what came, which may be the key, sent back.
            raise self._failure(error) from error.with_traceback(None)
        self._is_kept = True
        self._idle_since = monotonic()
        return response

    def _failure(self, error: OSError | HTTPException) -> TransportError:
        if isinstance(error, TimeoutError):
            return TimedOutError("no whole answer came in time")
        if isinstance(error, RemoteDisconnected):
            return ConnectionLostError(
                "the connection ended before any answer", stale=self._is_kept
            )
        if isinstance(error, OSError | IncompleteRead):
            return ConnectionLostError("the connection ended before the whole answer")
        return BadResponseError(str(error), transient=not isinstance(error, UnwantedResponseError))


class StrictHTTPSConnection(StrictHTTPConnection, HTTPSConnection):
    """The same, with TLS."""

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        proxied = super()._connect_tls_proxy(hostname, sock)
        if self.proxy_is_forwarding:
            return proxied
        return _TimedSocket(proxied, self._connect_by)  # type: ignore[return-value]  # acts like it


def make_strict(pool: urllib3.HTTPConnectionPool) -> None:
    """Give the pool the connections above, unless somebody's recorder or counter is there."""
    if pool.ConnectionCls is HTTPSConnection:
        pool.ConnectionCls = StrictHTTPSConnection
    elif pool.ConnectionCls is HTTPConnection:
        pool.ConnectionCls = StrictHTTPConnection


def _left(deadline: float) -> float:
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds
