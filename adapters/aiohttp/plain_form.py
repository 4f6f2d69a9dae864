"""The form of a response that aiohttp reads just as `ResponseParser` does."""

import re

from ..http.framing import MAX_LINE_BYTES, TEXT, TOKEN, ParsedResponse

_CRITICAL = ("connection", "content-encoding", "content-length", "transfer-encoding", "upgrade")
_HARMLESS_LINE = (
    rb"(?!(?i:" + "|".join(_CRITICAL).encode() + rb"):)" + TOKEN + rb":" + TEXT + rb"\r\n"
)
_PLAIN_HEAD = re.compile(
    rb"HTTP/1\.1 (?:200|[45][0-9]{2}) " + TEXT + rb"\r\n(?:" + _HARMLESS_LINE + rb"){0,50}+"
    rb"(?i:content-length): ?([0-9]{1,7})\r\n(?:" + _HARMLESS_LINE + rb"){0,49}+\r\n"
).match


def is_plain_response(data: bytes) -> bool:
    """Whether these bytes are one whole response in plain form, as most responses are.

    A look is faster than parsing. Not for a HEAD request, whose response has no body.
    """
    head = _PLAIN_HEAD(data)
    return head is not None and head.end() + int(head[1]) == len(data) <= MAX_LINE_BYTES


def in_plain_form(response: ParsedResponse) -> bytes:
    """Write a response in plain form: without chunks, and with one length."""
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [
        f"{name}: {value}" for name, value in response.fields if name.lower() not in _CRITICAL
    ]
    if response.status not in (204, 304):
        lines.append(f"Content-Length: {len(response.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + response.body
