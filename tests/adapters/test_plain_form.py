"""A response in plain form is the same response, and most are in it already."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firecrawl_interact.adapters.aiohttp.plain_form import in_plain_form, is_plain_response
from firecrawl_interact.adapters.http.framing import ParsedResponse, ResponseParser
from firecrawl_interact.core.transport import BadResponseError

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
PIECES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"Content-Length: 2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"X: y\r\n",
    b" folded\r\n",
    b"\r\n",
    b"ok",
    b"2\r\nok\r\n",
    b"0\r\n\r\n",
]
STREAMS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=5), max_size=12).map(b"".join)


def parse(data: bytes) -> ParsedResponse | None:
    parser = ResponseParser("DELETE")
    try:
        parser.feed(data)
    except BadResponseError:
        return None
    return parser.response


@given(STREAMS)
@example(HELLO)
@example(HELLO + b"x")
@example(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
def test_a_plain_response_is_whole_and_keeps_its_connection(data: bytes) -> None:
    if is_plain_response(data):
        response = parse(data)
        assert response is not None
        assert not response.ends_connection
        assert data.endswith(b"\r\n\r\n" + response.body)


@given(STREAMS)
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n2\r\nok\r\n0\r\n\r\n")
def test_a_response_in_plain_form_is_the_same_response(data: bytes) -> None:
    response = parse(data)
    if response is not None:
        again = parse(in_plain_form(response))
        assert again is not None
        assert (again.status, again.reason, again.body) == (
            response.status,
            response.reason,
            response.body,
        )
        assert response.headers.get("x") == again.headers.get("x")


@pytest.mark.parametrize("field", ["", "X: y\r\n", "x-content-length: 9\r\n"])
def test_what_most_services_send_is_plain(field: str) -> None:
    assert is_plain_response(f"HTTP/1.1 200 OK\r\n{field}content-length: 2\r\n\r\nok".encode())


@pytest.mark.parametrize(
    "data",
    [
        HELLO[:-1],
        HELLO + b"x",
        HELLO.replace(b"200", b"204"),
        HELLO.replace(b"HTTP/1.1", b"HTTP/1.0"),
        HELLO.replace(b"\r\n\r\n", b"\r\nCONTENT-LENGTH: 5\r\n\r\n"),
        HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        HELLO.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"),
        HELLO.replace(b"\r\n\r\n", b"\r\nTransfer-encoding: chunked\r\n\r\n"),
    ],
)
def test_what_needs_a_closer_look_is_not_plain(data: bytes) -> None:
    assert not is_plain_response(data)
