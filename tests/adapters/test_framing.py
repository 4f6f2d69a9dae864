"""Where a response begins and ends, by its bytes alone: what the conformance kit leaves out."""

from itertools import count

import pytest
from hypothesis import given, strategies as st

from firecrawl_interact.adapters.http.framing import ParsedResponse, parse_response
from firecrawl_interact.core.transport import BadResponseError

from ..core.service_responses import spoilt

KIB, MIB = 1024, 1024 * 1024
CONTENT = b'{"success":true}'
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 16\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HALF = b"80000\r\n" + b"x" * (MIB // 2) + b"\r\n"
LONG_LINE = b"1;" + b"x" * 60 * KIB + b"\r\nx\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: %b\r\n\r\n"


def with_head(lines: bytes, status_line: bytes = OK, body: bytes = CONTENT) -> bytes:
    return status_line + lines + b"\r\n" + body


def in_chunks(chunks: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    return with_head(CHUNKED, body=chunks + last)


def without_body(lines: bytes) -> bytes:
    return with_head(lines + b"Content-Length: 0\r\n", body=b"")


SMALL = [
    with_head(LENGTH),
    with_head(LENGTH, b"HTTP/1.1 200\r\n"),
    with_head(LENGTH, b"HTTP/1.1 200 O\xc3\xa9\t\r\n"),
    with_head(b"content-length:16 \r\n"),
    with_head(b"Content-Length: 16 , 16\r\n"),
    with_head(LENGTH * 2),
    with_head(b"Content-Length: %b16\r\n" % (b"0" * 16)),
    with_head(LENGTH + b"X: a\r\n\t\r\n b\r\n"),
    with_head(LENGTH + b"Content-Encoding: Identity\r\n"),
    CONTINUE * 8 + with_head(LENGTH),
    EARLY_HINTS % b"</x>" + with_head(LENGTH),
    in_chunks(b"10\r\n" + CONTENT + b"\r\n"),
    in_chunks(b"4 ;a=b\r\n" + CONTENT[:4] + b"\r\n00C\t\r\n" + CONTENT[4:] + b"\r\n"),
    in_chunks(b"0" * 14 + b"10;\r\n" + CONTENT + b"\r\n", b"00;c\r\nX: y\r\n z\r\n\r\n"),
    with_head(b"transfer-encoding:CHUNKED\r\n", body=b"10\r\n" + CONTENT + b"\r\n0\r\n\r\n"),
]
LARGE = [
    (with_head(b"Content-Length: %d\r\n" % MIB, body=b"x" * MIB), MIB),
    (in_chunks(HALF * 2), MIB),
    (in_chunks(LONG_LINE * 34), 34),
    (in_chunks(b"1\r\nx\r\n" * 12_000), 12_000),
    (in_chunks(b"", b"0\r\nX: %b\r\n\r\n" % (b"x" * (68 * KIB - 10))), 0),
    (without_body(b"X: %b\r\n" % (b"x" * (68 * KIB - 43))), 0),
    (without_body(b"X: y\r\n" * 1000 + b" z\r\n" * 1000), 0),
    (EARLY_HINTS % (b"x" * 60 * KIB) * 2 + without_body(b""), 0),
]
NO_BODY = [
    ("DELETE", with_head(LENGTH, b"HTTP/1.1 204 No Content\r\n", b"")),
    ("DELETE", with_head(CHUNKED, b"HTTP/1.1 304 Not Modified\r\n", b"")),
    ("HEAD", with_head(LENGTH, body=b"")),
    ("CONNECT", with_head(CHUNKED, body=b"")),
]


def prefixes(data: bytes) -> list[bytes]:
    """What has come before the last byte: after each one, or after many of much."""
    return [data[:size] for size in range(0, len(data), 1 if len(data) < KIB else len(data) // 9)]


@pytest.mark.parametrize(
    ("method", "data", "size"),
    [
        *(("DELETE", data, 16) for data in SMALL),
        *(("DELETE", data, size) for data, size in LARGE),
        *((method, data, 0) for method, data in NO_BODY),
    ],
    ids=count(),
)
def test_surplus_bytes_end_the_connection(method: str, data: bytes, size: int) -> None:
    assert {parse_response(method, begun) for begun in prefixes(data)} == {None}
    response = parse_response(method, data)
    assert response is not None
    assert response.body == (CONTENT if size == 16 else b"x" * size)
    assert not response.ends_connection
    more = parse_response(method, data + b"x")
    assert more is not None
    assert (more.body, more.ends_connection) == (response.body, True)


@pytest.mark.parametrize("lines", [b"Connection: close\r\n", b"Connection: keep-alive, Close\r\n"])
def test_a_response_may_end_its_connection(lines: bytes) -> None:
    for data in (with_head(LENGTH + lines), with_head(LENGTH, b"HTTP/1.0 200 OK\r\n")):
        response = parse_response("DELETE", data)
        assert response is not None
        assert (response.body, response.ends_connection) == (CONTENT, True)


def test_names_are_in_lower_case_and_values_are_joined_and_stripped() -> None:
    lines = b"Retry-After: 3\r\nretry-after: 4\r\nX-Text: caf\xe9 \xa0\t\r\nX-Empty:\r\n"
    response = parse_response("DELETE", with_head(lines + b"X-Folded: a\r\n\t\r\n b\r\n" + LENGTH))
    assert response is not None
    named = {"retry-after": "3, 4", "x-text": "caf\xe9 \xa0", "x-empty": "", "x-folded": "a\t b"}
    assert response.headers == {**named, "content-length": "16"}


LIMIT = "HTTP 200: more than 1048576 bytes in the body"
REFUSED = {
    "the response is not HTTP/1": [
        b"HTTP/2 200\r\n",
        b"http/1.1 200 OK\r\n",
        b"\r\n" + SMALL[0],
        CONTINUE + b"x",
    ],
    "the head of the response is not valid HTTP/1": [
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        b"HTTP/1.1 200 O\0K\r\n\r\n",
        b"HTTP/1.1 200 O\x7fK\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        *(
            with_head(line + LENGTH)
            for line in (
                b": no name\r\n",
                b" folded: a\r\n",
                b"n\xe4me: a\r\n",
                b"X : a\r\n",
                b"X\r\n",
                b"X: \x0b\r\n",
                b"X: a\n",
                b"X: a\rb\r\n",
                b"X: a\r\r\n",
            )
        ),
        *(in_chunks(b"", b"0\r\n" + line + b"\r\n") for line in (b" x: a\r\n", b"X: a\nY: b\r\n")),
    ],
    "more than 69632 bytes in the head": [
        OK + b"X" * 70_000,
        without_body(b"X: %b\r\n" % (b"x" * (68 * KIB - 42))),
        in_chunks(b"", b"0\r\nX: %b\r\n\r\n" % (b"x" * (68 * KIB - 9))),
    ],
    "the response switches to a protocol": [b"HTTP/1.1 101 Switching\r\n\r\n"],
    "more than 8 interim responses": [CONTINUE * 9],
    "the response's Content-Length is ambiguous": [
        with_head(b"Content-Length: %b\r\n" % length)
        for length in (b"16, 17", b"16\r\nContent-Length: 17", b"16,", b"+16", b"1\xb2", b"")
    ],
    r"the body is encoded \(Content-Encoding\)": [
        with_head(line + b"Content-Encoding: %b\r\n" % coding)
        for line in (LENGTH, CHUNKED)
        for coding in (b"gzip", b"identity, br")
    ],
    "the response's Transfer-Encoding makes its length ambiguous": [
        *(with_head(b"Transfer-Encoding: %b\r\n" % x) for x in (b"", b"x", b"chunked, chunked")),
        with_head(CHUNKED + LENGTH),
        with_head(CHUNKED, b"HTTP/1.0 200 OK\r\n"),
    ],
    "the body has no length": [with_head(b""), with_head(b"", b"HTTP/1.0 200 OK\r\n")],
    LIMIT: [
        *(with_head(b"Content-Length: %b\r\n" % x) for x in (b"1048577", b"0" * 17 + b"16")),
        in_chunks(b"100001\r\n"),
        in_chunks(HALF + b"80001\r\n"),
        in_chunks(HALF * 2 + b"1\r\nx\r\n"),
    ],
    "more than 2097152 bytes in chunks": [
        in_chunks(LONG_LINE * 35),
        in_chunks(b"1;" + b"x" * 2 * MIB, last=b""),
    ],
    "a chunk does not start with its size": [
        in_chunks(line + b"\r\n" + CONTENT + b"\r\n")
        for line in (b"0x10", b"1_0", b"-10", b"x", b"0" * 15 + b"10", b"10 a", b"10;\0", b"10\n")
    ],
    "a chunk does not end where its size says": [
        in_chunks(b"10\r\n" + CONTENT + end) for end in (b"\n\n", b"x\r\n", b"x\n")
    ],
}


@pytest.mark.parametrize(
    ("data", "words"), [(one, words) for words in REFUSED for one in REFUSED[words]], ids=count()
)
def test_what_is_in_doubt_or_exceeds_a_limit_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadResponseError, match=rf"^(HTTP \d+: )?{words}"):
        parse_response("DELETE", data)
    assert {_parsed(begun) for begun in prefixes(data)} <= {None, "refused"}


PIECES = [b"\r\n", b"\n", b" ", b":", b"0", b"\0", b"\xff", b",", b";", LENGTH, CHUNKED]


@given(spoilt(st.sampled_from(SMALL), PIECES))
def test_any_bytes_are_read_alike_at_once_and_as_they_come(data: bytes) -> None:
    seen = [_parsed(data[:size]) for size in range(len(data) + 1)]
    first = next((one for one in seen if one is not None), None)
    for one in seen[seen.index(first) :]:
        if isinstance(first, ParsedResponse) and isinstance(one, ParsedResponse):
            assert (one.status, one.headers, one.body) == (first.status, first.headers, first.body)
        else:
            assert one == first


def _parsed(data: bytes) -> ParsedResponse | str | None:
    try:
        return parse_response("DELETE", data)
    except BadResponseError:
        return "refused"
