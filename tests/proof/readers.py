"""Readers of what the library reads, written once more: slow, plain, and from the rules alone.

They share no code with the library. Where fuzzing finds the two to differ, one of them is wrong.
"""

import calendar
import json
import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from typing import NamedTuple

from .model import row_of

# --- an HTTP/1.1 response (RFC 9112), without a doubt about its length ------------------------

_STATUS_LINE = rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?"
_FIELD = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)"
_CONTINUED = rb"[\t ][\t -~\x80-\xff]*"
_CHUNK = rb"([0-9A-Fa-f]{1,16})([\t ]*(?:;[\t -~\x80-\xff]*)?)"
_LONGEST_LINE, _LARGEST_HEADS, _LARGEST_BODY = 64 * 1024, 100 * 1024, 1024 * 1024
_MOST_INTERIM_RESPONSES, _MOST_FIELD_LINES, _MOST_DIGITS = 8, 100, 18


class RefusedError(Exception):
    """The bytes are not the beginning of a response, or of one that is in doubt."""


class IncompleteError(Exception):
    """More bytes can make a response of these."""


class HttpResponse(NamedTuple):
    version: int
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes
    ends_connection: bool


class _Bytes:
    """What is not read yet, and how many bytes of lines were read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.line_bytes = 0

    def take(self, count: int) -> bytes:
        if len(self.data) < count:
            raise IncompleteError("the body has not ended")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def take_lines(self) -> list[bytes]:
        """Take all lines up to the empty one."""
        blank = re.search(rb"\n\r?\n", self.data)
        size = blank.end() if blank else len(self.data)
        self.check_size(size)
        if blank is None:
            raise IncompleteError("the lines have not ended")
        lines = self.take(size)
        self.line_bytes += size
        if not lines.endswith(b"\r\n\r\n"):
            raise RefusedError("no header line")
        return lines[:-4].split(b"\r\n")

    def check_size(self, size: int) -> None:
        longest = max(map(len, self.data[:size].split(b"\n")))
        if longest > _LONGEST_LINE:
            raise RefusedError("a line is too long")
        if self.line_bytes + size > _LARGEST_HEADS:
            raise RefusedError("the lines are too long together")


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
        version, digits, reason = _match(_STATUS_LINE, first, "no status line")
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
    return HttpResponse(
        10 + int(version),
        status,
        (reason or b"").decode("latin-1"),
        headers,
        body,
        closes or bool(unread.data),
    )


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
    if len(lines) > _MOST_FIELD_LINES:
        raise RefusedError("too many header lines")
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
    body = b""
    while True:
        size_of_line = unread.data.find(b"\n") + 1
        if size_of_line == 0:
            unread.check_size(len(unread.data))
            raise IncompleteError("a chunk's line has not ended")
        line = unread.data[:size_of_line]
        digits, extension = _match(_CHUNK + rb"\r\n", line, "no chunk")
        size = int(digits, 16)
        if size == 0:
            break
        # Only extensions count: a body may come in chunks of one byte.
        unread.check_size(size_of_line)
        unread.line_bytes += len(extension)
        if len(body) + size > _LARGEST_BODY:
            raise RefusedError("chunks that are too large together")
        unread.take(size_of_line)
        body += unread.take(size)
        if unread.take(2) != b"\r\n":
            raise RefusedError("a chunk that is longer than its size")
    _headers(unread.take_lines()[1:])  # Trailers are checked, and never become headers.
    return body


# --- what a response means (docs/outcomes.md) -------------------------------------------------

_GONE = {
    f"{whose}session {what}{stop}"
    for whose in ("", "browser ", "interact ")
    for what in ("not found", "has been destroyed")
    for stop in ("", ".")
}
_BACKEND = "Hangar request failed."
_OWN_STATUSES = {200, 400, 401, 402, 403, 409, 429}  # A gateway may send any 5xx in its place.
_MOST_BRACKETS = 500  # Text in which more of them open is nested too deeply to be read.
_LONGEST_TEXT = 500
FATES = {
    "DeletionReceipt": "GONE",
    "SessionNotFoundError": "GONE",
    "BadRequestError": "UNTOUCHED",
    "UnauthorizedError": "UNTOUCHED",
    "PaymentRequiredError": "UNTOUCHED",
    "ForbiddenError": "UNTOUCHED",
    "RateLimitError": "UNTOUCHED",
    "ServiceUnavailableError": "UNKNOWN",
    "NotDeletedError": "UNKNOWN",
    "UnexpectedResponseError": "UNKNOWN",
}
_NEVER_TRANSIENT = {"DeletionReceipt", "BadRequestError", "PaymentRequiredError"} | {
    "SessionNotFoundError"
}


class Reading(NamedTuple):
    """What a response means, field by field. None: it does not say, or it is of another kind."""

    outcome: str
    fate: str
    is_from_service: bool
    transient: bool = False
    session_duration_ms: int | None = None
    credits_billed: float | None = None
    session_status: str | None = None
    warnings: int = 0
    http_status: int | None = None
    message: str | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None


def read_outcome(status: int, headers: dict[str, str], body: bytes, key: str) -> Reading:
    """Say what a response means. `key` is the secret that no field may show."""
    content = _content(body)
    success = content.get("success")
    has_success = isinstance(success, bool)
    said = [_text(content.get(name)) for name in ("error", "message")]
    words = next((text for text in said if text), "")
    if status == 200 and success is True:
        spoke = words != _BACKEND
        return _receipt(content, key, is_from_service=spoke)
    if words == _BACKEND:
        outcome, spoke = "ServiceUnavailableError", False
    elif status == 200 and success is False:
        outcome, spoke = "NotDeletedError", True
    elif status in (404, 410) and success is False and words.lower() in _GONE:
        outcome, spoke = "SessionNotFoundError", True
    else:
        outcome, spoke = row_of(status), status in _OWN_STATUSES and has_success
    is_refusal = outcome in ("UnauthorizedError", "ForbiddenError")
    message = _shown(words, key)
    return Reading(
        outcome,
        FATES[outcome],
        spoke,
        transient=not has_success if is_refusal else outcome not in _NEVER_TRANSIENT,
        http_status=status,
        message=message,
        code=_shown(_text(content.get("code")), key),
        request_id=_shown(headers.get("x-request-id", ""), key),
        retry_after=_wait(headers, message or ""),
    )


def _receipt(content: dict[str, object], key: str, *, is_from_service: bool) -> Reading:
    duration, duration_is_odd = _figure(content.get("sessionDurationMs"))
    bill, bill_is_odd = _figure(content.get("creditsBilled"))
    word = content.get("status")
    word_is_odd = word is not None and (not isinstance(word, str) or _has_surrogate(word))
    return Reading(
        "DeletionReceipt",
        "GONE",
        is_from_service,
        session_duration_ms=None if duration is None else round(duration),
        credits_billed=bill,
        session_status=word.replace(key, "***")
        if isinstance(word, str) and not word_is_odd
        else None,
        warnings=[duration_is_odd, bill_is_odd, word_is_odd].count(True),
    )


def _figure(value: object) -> tuple[float | None, bool]:
    """Return a number, and whether something else stands in its place."""
    if value is None:
        return None, False
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, True
    is_finite = math.isfinite(value)
    return value if is_finite else None, not is_finite


def _content(body: bytes) -> dict[str, object]:
    """Return the fields of an object in JSON (RFC 8259); none for anything else.

    Bytes that are not UTF-8 become surrogates, which no JSON that is read here has otherwise.
    """
    text = body.decode(errors="surrogateescape")
    if text.count("[") + text.count("{") > _MOST_BRACKETS or _has_half_a_pair(text):
        return {}
    try:
        content = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < 300 else math.inf  # Nobody can reckon with the latter.


def _has_half_a_pair(text: str) -> bool:
    """Say whether a text escapes one half of a surrogate pair: it means no character."""
    escapes = re.sub(r"\\[^u]", "  ", text)
    pairs = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    return re.search(r"\\u[dD][89a-fA-F]", re.sub(pairs, " ", escapes)) is not None


def _has_surrogate(text: str) -> bool:
    return re.search("[\ud800-\udfff]", text) is not None


def _text(value: object) -> str:
    """Return a text, with a mark for bytes that are not UTF-8."""
    if not isinstance(value, str):
        return ""
    return value.encode(errors="surrogateescape").decode(errors="replace")


def _shown(text: str, key: str) -> str | None:
    """Return a text without the key, short, and with escapes for what nobody can see."""
    masked = text.replace(key, "***")[:_LONGEST_TEXT]
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in masked)
    return shown[:_LONGEST_TEXT] or None


def _wait(headers: dict[str, str], message: str) -> float | None:
    """Return the seconds to wait: of the header (RFC 9110, 10.2.3), else of the text."""
    asked = headers.get("retry-after", "").strip(" \t")
    if re.fullmatch("[0-9]{1,9}", asked):
        return float(asked)
    now, then = _moment(headers.get("date", "")), _moment(asked)
    if now is not None and then is not None:
        return max(0.0, float(then - now))
    # The service rounds what it says to whole seconds, down half of the time.
    for digits in re.findall("retry after ([0-9]+) ?s", message.lower()):
        if len(digits) <= 9:
            return int(digits) + 0.5
    return None


def _moment(text: str) -> int | None:
    """Return the seconds of a date since 1970, in each form of RFC 9110, 5.6.7."""
    parts = parsedate_tz(text)
    if parts is None:
        return None
    year, month, day, hour, minute, second, *_, offset = parts
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        utc = moment - timedelta(seconds=offset or 0)
    except (ValueError, OverflowError):  # There is no such moment.
        return None
    return calendar.timegm(utc.timetuple())
