"""The same bytes give the same report on both transports, however they are cut."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.core import Request, Response, TransportError

from .driven import PATH

pytestmark = pytest.mark.enable_socket

REQUEST = Request("DELETE", PATH, {"Authorization": "Bearer fc-test"})
STATUS_LINES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 503 O\xc3\xa9\r\n",
    b"HTTP/1.1 999 High\r\n",
    b"HTTP/2 200\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
]
FIELDS = [
    b"Content-Length: 2\r\n",
    b"content-length:\t5 \r\n",
    b"Content-Length: +2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Retry-After: 3\r\nretry-after: 4\r\n",
    b"X-Text: caf\xe9\r\nX-Empty:\r\n",
    b"X-Folded: a\r\n b\r\n",
    b"X-Space : a\r\n",
    b"X-Bare-LF: a\n",
    b"X-Bare-CR: a\rb\0\a\r\n",
    b"X-No-Colon\r\n",
    b"X-Long: " + b"x" * 40_000 + b"\r\n",
]
BODIES = [
    b"",
    b"{}",
    b"hello",
    b"2;a=b\r\n{}\r\n00\r\nX: y\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """What a service may send: mostly a response, and perhaps not quite."""
    stream = bytearray(draw(st.sampled_from(STATUS_LINES)))
    stream += b"".join(draw(st.lists(st.sampled_from(FIELDS), max_size=4)))
    stream += draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b""]))
    stream += draw(st.sampled_from(BODIES))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(stream)))
        stream[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(stream)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    places = sorted(place % (len(stream) + 1) for place in places)
    pieces = [stream[start:end] for start, end in pairwise([0, *places, len(stream)])]
    return [piece for piece in pieces if piece]


Compare = Callable[[list[bytes]], None]


@pytest.fixture(scope="module")
def compare() -> Iterator[Compare]:
    """Checks that both transports report the same of a service that sends these pieces."""
    to_send: list[bytes] = []

    def sends_pieces(connection: Connection) -> None:
        connection.read_request()
        for piece in to_send:
            connection.send(piece)
            connection.pause(0.001)
        connection.close()

    def blocking() -> Response:
        with Urllib3Transport(server.api_url) as transport:
            return transport.send(REQUEST, 5)

    async def awaited() -> Response:
        async with AsyncioTransport(server.api_url) as transport:
            return await transport.send(REQUEST, 5)

    def compare(pieces: list[bytes]) -> None:
        to_send[:] = pieces
        assert report_of(blocking) == report_of(lambda: runner.run(awaited()))

    with FaultServer(afterwards=sends_pieces) as server, asyncio.Runner() as runner:
        yield compare


def report_of(send: Callable[[], Response]) -> object:
    try:
        return send()
    except TransportError as error:
        return type(error), str(error), error.transient, getattr(error, "stale", None)


@settings(max_examples=300, deadline=None)
@given(streams(), st.lists(st.integers(0, 10_000), max_size=3))
def test_what_hypothesis_makes_up(compare: Compare, stream: bytes, places: list[int]) -> None:
    compare(cut(stream, places))


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [OK + b"X: y\r\n" * 99 + b"Content-Length: 2\r\n\r\n{}"],
        [OK + b"X: y\r\n" * 100 + b"Content-Length: 2\r\n\r\n{}"],
        [b"HTTP/1.1 100 Continue\r\n\r\n" * 8 + OK, b"Content-Length: 2\r\n\r\n{}"],
        [b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nsurplus"],
        [OK + b"Content-Length: 1048576\r\n\r\n", b"x" * 1_048_576],
        [OK + b"Content-Length: 1048577\r\n\r\n", b"x" * 1_048_577],
        [b""],
    ],
)
def test_what_is_large_or_rare(compare: Compare, pieces: list[bytes]) -> None:
    compare(pieces)
