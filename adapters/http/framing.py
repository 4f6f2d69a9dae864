"""Where an HTTP/1.1 response begins and ends: RFC 9112 without guessing, and without a socket.

The parsers of Python's libraries are lenient where a mistake would make one call's response the
next one's, or half a response a whole one. Here each doubt is a `BadResponseError`. Its message
quotes nothing: what came may hold the key, sent back.
"""

import re
from collections.abc import Generator, Mapping
from functools import cache

import msgspec

from firecrawl_interact.core.transport import MAX_BODY_BYTES, BadResponseError

# All lines of a response: heads, chunk extensions, trailers. h11 takes 100 KiB, Node.js 16.
MAX_HEAD_BYTES = 100 * 1024
MAX_LINE_BYTES = 64 * 1024  # as in http.client
MAX_FIELDS = 100  # as in http.client
MAX_INTERIM_RESPONSES = 8  # 1xx before the real one; http.client takes any number

_START = b"HTTP/1."
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # RFC 9110, 5.6.2
TEXT = rb"[\t -~\x80-\xff]*+"  # RFC 9110, 5.5: no control character but the tab
# RFC 9112, 4; RFC 9110, 15: a status is from 100 to 599.
_STATUS_LINE = rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: (" + TEXT + rb"))?\r\n"
# RFC 9112, 5; 5.2: a line may go on in the next one. The last line is empty.
_FIELD_LINE = TOKEN + rb":" + TEXT + rb"\r\n(?:[ \t]" + TEXT + rb"\r\n)*+"
_FIELD_LINES = rb"((?:" + _FIELD_LINE + rb")*+)\r\n"
_HEAD = _STATUS_LINE + _FIELD_LINES
_LAST_CHUNK = rb"[^\n]*+\n" + _FIELD_LINES
# RFC 9112, 7.1. 16 digits count more bytes than there are.
_CHUNK_LINE = rb"([0-9A-Fa-f]{1,16})([ \t]*+(?:;" + TEXT + rb")?)\r\n"
_END_OF_LINES = rb"\n\r?\n"
_FIELDS = re.compile(r"([^:]++):([^\r]*+(?:\r\n[ \t][^\r]*+)*+)\r\n").findall


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern when it is first needed: at import, these would take 0.5 ms."""
    return re.compile(pattern)


class ParsedResponse(msgspec.Struct, frozen=True):
    """A whole response, and whether another one may follow it on the same connection."""

    version: int  #: 10 or 11, as in http.client
    status: int
    reason: str
    headers: dict[str, str]  #: from `merge_fields`
    body: bytes
    ends_connection: bool  #: RFC 9112, 9.3; or bytes came that nobody asked for


def merge_fields(lines: bytes) -> dict[str, str]:
    """Name headers in lower case (RFC 9112, 5.1); lines of one name are joined (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, text in _FIELDS(lines.decode("latin-1")):
        key, value = name.lower(), text.replace("\r\n", "").strip(" \t")
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def body_length(
    headers: Mapping[str, str], *, method: str, status: int, version: int = 11
) -> int | None:
    """Decide how long a body is (RFC 9112, 6.3, whose rules the numbers are); None: in chunks.

    Raises:
        BadResponseError: the length is in doubt, or the body is too large or coded.
    """
    length = headers.get("content-length")
    if length is not None:  # 5: lines of one name are joined. They must be equal.
        lengths = {one.strip(" \t") for one in length.split(",")} if "," in length else {length}
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdecimal()):
            raise BadResponseError("the response's Content-Length leaves its length in doubt")
    # 1, 2; and the body of a proxy that refuses a tunnel is not needed.
    if method in ("HEAD", "CONNECT") or status < 200 or status in (204, 304):
        return 0
    if headers.get("content-encoding", "").lower() not in ("", "identity"):
        raise BadResponseError("the body is coded (Content-Encoding), unasked")
    transfer = headers.get("transfer-encoding")
    if transfer is not None:  # 3, 4; 6.1 for HTTP/1.0
        if transfer.lower() != "chunked" or length is not None or version == 10:
            raise BadResponseError("the response's Transfer-Encoding leaves its length in doubt")
        return None
    if length is None:  # 8
        raise BadResponseError(
            f"the response, of status {status}, gives no length: nobody could see it cut short"
        )
    if len(length) > 18 or int(length) > MAX_BODY_BYTES:  # 6
        raise BadResponseError(f"more than {MAX_BODY_BYTES} bytes in the body")
    return int(length)


class ResponseParser:
    """Reads the response to a request out of the bytes of a connection, in pieces of any size."""

    def __init__(self, method: str) -> None:
        self.response: ParsedResponse | None = None  #: as soon as it is whole
        self.has_begun: bool = False  #: whether a byte of it came
        self._method = method
        self._received = bytearray()
        self._head_bytes = 0
        self._steps = self._parse()

    def feed(self, data: bytes | bytearray) -> None:
        """Take the next bytes, or raise a `BadResponseError`: they are no response to take."""
        self.has_begun = True
        self._received += data
        next(self._steps, None)

    def _parse(self) -> Generator[None]:
        """Parse what came, and yield whenever more bytes are needed."""
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            version, number, reason, lines = yield from self._take_lines(_HEAD, _START)
            status = int(number)
            if status >= 200:
                break
            if status == 101:
                raise BadResponseError("the connection was switched to another protocol unasked")
        else:
            raise BadResponseError(f"more than {MAX_INTERIM_RESPONSES} interim responses")
        headers = merge_fields(lines)
        length = body_length(headers, method=self._method, status=status, version=10 + int(version))
        if length is None:
            body = yield from self._take_chunks()
        else:
            while len(self._received) < length:
                yield
            body = self._take(length)
        self.response = ParsedResponse(
            10 + int(version),
            status,
            reason.decode("latin-1"),
            headers,
            body,
            version == b"0"
            or "close" in headers.get("connection", "").lower()
            or bool(self._received),
        )

    def _take_chunks(self) -> Generator[None, None, bytes]:
        """Take a body in chunks (RFC 9112, 7.1). Trailers are not taken as headers (7.1.2)."""
        body = bytearray()
        while True:
            while (end := self._received.find(b"\n") + 1) == 0:
                self._check_limits(len(self._received))
                yield
            line = _compiled(_CHUNK_LINE).fullmatch(self._received[:end])
            if line is None:
                raise BadResponseError("a chunk does not start with its size")
            size = int(line[1], 16)
            if not size:
                break
            # Chunks may be as small as a byte, so only the extensions in their lines count.
            self._check_limits(end)
            self._head_bytes += len(line[2])
            if len(body) + size > MAX_BODY_BYTES:
                raise BadResponseError(f"more than {MAX_BODY_BYTES} bytes in the body")
            while len(self._received) < end + size + 2:
                yield
            body += self._take(end + size)[end:]
            if self._take(2) != b"\r\n":
                raise BadResponseError("a chunk does not end where its size says")
        yield from self._take_lines(_LAST_CHUNK)
        return bytes(body)

    def _take_lines(
        self, pattern: bytes, start: bytes = b""
    ) -> Generator[None, None, tuple[bytes, ...]]:
        """Take all lines up to the empty one, and return the groups of their pattern."""
        while True:
            if match := _compiled(pattern).match(self._received):
                groups = match.groups(b"")
                self._check_limits(match.end())
                if groups[-1].count(b"\n") > MAX_FIELDS:
                    raise BadResponseError(f"more than {MAX_FIELDS} header lines")
                self._head_bytes += match.end()
                del self._received[: match.end()]
                return groups
            if not self._received.startswith(start[: len(self._received)]):
                raise BadResponseError("what came is not HTTP/1")
            end = _compiled(_END_OF_LINES).search(self._received)
            self._check_limits(end.end() if end else len(self._received))
            if end:
                raise BadResponseError("what came is no head of an HTTP/1 response")
            yield

    def _check_limits(self, size: int) -> None:
        """Refuse lines of so many bytes, if one is too long or all are too many."""
        longest = size
        if size > MAX_LINE_BYTES:
            longest = max(len(line) for line in self._received[:size].split(b"\n"))
        if longest > MAX_LINE_BYTES:
            raise BadResponseError(f"more than {MAX_LINE_BYTES} bytes in a line")
        if self._head_bytes + size > MAX_HEAD_BYTES:
            raise BadResponseError(f"more than {MAX_HEAD_BYTES} bytes in the head")

    def _take(self, size: int) -> bytes:
        piece = bytes(self._received[:size])
        del self._received[:size]
        return piece
