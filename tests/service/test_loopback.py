"""The fake service behind a real socket."""

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from firecrawl_interact import (
    AsyncInMemoryTransport,
    FakeService,
    FakeServiceError,
    Fault,
    InMemoryTransport,
    LoopbackService,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
    Urllib3Transport,
)
from firecrawl_interact.core import Request, Response, Transport, TransportError

pytestmark = pytest.mark.enable_socket

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def nothing_is_left_behind(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    descriptors = len([*Path("/dev/fd").glob("*")])  # none on Windows
    threads = threading.active_count()
    yield
    assert threading.active_count() <= threads
    assert len([*Path("/dev/fd").glob("*")]) <= descriptors
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@contextlib.contextmanager
def served(service: FakeService) -> Iterator[Urllib3Transport]:
    """Serve while a block lasts, and give a transport that leads there."""
    with LoopbackService(service) as loopback, Urllib3Transport(loopback.api_url) as transport:
        yield transport


def delete(
    transport: Transport, session_id: str = UNKNOWN, timeout: float = 30
) -> Response | TransportError:
    headers = {"Authorization": "Bearer fc-test"}
    try:
        return transport.send(Request("DELETE", f"/v2/interact/{session_id}", headers), timeout)
    except TransportError as error:
        return error


def plainly_connected(api_url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(api_url).port), timeout=30)


def plain(method: str, *lines: str) -> bytes:
    head = [f"{method} /v2/interact/{UNKNOWN} HTTP/1.1", "Authorization: Bearer fc-test", *lines]
    return "".join(f"{line}\r\n" for line in [*head, ""]).encode()


def exchange(client: socket.socket, request: bytes) -> bytes:
    client.sendall(request)
    return client.recv(65536)


# --- what a request meets ------------------------------------------------------------------------


OF_A_CONNECTION = {"date", "connection", "keep-alive", "content-length"}


def without_times(end: Response | TransportError) -> object:
    """What is the same each time, in memory too."""
    if isinstance(end, TransportError):
        return type(end)
    headers = {name: end.headers[name] for name in end.headers.keys() - OF_A_CONNECTION}
    return end.status, headers, re.sub(rb'"sessionDurationMs":[^,]+,', b"", end.body)


def what_happens(service: FakeService, transport: Transport, fault: Fault | None) -> object:
    session_id = service.open_session()
    if fault is not None:
        service.queue(fault)
    end = delete(transport, session_id, timeout=0.1 if fault == NoResponse() else 4)
    is_open = service.is_open(session_id)
    return without_times(end), is_open, without_times(delete(transport, session_id))


@pytest.mark.parametrize(
    "fault",
    [
        None,
        NoResponse(),
        LostResponse(),
        *(Reply(status, b"\0<html>", {"Retry-After": "7"}) for status in (200, 307, 418, 599)),
        *(Reply(status, headers={"Location": "/\xe9"}) for status in (204, 304, 500)),
    ],
)
def test_the_same_happens_as_in_memory(fault: Fault | None) -> None:
    in_memory, over_a_socket = FakeService(), FakeService()
    expected = what_happens(in_memory, InMemoryTransport(in_memory), fault)
    with served(over_a_socket) as transport:
        assert what_happens(over_a_socket, transport, fault) == expected


def test_no_connection_is_one_that_ends_and_reaches_nothing(service: FakeService) -> None:
    service.queue(NoConnection())
    with served(service) as transport, plainly_connected(transport.api_url) as client:
        client.settimeout(4)  # It does not end by being idle.
        assert exchange(client, plain("DELETE")) == b""
        assert service.requests == []


# --- clients -------------------------------------------------------------------------------------


def test_connections_are_kept_for_requests_of_any_method_and_size(service: FakeService) -> None:
    with served(service) as transport, plainly_connected(transport.api_url) as client:
        for _ in range(20):
            assert exchange(client, plain("DELETE")).startswith(b"HTTP/1.1 404 Not Found\r\n")
        body = bytes(1024 * 1024)
        for method in ("GET", "PATCH", "POST", "PUT"):
            received = exchange(client, plain(method, f"Content-Length: {len(body)}") + body)
            assert f"Cannot {method} /v2/interact/{UNKNOWN}<".encode() in received


@pytest.mark.parametrize("sent", [plain("DELETE") * 3, b"DELETE /v2/int"])
def test_a_client_that_goes_away_disturbs_nobody(sent: bytes) -> None:
    with served(FakeService(latency=0.01)) as transport:
        with plainly_connected(transport.api_url) as client:
            client.sendall(sent)
        assert isinstance(delete(transport), Response)


# --- its beginning, its time and its end ---------------------------------------------------------


def test_it_runs_again_at_the_port_asked_for(
    service: FakeService,
) -> None:
    with LoopbackService(service) as loopback:
        port = urlsplit(loopback.api_url).port or 0
        with pytest.raises(OSError, match=r"in use|10048"), LoopbackService(FakeService(), port):
            pass
    again = LoopbackService(service, port=port)
    for _ in range(2):
        with pytest.raises(FakeServiceError, match=r"does not run\. Use it in a `with` block"):
            _ = again.api_url
        with again, Urllib3Transport(again.api_url) as transport:
            assert again.api_url == f"http://127.0.0.1:{port}"
            assert isinstance(delete(transport), Response)


def test_time_runs_by_itself_while_it_serves_and_at_no_other_time() -> None:
    service = FakeService(latency=0.05)
    service.advance(1000)
    with served(service) as transport:
        with LoopbackService(service):  # Time goes on until the last of several ends.
            pass
        before = service.monotonic()
        delete(transport)
        last = service.monotonic()
        assert 1000 <= before < before + 0.05 <= last
        began = time.monotonic()
        InMemoryTransport(service).sleep(0.1)  # A wait in memory is real, too.
        asyncio.run(AsyncInMemoryTransport(service).sleep(0.1))
        assert time.monotonic() - began > 0.19
        service.advance(60)
    assert last + 60 <= service.monotonic() == service.monotonic()


@pytest.mark.parametrize(
    ("fault", "latency"),
    [(None, 0), (NoResponse(), 0), (None, 3600), (LostResponse(), 3600)],
    ids=repr,
)
def test_its_end_ends_each_connection_at_once(fault: Fault | None, latency: float) -> None:
    service = FakeService(latency=latency)
    if fault is not None:
        service.queue(fault)
    with contextlib.suppress(KeyError), served(service) as transport:
        client = plainly_connected(transport.api_url)
        client.sendall(plain("DELETE"))
        while not service.requests:
            pass
        if latency == 0 and fault is None:
            assert client.recv(12) == b"HTTP/1.1 404"
        began = time.monotonic()
        raise KeyError  # However the block ends.
    assert time.monotonic() - began < 4  # An idle connection would end after 5 seconds.
    with client, contextlib.suppress(ConnectionResetError):
        while client.recv(65536):  # It ends.
            pass
