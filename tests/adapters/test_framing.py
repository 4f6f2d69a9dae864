"""Where a response begins and ends, by its bytes alone: what the conformance kit leaves out.

`tests/proof/test_fuzzing.py` compares any bytes, in any pieces, with an independent reader.
"""

import pytest

from firecrawl_interact.adapters.http.framing import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_INTERIM_RESPONSES,
    MAX_LINE_BYTES,
    ParsedResponse,
    ResponseParser,
    body_length,
    merge_fields,
)
from firecrawl_interact.core.transport import MAX_BODY_BYTES, BadResponseError

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"


def parse(*pieces: bytes, method: str = "DELETE") -> ParsedResponse | None:
    """What a parser makes of these pieces: None if it needs more."""
    parser = ResponseParser(method)
    for piece in pieces:
        parser.feed(piece)
    return parser.response


def parse_whole(data: bytes, *, method: str = "DELETE") -> ParsedResponse:
    response = parse(data, method=method)
    assert response is not None
    return response


def test_a_response_is_taken_apart_also_byte_by_byte() -> None:
    head = b"HTTP/1.1 404 Not \xc3\x9cbel\r\nX-One:\ta \r\nx-one: b\r\nContent-Length: 5\r\n\r\n"
    response = parse_whole(head + b"hello")
    assert response == parse(*(bytes([byte]) for byte in head + b"hello"))
    assert (response.version, response.status, response.reason) == (11, 404, "Not Ã\x9cbel")
    assert response.headers == {"x-one": "a, b", "content-length": "5"}
    assert response.body == b"hello"
    assert not response.ends_connection


@pytest.mark.parametrize("start", [b"SSH-2.0", b'{"success"', b"\0\0\x12\4", b"\r\n", b"HTTP/2"])
def test_another_protocol_is_refused_at_its_first_bytes(start: bytes) -> None:
    with pytest.raises(BadResponseError, match="not HTTP/1"):
        parse(start)


@pytest.mark.parametrize(
    "data",
    [
        b"http/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 200 O\0K\r\n\r\n",
        OK + b": no name\r\n\r\n",
        OK + b"n\xe4me: a\r\n\r\n",
        OK + b"X: \x0b\r\n\r\n",
        CHUNKED + b"0\r\n folded: a\r\n\r\n",
        CHUNKED + b"0\r\nX: a\nY: b\r\n\r\n",
        CHUNKED + b"1\nx\r\n",
        CHUNKED + b"2;\0\r\nok\r\n",
        CHUNKED + b"2\r\nok0\r\n",
    ],
)
def test_a_line_that_rfc_9112_does_not_know_is_refused(data: bytes) -> None:
    with pytest.raises(BadResponseError):
        parse(data)


def test_a_header_may_go_on_in_the_next_line() -> None:
    response = parse_whole(OK + b"X: a\r\n\t b\r\n \r\nContent-Length:\r\n 0\r\n\r\n")
    assert response.headers == {"x": "a\t b", "content-length": "0"}


def test_headers_of_one_name_are_joined() -> None:
    assert merge_fields(b"A: 1\r\nb:2\r\na: 3\r\n") == {"a": "1, 3", "b": "2"}


# --- how long a body is ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ({"content-length": "0"}, 0),
        ({"content-length": "007"}, 7),
        ({"content-length": "7, 7"}, 7),
        ({"content-length": str(MAX_BODY_BYTES)}, MAX_BODY_BYTES),
        ({"content-length": "7", "content-encoding": "Identity"}, 7),
        ({"transfer-encoding": "Chunked"}, None),
    ],
)
def test_the_headers_say_how_long_a_body_is(headers: dict[str, str], length: int | None) -> None:
    assert body_length(headers, method="DELETE", status=200) == length


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("DELETE", 204), ("DELETE", 304)])
def test_some_responses_have_no_body(method: str, status: int) -> None:
    assert body_length({"content-length": "7"}, method=method, status=status) == 0


@pytest.mark.parametrize("status", [200, 403])
def test_what_follows_a_response_to_connect_is_not_its_body(status: int) -> None:
    assert body_length({"transfer-encoding": "chunked"}, method="CONNECT", status=status) == 0


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"content-length": "7,"}, 11),
        ({"content-length": str(MAX_BODY_BYTES + 1)}, 11),
        ({"transfer-encoding": "chunked, chunked"}, 11),
        ({"transfer-encoding": ""}, 11),
        ({"transfer-encoding": "chunked"}, 10),
        ({"transfer-encoding": "chunked", "content-encoding": "identity, br"}, 11),
    ],
)
def test_a_length_in_doubt_is_refused(headers: dict[str, str], version: int) -> None:
    with pytest.raises(BadResponseError):
        body_length(headers, method="DELETE", status=200, version=version)


# --- chunks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_chunks_make_one_body_and_trailers_are_no_headers_however_they_are_cut(size: int) -> None:
    data = CHUNKED + b"02;a=b\r\nhe\r\n3 ;c\r\nllo\r\n000;d\r\nX: y\r\n\r\n"
    response = parse(*(data[start : start + size] for start in range(0, len(data), size)))
    assert response is not None
    assert response.body == b"hello"
    assert response.headers == {"transfer-encoding": "chunked"}


# --- what may follow -------------------------------------------------------------------------


def test_interim_responses_are_skipped() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    assert parse_whole(interim * MAX_INTERIM_RESPONSES + HELLO).body == b"hello"


@pytest.mark.parametrize(
    "data",
    [
        HELLO.replace(b"HTTP/1.1", b"HTTP/1.0"),
        HELLO.replace(b"\r\n\r\n", b"\r\nConnection: x, Close\r\n\r\n"),
        HELLO + b"surplus",
        b"HTTP/1.1 204 No Content\r\n\r\nbody",
    ],
    ids=["HTTP/1.0", "close", "surplus", "204 with a body"],
)
def test_a_response_behind_which_no_other_may_come_says_so(data: bytes) -> None:
    assert parse_whole(data).ends_connection


# --- limits ----------------------------------------------------------------------------------

LARGEST = {
    "a line": OK + b"X: %b\r\nContent-Length: 0\r\n\r\n" % (b"x" * (MAX_LINE_BYTES - 4)),
    "header lines": OK + b"X: y\r\n" * (MAX_FIELDS - 1) + b"Content-Length: 0\r\n\r\n",
    "a body": OK + b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES + b"x" * MAX_BODY_BYTES,
    "a chunk": CHUNKED + b"%X\r\n%b\r\n0\r\n\r\n" % (MAX_BODY_BYTES, b"x" * MAX_BODY_BYTES),
    "chunks of a byte": CHUNKED + b"1\r\nx\r\n" * MAX_HEAD_BYTES + b"0\r\n\r\n",
}


@pytest.mark.parametrize("data", LARGEST.values(), ids=LARGEST)
def test_what_is_just_not_too_large_is_taken(data: bytes) -> None:
    assert parse_whole(data).status == 200


TOO_LARGE = {
    "a whole header line": OK + b"X: %b\r\n\r\n" % (b"x" * MAX_LINE_BYTES),
    "a head": OK + (b"X: " + b"x" * 60_000 + b"\r\n") * 2,
    "folded lines": OK + b"X: y\r\n" + b" z\r\n" * MAX_FIELDS + b"Content-Length: 0\r\n\r\n",
    "interim heads": (b"HTTP/1.1 103\r\nX: " + b"x" * 60_000 + b"\r\n\r\n") * 2,
    "a chunk": CHUNKED + b"%X\r\n" % (MAX_BODY_BYTES + 1),
    "a chunk line": CHUNKED + b"0" * (MAX_LINE_BYTES + 1),
    "chunk extensions": CHUNKED + (b"1;" + b"x" * 1000 + b"\r\nx\r\n") * 110,
    "spaces behind chunk sizes": CHUNKED + (b"1" + b" " * 1000 + b"\r\nx\r\n") * 110,
    "trailers": CHUNKED + b"0\r\n" + (b"X: " + b"x" * 2000 + b"\r\n") * 60,
}


@pytest.mark.parametrize("size", [1_000, 70_000, 10_000_000])
@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_refused_before_its_end_however_it_is_cut(
    data: bytes, size: int
) -> None:
    with pytest.raises(BadResponseError, match="more than"):
        parse(*(data[start : start + size] for start in range(0, len(data), size)))
