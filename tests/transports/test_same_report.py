"""The same bytes give the same report on both transports, however they are cut."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.core import Request, Response, TransportError

from ..made_up_responses import cut, streams
from .driven import PATH

pytestmark = pytest.mark.enable_socket

REQUEST = Request("DELETE", PATH, {"Authorization": "Bearer fc-test"})
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
@example(b"", [])
def test_whatever_bytes_come(compare: Compare, stream: bytes, places: list[int]) -> None:
    compare(cut(stream, places))
