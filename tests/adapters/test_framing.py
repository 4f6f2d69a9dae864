"""Where a response begins and ends, by its bytes alone: what the conformance kit leaves out.

Any bytes, in any pieces, are read as a plain reader reads them (`tests/proof/http_reader.py`). It
shares no code with the library.
"""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firecrawl_interact.adapters.http.framing import parse_response
from firecrawl_interact.core.transport import MAX_BODY_BYTES, BadResponseError

from ..made_up_responses import LIMITS, STREAMS, cut, shares
from ..proof import http_reader
from ..proof.http_reader import HttpResponse, IncompleteError, RefusedError, read_http_response

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

ODD_LINES = [
    b"http/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1 200OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 200 O\0K\r\n\r\n",
    OK + b": no name\r\n\r\n",
    OK + b"n\xe4me: a\r\n\r\n",
    OK + b"X: \x0b\r\n\r\n",
    OK + b"Content-Length: 7,\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    OK + b"Transfer-Encoding:\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nContent-Encoding: identity, br\r\n\r\n",
    CHUNKED + b"0\r\n folded: a\r\n\r\n",
    CHUNKED + b"0\r\nX: a\nY: b\r\n\r\n",
    CHUNKED + b"1\nx\r\n",
    CHUNKED + b"2;\0\r\nok\r\n",
    CHUNKED + b"2 a\r\nok\r\n",
    CHUNKED + b"2\r\nok0\r\n",
]


@pytest.mark.parametrize(
    ("method", "head"), [("HEAD", OK + b"Content-Length: 7\r\n\r\n"), ("CONNECT", CHUNKED)]
)
def test_what_follows_a_response_to_some_methods_is_not_its_body(method: str, head: bytes) -> None:
    response = parse_response(method, head)
    assert response is not None
    assert (response.body, response.ends_connection) == (b"", False)


@pytest.mark.parametrize("data", [*ODD_LINES, *LIMITS], ids=count())
def test_an_odd_line_and_a_size_at_the_limit_are_read_as_a_plain_reader_reads_them(
    data: bytes,
) -> None:
    for size in (4_000, 70_000):
        check(data, list(range(size, min(len(data), 20 * size), size)), Counter())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (CHUNKED + b"100001\r\n", "HTTP 200: more than 1048576 bytes in the body"),
        (CHUNKED + b"x\r\n", "HTTP 200: a chunk does not start with its size"),
        (OK + b"X" * 70_000, "more than 69632 bytes in the head"),
        (b"HTTP/1.1 103 Early\r\n\r\n" * 9, "more than 8 interim responses"),
    ],
)
def test_a_refusal_names_the_limit_that_is_exceeded_and_the_status_of_a_body(
    data: bytes, words: str
) -> None:
    with pytest.raises(BadResponseError, match=f"^{words}$"):
        parse_response("DELETE", data)


# --- whatever bytes may come -------------------------------------------------------------------


def parsed(pieces: list[bytes]) -> HttpResponse | str:
    """What becomes of bytes that come in pieces, as a transport reads them."""
    received = b""
    try:
        for piece in pieces:
            received += piece
            if response := parse_response("DELETE", received):
                return HttpResponse(*msgspec.structs.astuple(response))
    except BadResponseError:
        return "refused"
    return "incomplete"


def check(data: bytes, places: list[int], seen: Counter[str]) -> None:
    """Parse a stream as the plain reader does, however it is cut, and count its classes."""
    right: HttpResponse | str
    try:
        right = read_http_response(data)
        seen.update(classes_of(right, data))
    except RefusedError as error:
        right = "refused"
        seen[f"refused: {error}"] += 1
    except IncompleteError as error:
        right = "incomplete"
        seen[f"incomplete: {error}"] += 1
    assert parsed([data]) == right
    byte_by_byte = [data[place : place + 1] for place in range(min(len(data), 300))]
    for pieces in (cut(data, places), [*byte_by_byte, data[300:]]):
        in_pieces = parsed(pieces)
        if isinstance(in_pieces, HttpResponse) and isinstance(right, HttpResponse):
            # Surplus bytes may come later than the response.
            in_pieces = in_pieces._replace(ends_connection=right.ends_connection)
        assert in_pieces == right


def classes_of(response: HttpResponse, data: bytes) -> Iterator[str]:
    ends_or_keeps = "end" if response.ends_connection else "keep"
    yield f"responses that {ends_or_keeps} the connection"
    if "transfer-encoding" in response.headers:
        yield "responses in chunks"
    if data.startswith(b"HTTP/1.0"):
        yield "responses in HTTP/1.0"
    if data.startswith((b"HTTP/1.1 100", b"HTTP/1.1 103")):
        yield "responses after interim ones"
    if response.status in {204, 304}:
        yield "responses without a body"


def test_any_bytes_in_any_pieces_are_read_as_a_plain_reader_reads_them(
    record_property: Callable[[str, object], None],
) -> None:
    seen: Counter[str] = Counter()
    for data in LIMITS:
        check(data, [], seen)
    examples = max(35, settings().max_examples // 5)
    places = st.lists(st.integers(0, 2 * MAX_BODY_BYTES), max_size=3)
    for share, streams in STREAMS:
        look = settings(max_examples=share * examples)(given(data=streams, places=places)(check))
        look(seen=seen)
    record_property("fuzzed streams", shares(seen))
    reasons = set(re.findall(r'"(\w[^"]* [^"]*)"\)', inspect.getsource(http_reader)))
    assert {name.partition(": ")[2] for name in seen} - {""} == reasons
    assert len(seen) == len(reasons) + 6, "responses of a class are missing"
