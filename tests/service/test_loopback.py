"""The fake service behind a real socket."""

import asyncio
import contextlib
import gc
import os
import re
import select
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    DrippedResponse,
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
    gc.collect()  # What other tests have left ends now, and not meanwhile.
    threads, descriptors = threading.active_count(), len(os.listdir("/dev/fd"))
    yield
    assert threading.active_count() <= threads
    assert len(os.listdir("/dev/fd")) <= descriptors
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


def port_of(api_url: str) -> int:
    return urlsplit(api_url).port or 0


def plainly_connected(api_url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(api_url)), timeout=30)


def plain(method: str, *lines: str, session_id: str = UNKNOWN) -> bytes:
    head = [f"{method} /v2/interact/{session_id} HTTP/1.1", "Authorization: Bearer fc-test", *lines]
    return "".join(f"{line}\r\n" for line in [*head, ""]).encode()


def exchange(client: socket.socket, request: bytes) -> bytes:
    client.sendall(request)
    return client.recv(65536)


def all_from(client: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            received += piece
    return received


# --- what a request meets --------------------------------------------------------------------


OF_ONE_RESPONSE = {"date", "content-length", "etag", "x-response-time"}


def without_times(end: Response | TransportError) -> object:
    """What is the same each time: no date, no duration, and no length, as memory needs none."""
    if isinstance(end, TransportError):
        return type(end)
    headers = {name: end.headers[name] for name in end.headers.keys() - OF_ONE_RESPONSE}
    return end.status, headers, re.sub(rb'"sessionDurationMs":[^,]+,', b"", end.body)


def what_happens(service: FakeService, transport: Transport, fault: Fault | None) -> object:
    session_id = service.open_session()
    if fault is not None:
        service.queue(fault)
    end = delete(transport, session_id, timeout=0.1 if fault == NoResponse() else 30)
    is_open = service.is_open(session_id)
    return without_times(end), is_open, without_times(delete(transport, session_id))


@pytest.mark.parametrize(
    "fault",
    [
        None,
        NoResponse(),
        LostResponse(),
        DrippedResponse(0.0005),
        *(Reply(status, b"\0<html>", {"Retry-After": "7"}) for status in (200, 307, 418, 599)),
        *(Reply(status, headers={"Location": "/\xe9"}) for status in (204, 304, 500)),
        *(Reply(204, headers={"Content-Encoding": value}) for value in ("gzip", "")),
        *(Reply(200, b"x", {"Content-Encoding": value}) for value in ("gzip", "Identity", "")),
    ],
)
def test_the_same_happens_as_in_memory(fault: Fault | None) -> None:
    in_memory, over_a_socket = FakeService(), FakeService()
    expected = what_happens(in_memory, InMemoryTransport(in_memory), fault)
    with served(over_a_socket) as transport:
        assert what_happens(over_a_socket, transport, fault) == expected


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
def test_no_connection_is_a_reset_that_reaches_nothing(service: FakeService, kept: bool) -> None:
    session_id = service.open_session()
    with served(service) as transport, plainly_connected(transport.api_url) as client:
        if kept:
            exchange(client, plain("DELETE"))
        service.queue(NoConnection())
        with pytest.raises(ConnectionError):
            exchange(client, plain("DELETE", session_id=session_id))
    assert len(service.requests) == kept
    assert service.is_open(session_id)


# --- clients ---------------------------------------------------------------------------------


def test_connections_are_kept_for_requests_of_any_method_and_size(service: FakeService) -> None:
    with served(service) as transport, plainly_connected(transport.api_url) as client:
        for _ in range(20):
            received = exchange(client, plain("DELETE"))
            assert received.startswith(b"HTTP/1.1 404 Not Found\r\n")
            assert received.endswith(b'"error":"Browser session not found."}')
        body = bytes(10 * 1024 * 1024)
        fields = {"Content-Length": "10485760", "X-Y": "Z"}
        for method in ("GET", "PATCH", "POST", "PUT"):
            received = exchange(client, plain(method, "Content-Length: 10485760", "X-Y: Z") + body)
            assert f"Cannot {method} /v2/interact/{UNKNOWN}<".encode() in received
            assert service.requests[-1] == Request(method, f"/v2/interact/{UNKNOWN}", fields)


@pytest.mark.parametrize(
    ("sent", "status", "requests"),
    [
        (plain("DELETE", "Connection: close"), 404, 1),
        (plain("DELETE", "Transfer-Encoding: chunked"), 411, 0),
        (plain("DELETE", "Content-Length: many"), 411, 0),
        (plain("DELETE", "Content-Length: 10485761"), 413, 0),
        (plain("DELETE", f"Content-Length: {'9' * 5000}"), 413, 0),
        (b"good day\x00\xff to you all\r\n\r\n", 400, 0),
    ],
    ids=["asked to close", "chunks", "no length", "large", "huge", "no HTTP"],
)
def test_a_connection_ends_if_it_is_asked_to_or_after_what_is_no_request_to_read(
    service: FakeService, sent: bytes, status: int, requests: int
) -> None:
    with served(service) as transport, plainly_connected(transport.api_url) as client:
        client.settimeout(4)  # seconds: an idle connection is closed after 5
        client.sendall(sent)
        assert str(status).encode() in all_from(client)
    assert len(service.requests) == requests


@pytest.mark.parametrize("sent", [plain("DELETE") * 3, b"DELETE /v2/int"])
def test_a_client_that_goes_away_disturbs_nobody(sent: bytes) -> None:
    with served(FakeService(latency=0.01)) as transport:
        with plainly_connected(transport.api_url) as client:
            client.sendall(sent)
        assert isinstance(delete(transport), Response)


def test_an_error_of_the_service_itself_is_printed_and_ends_the_connection(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class BrokenService(FakeService):
        def respond(self, request: Request, body: bytes = b"") -> tuple[Response, Fault | None]:
            raise LookupError("a rule is missing")

    with served(BrokenService()) as transport, plainly_connected(transport.api_url) as client:
        client.sendall(plain("DELETE"))
        assert all_from(client) == b""
    assert "LookupError: a rule is missing" in capfd.readouterr().err


# --- its beginning and its end ---------------------------------------------------------------


def test_it_runs_again_and_again_at_the_port_asked_for_and_has_no_address_meanwhile(
    service: FakeService,
) -> None:
    with LoopbackService(service) as loopback:
        port = port_of(loopback.api_url)
        client = plainly_connected(loopback.api_url)
        exchange(client, plain("DELETE"))
    client.close()  # The service has ended the connection first: the system remembers its port.
    again = LoopbackService(service, port=port)
    for _ in range(2):
        assert repr(again) == f"<LoopbackService not running: {service!r}>"
        with pytest.raises(FakeServiceError, match="does not run: use it in a `with` block"):
            _ = again.api_url
        with again, Urllib3Transport(again.api_url) as transport:
            assert again.api_url == f"http://127.0.0.1:{port}"
            with pytest.raises(OSError, match=r"refused|assign"):  # It listens nowhere else.
                socket.create_connection(("127.0.0.2", port), timeout=30)
            assert repr(again) == f"<LoopbackService at {again.api_url}: {service!r}>"
            with pytest.raises(FakeServiceError, match="runs already"), again:
                pass  # It cannot be entered twice at once.
            assert isinstance(delete(transport), Response)


def test_time_runs_by_itself_while_it_serves_and_at_no_other_time(service: FakeService) -> None:
    other = FakeService(latency=0.05)
    other.advance(1000)
    with served(other) as transport:
        before = other.monotonic()
        delete(transport)
        last = other.monotonic()
        assert 1000 <= before < before + 0.05 <= last
        port = port_of(transport.api_url)
        with pytest.raises(OSError, match="in use"), LoopbackService(service, port):
            pass
    for stands in (service, other):
        assert stands.monotonic() == stands.monotonic()
    assert other.monotonic() >= last


def test_its_time_runs_on_while_a_test_has_frozen_the_time(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as frozen:
        frozen.setattr(time, "monotonic", lambda: 1e9)  # as freezegun does
        with LoopbackService(service):
            assert 0 <= service.monotonic() < 60
            frozen.undo()
            assert 0 <= service.monotonic() < 60
            frozen.setattr(time, "monotonic", lambda: 1e9)
            assert 0 <= service.monotonic() < 60


@pytest.mark.parametrize(
    ("sent", "fault", "latency", "begins"),
    [
        (plain("DELETE"), None, 0, b"HTTP/1.1 404"),
        (plain("DELETE"), NoResponse(), 0, b""),
        (plain("DELETE"), DrippedResponse(3600), 0, b"H"),
        (plain("DELETE"), None, 3600, b""),
        (plain("DELETE"), LostResponse(), 3600, b""),
    ],
)
def test_its_end_ends_a_connection_whether_or_not_a_response_is_due_or_has_begun(
    sent: bytes, fault: Fault | None, latency: float, begins: bytes
) -> None:
    service = FakeService(latency=latency)
    if fault is not None:
        service.queue(fault)
    with contextlib.suppress(KeyError), served(service) as transport:
        client = plainly_connected(transport.api_url)
        client.sendall(sent)
        while not service.requests:
            pass
        assert bool(select.select([client], [], [], 5 if begins else 0.05)[0]) is bool(begins)
        if begins:
            assert client.recv(65536)[:12] == begins
        raise KeyError  # However the block ends.
    with client:
        assert all_from(client) == b""


def test_its_end_ends_a_connection_that_was_accepted_a_moment_ago(service: FakeService) -> None:
    for _ in range(50):
        with LoopbackService(service) as loopback:
            client = plainly_connected(loopback.api_url)
        with client:
            assert all_from(client) == b""
    began = time.monotonic()
    for _ in range(10):
        with LoopbackService(service):
            pass
    assert time.monotonic() - began < 10 * 0.25  # seconds: it looks often whether it shall end


LEFT_RUNNING = """
import socket
from urllib.parse import urlsplit
from firecrawl_interact.adapters import FakeService, LoopbackService, NoResponse

service = FakeService()
service.queue(NoResponse())
loopback = LoopbackService(service).__enter__()
client = socket.create_connection(("127.0.0.1", urlsplit(loopback.api_url).port))
client.sendall(b"DELETE /v2/interact/1 HTTP/1.1\\r\\n\\r\\n")
while not service.requests:
    pass
"""


def test_one_that_is_left_running_keeps_no_process_from_ending_and_warns() -> None:
    command = [sys.executable, "-c", LEFT_RUNNING]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "RuntimeWarning: <LoopbackService at http://127.0.0.1:" in done.stderr
    assert "was left running: use `with`" in done.stderr


def test_one_that_nobody_holds_any_more_warns_and_ends(service: FakeService) -> None:
    loopback = LoopbackService(service).__enter__()
    with plainly_connected(loopback.api_url) as client:
        with pytest.warns(RuntimeWarning, match="was left running"):
            del loopback
        assert all_from(client) == b""


FORKED = """
import os
from firecrawl_interact.adapters import FakeService, LoopbackService, Urllib3Transport
from firecrawl_interact.core import DeleteSession

service = FakeService()
with LoopbackService(service) as loopback, Urllib3Transport(loopback.api_url) as transport:
    delete_session = DeleteSession(transport, "fc-test")
    delete_session(service.open_session())
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        assert delete_session(service.open_session()).attempts == 1
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_leaves_the_block_and_harms_nothing_of_its_parents() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED]
    subprocess.run(command, check=True, timeout=10)


def test_a_hundred_clients_may_connect_at_once(service: FakeService) -> None:
    with served(service) as transport, contextlib.ExitStack() as ending:
        clients = [ending.enter_context(socket.socket()) for _ in range(100)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port_of(transport.api_url)))
        # Who finds no place in the queue asks for one again after a second.
        assert all(select.select([], [client], [], 0.5)[1] for client in clients)


def test_one_whose_thread_cannot_start_leaves_nothing(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"), LoopbackService(service):
        pass
    assert service.monotonic() == service.monotonic()


@pytest.mark.slow
def test_an_idle_connection_is_closed_after_five_seconds_as_the_services_server_does(
    service: FakeService,
) -> None:
    with served(service) as transport, plainly_connected(transport.api_url) as client:
        service.queue(NoResponse())
        with plainly_connected(transport.api_url) as waiting:
            waiting.sendall(plain("DELETE"))
            while not service.requests:
                pass
            assert b"\r\nkeep-alive: timeout=5\r\n" in exchange(client, plain("DELETE"))
            before = time.monotonic()
            assert all_from(client) == b""
            assert 4.9 < time.monotonic() - before < 9
            assert not select.select([waiting], [], [], 0)[0]  # It is not idle.


@pytest.mark.parametrize(
    ("headers", "date"),
    [
        ({}, rf"\w+, \d\d \w+ {datetime.now(UTC).year} "),
        ({"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Content-Length": "7"}, "Sun, 06 Nov 1994 "),
    ],
)
def test_the_date_of_a_reply_is_todays_or_its_own_and_its_length_is_true(
    headers: dict[str, str], date: str, service: FakeService
) -> None:
    service.queue(Reply(503, headers=headers))
    with served(service) as transport, plainly_connected(transport.api_url) as client:
        received = exchange(client, plain("DELETE")).decode()
    assert re.search(rf"\r\ndate: {date}", received)
    assert "\r\ncontent-length: 0\r\n" in received


def test_time_goes_on_until_the_last_of_several_ends_and_can_be_advanced(
    service: FakeService,
) -> None:
    class CountingSelector(selectors.DefaultSelector):
        turns = 0

        def select(self, timeout: float | None = None) -> Any:  # Any: as in typeshed
            self.turns += 1
            return super().select(timeout)

    selector = CountingSelector()
    session_id = service.open_session(ttl=60)
    with served(service) as transport:
        with LoopbackService(service):
            pass
        before = service.monotonic()
        assert isinstance(delete(transport), Response)
        assert service.monotonic() > before
        began = time.monotonic()
        InMemoryTransport(service).sleep(0.6)
        assert time.monotonic() - began > 0.59  # A wait in memory is real, too.
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
            runner.run(AsyncInMemoryTransport(service).sleep(0.1))
        assert selector.turns < 100  # It does nothing meanwhile.
        service.advance(60)
        assert not service.is_open(session_id)
