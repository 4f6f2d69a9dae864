"""No frame of ours in a traceback shows the key, as error trackers print the locals of frames."""

import asyncio
import inspect
import traceback
from collections.abc import Iterator

import pytest

from firecrawl_interact.adapters.conformance import wire_faults
from firecrawl_interact.adapters.conformance.server import FaultFunction, FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import (
    CHUNKED,
    sends,
    sends_and_closes,
    sends_and_drips,
)
from firecrawl_interact.core import Request, TransportError

from .driven import TransportClass, closed_port

pytestmark = pytest.mark.enable_socket

KEY = "fc-0123456789abcdef"
REQUEST = Request("DELETE", "/v2/interact/session-1", {"Authorization": f"Bearer {KEY}"})
HUGE_REQUEST = Request("DELETE", "/", {"X-Huge": "x" * 6_000_000, **REQUEST.headers})


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def assert_no_frame_of_ours_shows_the_key(error: BaseException) -> None:
    frames = [frame for one in chain(error) for frame, _ in traceback.walk_tb(one.__traceback__)]
    ours = [frame for frame in frames if frame.f_globals["__name__"].startswith("firecrawl")]
    assert ours, "no frame of ours: nothing was checked"
    assert KEY not in "".join(repr(frame.f_locals) for frame in ours)
    assert KEY not in "".join(f"{one} {one!r} {one.args} {vars(one)}" for one in chain(error))


def error_of(
    transport_class: TransportClass, api_url: str, request: Request = REQUEST, **settings: str
) -> TransportError:
    async def send() -> None:
        response = transport_class(api_url, **settings).send(request, 0.2)  # type: ignore[arg-type]
        if inspect.isawaitable(response):
            await response

    with pytest.raises(TransportError) as caught:
        asyncio.run(send())
    return caught.value


@pytest.mark.parametrize(
    "fault",
    [
        wire_faults.closes_at_once,
        wire_faults.resets_with_the_request_unread,
        wire_faults.stays_silent,
        sends(KEY.encode() + b"\r\n\r\n"),
        sends_and_closes(b"HTTP/1.1 200 OK\r\n"),
        sends(b"HTTP/1.1 200 OK\r\n" + KEY.encode() + b"\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\nX: " + KEY.encode() + b"\r\n\r\n"),
        sends_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + KEY.encode()),
        sends(CHUNKED + KEY.encode() + b"\r\n"),
        sends_and_drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"123456789"),
    ],
)
def test_a_call_that_fails_on_the_wire(
    transport_class: TransportClass, fault: FaultFunction
) -> None:
    with FaultServer(fault) as server:
        assert_no_frame_of_ours_shows_the_key(error_of(transport_class, server.api_url))


def test_a_request_that_nobody_reads(transport_class: TransportClass) -> None:
    with FaultServer(lambda connection: connection.pause(10)) as server:
        error = error_of(transport_class, server.api_url, HUGE_REQUEST)
    assert_no_frame_of_ours_shows_the_key(error)


def test_a_refused_connection(transport_class: TransportClass) -> None:
    error = error_of(transport_class, f"http://127.0.0.1:{closed_port()}")
    assert_no_frame_of_ours_shows_the_key(error)


def test_a_proxy_that_refuses_our_password(transport_class: TransportClass) -> None:
    with FaultServer(sends(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        address = proxy.api_url.replace("://", f"://user:{KEY}@")
        error = error_of(transport_class, "https://service.example", proxy=address)
    assert_no_frame_of_ours_shows_the_key(error)
