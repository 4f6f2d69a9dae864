"""Readers of what the library reads, written once more: slow, plain, and from the rules alone.

They share no code with the library. Where fuzzing finds the two to differ, one of them is wrong.
"""

import json
import re

from .model import row_of

# --- an HTTP/1.1 response (RFC 9112), without a doubt about its length ------------------------

_STATUS_LINE = rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t -~\x80-\xff]*)?"
_FIELD = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)"
_CONTINUED = rb"[\t ][\t -~\x80-\xff]*"
_CHUNK = rb"([0-9A-Fa-f]{1,16})[\t ]*(?:;[\t -~\x80-\xff]*)?"
_LARGEST_HEAD, _LARGEST_BODY = 100 * 1024, 1024 * 1024
_MOST_INTERIM_RESPONSES = 8


class NoResponseError(Exception):
    """The bytes are not a response, or one that is in doubt, or not a whole one."""


def read_http_response(data: bytes) -> tuple[int, dict[str, str], bytes, bool]:
    """Return status, headers and body, and whether the connection ends."""
    for _ in range(_MOST_INTERIM_RESPONSES + 1):
        head, end, data = data.partition(b"\r\n\r\n")
        _check(end and len(head) <= _LARGEST_HEAD)
        first, *lines = head.split(b"\r\n")
        version, digits = _match(_STATUS_LINE, first)
        status = int(digits)
        headers = _headers(lines)
        if status >= 200:
            break
        _check(status != 101)
    else:
        raise NoResponseError
    lengths = {one.strip(" \t") for one in headers.get("content-length", "0").split(",")}
    _check(len(lengths) == 1)
    length = lengths.pop()
    _check(re.fullmatch("[0-9]+", length))
    if status in (204, 304):
        body = b""
    else:
        _check(headers.get("content-encoding", "").lower() in ("", "identity"))
        if "transfer-encoding" in headers:
            _check(version == b"1" and "content-length" not in headers)
            _check(headers["transfer-encoding"].lower() == "chunked")
            body, data = _chunks(data)
        else:
            _check("content-length" in headers and int(length) <= _LARGEST_BODY)
            body, data = data[: int(length)], data[int(length) :]
            _check(len(body) == int(length))
    closes = "close" in headers.get("connection", "").lower()
    return status, headers, body, closes or bool(data) or version == b"0"


def _check(holds: object) -> None:
    if not holds:
        raise NoResponseError


def _match(pattern: bytes, line: bytes) -> tuple[bytes, ...]:
    found = re.fullmatch(pattern, line)
    if found is None:
        raise NoResponseError
    return found.groups()


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, list[str]] = {}
    values: list[str] = []
    for line in lines:
        if values and re.fullmatch(_CONTINUED, line):  # It goes on with the line before.
            values[-1] += line.decode("latin-1")
        else:
            name, value = _match(_FIELD, line)
            values = headers.setdefault(name.decode().lower(), [])
            values.append(value.decode("latin-1"))
    return {name: ", ".join(one.strip(" \t") for one in values) for name, values in headers.items()}


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    body, size = b"", 1
    while size:
        line, end, data = data.partition(b"\r\n")
        _check(end)
        size = int(_match(_CHUNK, line)[0], 16)
        body += data[:size]
        if size:
            _check(len(body) <= _LARGEST_BODY and data[size : size + 2] == b"\r\n")
            data = data[size + 2 :]
    trailers, end, data = (b"\r\n" + data).partition(b"\r\n\r\n")
    _check(end)
    _headers(trailers.split(b"\r\n")[1:])
    return body, data


# --- what a response means (docs/outcomes.md) -------------------------------------------------

_GONE = {
    f"{whose}session {what}{stop}"
    for whose in ("", "browser ", "interact ")
    for what in ("not found", "has been destroyed")
    for stop in ("", ".")
}
_OWN_STATUSES = {200, 400, 401, 402, 403, 409, 429}  # A gateway may send any 5xx in its place.
_MOST_BRACKETS = 500  # Text in which more of them open is nested too deeply to be read.


def read_outcome(status: int, body: str) -> tuple[str, bool]:
    """Say what a response means, and whether it is the service's: nobody's in front or behind."""
    is_deep = body.count("[") + body.count("{") > _MOST_BRACKETS
    try:
        content = {} if is_deep else json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        content = {}
    success = content.get("success")
    said = content.get("error"), content.get("message")
    words = [word for word in said if isinstance(word, str) and word]
    says_gone = bool(words) and words[0].lower() in _GONE
    if words[:1] == ["Hangar request failed."]:
        # A receipt is one whatever else it says.
        is_receipt = status == 200 and success is True
        return "DeletionReceipt" if is_receipt else "ServiceUnavailableError", is_receipt
    outcome = row_of(status)
    if status == 200 and isinstance(success, bool):
        outcome = "DeletionReceipt" if success else "NotDeletedError"
    if status in (404, 410) and success is False and says_gone:
        outcome = "SessionNotFoundError"
    speaks = status in _OWN_STATUSES and isinstance(success, bool)
    return outcome, speaks or outcome == "SessionNotFoundError"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
