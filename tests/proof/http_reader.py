"""A reader of an HTTP/1.1 response (RFC 9112): slow, plain, and from the rules alone.

It shares no code with the library. Where fuzzing finds the two to differ, one of them is wrong.
"""

import re
from typing import NamedTuple

_STATUS_LINE = rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t -~\x80-\xff]*)?"
_FIELD = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)"
_CONTINUED = rb"[\t ][\t -~\x80-\xff]*"
_CHUNK = rb"([0-9A-Fa-f]{1,16})([\t ]*(?:;[\t -~\x80-\xff]*)?)"
_LARGEST_HEAD, _LARGEST_CHUNKS, _LARGEST_BODY = 68 * 1024, 2 * 1024 * 1024, 1024 * 1024
_MOST_INTERIM_RESPONSES, _MOST_DIGITS = 8, 18


class RefusedError(Exception):
    """The bytes are not the beginning of a response, or of one that is in doubt."""


class IncompleteError(Exception):
    """More bytes can make a response of these."""


class HttpResponse(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    ends_connection: bool


class _Bytes:
    """What is not read yet."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        if len(self.data) < count:
            raise IncompleteError("the body has not ended")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def take_lines(self) -> list[bytes]:
        """Take all lines up to the empty one."""
        blank = re.search(rb"\n\r?\n", self.data)
        size = blank.end() if blank else len(self.data)
        if size > _LARGEST_HEAD:
            raise RefusedError("the lines are too long together")
        if blank is None:
            raise IncompleteError("the lines have not ended")
        lines = self.take(size)
        if not lines.endswith(b"\r\n\r\n"):
            raise RefusedError("no header line")
        return lines[:-4].split(b"\r\n")


def read_http_response(data: bytes) -> HttpResponse:
    """Return the response that these bytes begin with, and whether the connection ends after it.

    Raises:
        RefusedError: there is none, or a doubt about it.
        IncompleteError: it has not ended.
    """
    unread = _Bytes(data)
    for _ in range(_MOST_INTERIM_RESPONSES + 1):
        if not unread.data.startswith(b"HTTP/1."[: len(unread.data)]):
            raise RefusedError("another protocol")
        first, *lines = unread.take_lines()
        version, digits = _match(_STATUS_LINE, first, "no status line")
        status = int(digits)
        headers = _headers(lines)
        if status >= 200:
            break
        if status == 101:
            raise RefusedError("another protocol follows")
    else:
        raise RefusedError("too many interim responses")
    size = _body_size(headers, status, version)
    body = _chunks(unread) if size is None else unread.take(size)
    closes = version == b"0" or "close" in headers.get("connection", "").lower()
    return HttpResponse(status, headers, body, closes or bool(unread.data))


def _match(pattern: bytes, line: bytes, otherwise: str) -> tuple[bytes, ...]:
    found = re.fullmatch(pattern, line)
    if found is None:
        raise RefusedError(otherwise)
    return found.groups()


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, list[str]] = {}
    values: list[str] = []
    for line in lines:
        if values and re.fullmatch(_CONTINUED, line):  # It goes on with the line before.
            values[-1] += line.decode("latin-1")
        else:
            name, value = _match(_FIELD, line, "no header line")
            values = headers.setdefault(name.decode().lower(), [])
            values.append(value.decode("latin-1"))
    return {name: ", ".join(one.strip(" \t") for one in values) for name, values in headers.items()}


def _body_size(headers: dict[str, str], status: int, version: bytes) -> int | None:
    """Return how many bytes the body has; None: it comes in chunks."""
    lengths = {one.strip(" \t") for one in headers.get("content-length", "0").split(",")}
    length = lengths.pop()
    if lengths or not re.fullmatch("[0-9]+", length):
        raise RefusedError("a Content-Length in doubt")
    if status in (204, 304):
        return 0
    if headers.get("content-encoding", "").lower() not in ("", "identity"):
        raise RefusedError("an encoded body")
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise RefusedError("an unknown Transfer-Encoding")
        if "content-length" in headers:
            raise RefusedError("two lengths")
        if version == b"0":
            raise RefusedError("chunks in HTTP/1.0")
        return None
    if "content-length" not in headers:
        raise RefusedError("no length")
    if len(length) > _MOST_DIGITS or int(length) > _LARGEST_BODY:
        raise RefusedError("a body that is too large")
    return int(length)


def _chunks(unread: _Bytes) -> bytes:
    body, size_of_all = b"", len(unread.data)
    while True:
        size_of_line = unread.data.find(b"\n") + 1
        read = size_of_all - len(unread.data)
        if read + (size_of_line or len(unread.data)) > _LARGEST_CHUNKS:
            raise RefusedError("chunks that are too large together")
        if size_of_line == 0:
            raise IncompleteError("a chunk's line has not ended")
        line = unread.data[:size_of_line]
        digits, _ = _match(_CHUNK + rb"\r\n", line, "no chunk")
        size = int(digits, 16)
        if size == 0:
            break
        if len(body) + size > _LARGEST_BODY:
            raise RefusedError("chunks that are too large together")
        unread.take(size_of_line)
        body += unread.take(size)
        if unread.take(2) != b"\r\n":
            raise RefusedError("a chunk that is longer than its size")
    _headers(unread.take_lines()[1:])  # Trailers are checked, and never become headers.
    return body
