"""A strict, sans-I/O parser of HTTP/1.1 responses (RFC 9112).

The parsers of Python's libraries are lenient. With them a call can get the response of another
call, or half a response. Here any ambiguity is a `BadResponseError`. Its message quotes nothing,
since the response may echo the key.
"""

import re
from collections.abc import Generator, Mapping

import msgspec

from firecrawl_interact.core.headers import HEADER_NAME, HEADER_TEXT
from firecrawl_interact.core.transport import MAX_BODY_BYTES, BadResponseError

# All lines of a response: heads, chunk extensions, trailers. h11 accepts 100 KiB, Node.js 16.
MAX_HEAD_BYTES = 100 * 1024
MAX_LINE_BYTES = 64 * 1024  # as in http.client
MAX_FIELDS = 100  # as in http.client
MAX_INTERIM_RESPONSES = 8  # 1xx before the final one; http.client accepts any number

_START = b"HTTP/1."
_NAME, _TEXT = HEADER_NAME.encode(), HEADER_TEXT.encode()
# RFC 9112, 4; RFC 9110, 15: a status is from 100 to 599.
_STATUS_LINE = rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: " + _TEXT + rb")?\r\n"
# RFC 9112, 5; 5.2: a line may continue in the next one. The last line is empty.
_FIELD_LINE = _NAME + rb":" + _TEXT + rb"\r\n(?:[ \t]" + _TEXT + rb"\r\n)*+"
_FIELD_LINES = rb"((?:" + _FIELD_LINE + rb")*+)\r\n"
# `re` compiles and caches these when they are first needed: at import that would take 0.5 ms.
_HEAD = _STATUS_LINE + _FIELD_LINES
_LAST_CHUNK = rb"[^\n]*+\n" + _FIELD_LINES  # its size line, which was only looked at, and trailers
# RFC 9112, 7.1. More than 16 digits exceed any limit.
_CHUNK_LINE = rb"([0-9A-Fa-f]{1,16})([ \t]*+(?:;" + _TEXT + rb")?)\r\n"
_END_OF_LINES = rb"\n\r?\n"
_FIELDS = r"([^:]++):([^\r]*+(?:\r\n[ \t][^\r]*+)*+)\r\n"


class ParsedResponse(msgspec.Struct, frozen=True):
    """A whole response, and whether another one may follow it on the same connection."""

    version: int  #: 10 or 11, as in http.client
    status: int
    headers: dict[str, str]  #: from `merge_fields`
    body: bytes
    ends_connection: bool  #: RFC 9112, 9.3; or surplus bytes arrived


def merge_fields(lines: bytes) -> dict[str, str]:
    """Return headers with names in lower case. Lines of one name are joined (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, text in re.findall(_FIELDS, lines.decode("latin-1")):
        key, value = name.lower(), text.replace("\r\n", "").strip(" \t")
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def body_length(
    headers: Mapping[str, str], *, method: str, status: int, version: int
) -> int | None:
    """Return the length of a body in bytes; None if it is chunked.

    The numbers in the comments are those of the rules in RFC 9112, section 6.3.

    Raises:
        BadResponseError: the length is ambiguous, or the body is too large or encoded.
    """
    length = headers.get("content-length")
    if length is not None:  # 5: joined lines must be equal.
        lengths = {one.strip(" \t") for one in length.split(",")} if "," in length else {length}
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdecimal()):
            raise BadResponseError("the response's Content-Length is ambiguous")
    # 1, 2; and nobody reads the body of a proxy that refuses a tunnel.
    if method in ("HEAD", "CONNECT") or status < 200 or status in (204, 304):
        return 0
    if headers.get("content-encoding", "").lower() not in ("", "identity"):
        raise BadResponseError("the body is encoded (Content-Encoding), which was not requested")
    transfer = headers.get("transfer-encoding")
    if transfer is not None:  # 3, 4; 6.1 for HTTP/1.0
        if transfer.lower() != "chunked" or length is not None or version == 10:
            raise BadResponseError("the response's Transfer-Encoding makes its length ambiguous")
        return None
    if length is None:  # 8
        raise BadResponseError("the body has no length: a truncation would go unnoticed")
    if len(length) > 18 or int(length) > MAX_BODY_BYTES:  # 6
        raise BadResponseError(f"more than {MAX_BODY_BYTES} bytes in the body")
    return int(length)


class ResponseParser:
    """Parses the response to one request from bytes that arrive in pieces of any size."""

    def __init__(self, method: str) -> None:
        self.response: ParsedResponse | None = None  #: as soon as it is whole
        self.has_begun: bool = False  #: whether a byte of it arrived
        self._method = method
        self._received = bytearray()
        self._head_bytes = 0
        self._steps = self._parse()

    def feed(self, data: bytes | bytearray) -> None:
        """Parse the next bytes, or raise a `BadResponseError`."""
        self.has_begun = True
        self._received += data
        next(self._steps, None)

    def _parse(self) -> Generator[None]:
        """Parse the response, and yield whenever more bytes are needed."""
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            minor, digits, lines = yield from self._take_lines(_HEAD, _START)
            version, status = 10 + int(minor), int(digits)
            if status >= 200:
                break
            if status == 101:
                raise BadResponseError("the response switches to a protocol that was not requested")
        else:
            raise BadResponseError(f"more than {MAX_INTERIM_RESPONSES} interim responses")
        headers = merge_fields(lines)
        try:
            length = body_length(headers, method=self._method, status=status, version=version)
            if length is None:
                body = yield from self._take_chunks()
            else:
                while len(self._received) < length:
                    yield
                body = self._take(length)
        except BadResponseError as error:
            raise BadResponseError(f"HTTP {status}: {error}") from None
        closes = version == 10 or "close" in headers.get("connection", "").lower()
        ends_connection = closes or bool(self._received)
        self.response = ParsedResponse(version, status, headers, body, ends_connection)

    def _take_chunks(self) -> Generator[None, None, bytes]:
        """Take a chunked body (RFC 9112, 7.1). Trailers never become headers (7.1.2)."""
        body = bytearray()
        while True:
            while (end := self._received.find(b"\n") + 1) == 0:
                self._check_limits(len(self._received))
                yield
            line = re.fullmatch(_CHUNK_LINE, self._received[:end])
            if line is None:
                raise BadResponseError("a chunk does not start with its size")
            size = int(line[1], 16)
            if not size:
                break
            # Chunks may be as small as a byte, so only their extensions count.
            self._check_limits(end)
            self._head_bytes += len(line[2])
            if len(body) + size > MAX_BODY_BYTES:
                raise BadResponseError(f"more than {MAX_BODY_BYTES} bytes in the body")
            while len(self._received) < end + size + 2:
                yield
            body += self._take(end + size)[end:]  # The size line is still in front.
            if self._take(2) != b"\r\n":
                raise BadResponseError("a chunk does not end where its size says")
        yield from self._take_lines(_LAST_CHUNK)
        return bytes(body)

    def _take_lines(
        self, pattern: bytes, start: bytes = b""
    ) -> Generator[None, None, tuple[bytes, ...]]:
        """Take all lines up to the empty one, and return the groups of the pattern."""
        while True:
            if match := re.match(pattern, self._received):
                groups = match.groups(b"")
                self._check_limits(match.end())
                if groups[-1].count(b"\n") > MAX_FIELDS:
                    raise BadResponseError(f"more than {MAX_FIELDS} header lines")
                self._head_bytes += match.end()
                del self._received[: match.end()]
                return groups
            if not self._received.startswith(start[: len(self._received)]):
                raise BadResponseError("the response is not HTTP/1")
            end = re.search(_END_OF_LINES, self._received)
            self._check_limits(end.end() if end else len(self._received))
            if end:
                raise BadResponseError("the head of the response is not valid HTTP/1")
            yield

    def _check_limits(self, size: int) -> None:
        """Refuse lines of `size` bytes in total if one is too long, or all together are."""
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
