"""The fake service behind a real socket."""

import contextlib
import gc
import http.client
import os
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from firecrawl_interact.adapters.fake_service import FakeService
from firecrawl_interact.adapters.fake_service.faults import (
    DrippedResponse,
    FakeServiceError,
    Fault,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from firecrawl_interact.adapters.in_memory import InMemoryTransport
from firecrawl_interact.adapters.loopback import LoopbackService
from firecrawl_interact.core.transport import Request

pytestmark = pytest.mark.enable_socket

KEY = {"Authorization": "Bearer fc-test"}


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
def connected(loopback: LoopbackService) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(loopback.api_url.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        yield connection


def delete(
    connection: http.client.HTTPConnection, session_id: str
) -> tuple[int, dict[str, object]]:
    connection.request("DELETE", f"/v2/interact/{session_id}", headers=KEY)
    response = connection.getresponse()
    return response.status, msgspec.json.decode(response.read(), type=dict[str, object])


def plainly_connected(loopback: LoopbackService) -> socket.socket:
    host, _, port = loopback.api_url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def plain_delete(session_id: str, *lines: str) -> bytes:
    head = [f"DELETE /v2/interact/{session_id} HTTP/1.1", "Authorization: Bearer fc-test", *lines]
    return "".join(f"{line}\r\n" for line in [*head, ""]).encode()


def wait_until_refused(loopback: LoopbackService) -> None:
    """Connect until the system refuses it."""
    while True:
        try:
            plainly_connected(loopback).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # It came when the server was just closing.
            continue


def await_status(loopback: LoopbackService) -> int:
    """Send a request until a response comes, and return its status."""
    while True:
        with contextlib.suppress(ConnectionError), connected(loopback) as connection:
            return delete(connection, "unknown")[0]


def exchange(client: socket.socket, request: bytes) -> bytes:
    client.sendall(request)
    return client.recv(65536)


def all_from(client: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            received += piece
    return received


class TestServing:
    def test_it_is_the_same_service_that_serves_in_memory(self, service: FakeService) -> None:
        session_id = service.open_session()
        with LoopbackService(service) as loopback, connected(loopback) as connection:
            status, receipt = delete(connection, session_id)
        assert (status, receipt["creditsBilled"]) == (200, 2)
        request = Request("DELETE", f"/v2/interact/{session_id}", KEY)
        again = InMemoryTransport(service).send(request, 90)
        assert b"sessionDurationMs" not in again.body

    def test_it_is_on_127_0_0_1_at_a_port_of_the_systems_choice_and_shows_it(
        self, service: FakeService
    ) -> None:
        with LoopbackService(service) as one, LoopbackService(service) as other:
            assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", one.api_url)
            assert one.api_url != other.api_url
            assert repr(one) == f"<LoopbackService at {one.api_url}: {service!r}>"

    def test_it_is_at_the_port_asked_for_again_and_again(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback:
            port = int(loopback.api_url.rpartition(":")[2])
        again = LoopbackService(service, port=port)
        for _ in range(2):
            with again, connected(again) as connection:
                assert again.api_url.endswith(f":{port}")
                assert delete(connection, "unknown")[0] == 404

    def test_a_port_in_use_is_an_error_and_the_clock_stands(self, service: FakeService) -> None:
        with LoopbackService(FakeService()) as loopback:
            port = int(loopback.api_url.rpartition(":")[2])
            with pytest.raises(OSError, match="in use"), LoopbackService(service, port):
                pass
        assert service.monotonic() == service.monotonic()

    def test_it_has_no_address_outside_of_its_block(self, service: FakeService) -> None:
        loopback = LoopbackService(service)
        for _ in range(2):
            assert repr(loopback) == f"<LoopbackService not running: {service!r}>"
            with pytest.raises(FakeServiceError):
                _ = loopback.api_url
            with loopback:
                pass

    def test_it_cannot_be_entered_twice_at_once(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback:
            with pytest.raises(FakeServiceError), loopback:
                pass
            assert await_status(loopback) == 404

    def test_it_keeps_connections_and_each_response_comes_in_one_piece(
        self, service: FakeService
    ) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            for _ in range(20):
                received = exchange(client, plain_delete("unknown"))
                assert received.startswith(b"HTTP/1.1 404 Not Found\r\n")
                assert received.endswith(b'"error":"Browser session not found."}')

    def test_it_ends_a_connection_if_asked_to(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(plain_delete("unknown", "Connection: close"))
            assert b"\r\nconnection: close\r\n" in all_from(client)

    def test_64_clients_at_once_all_get_their_own_response(self) -> None:
        service = FakeService(latency=0.05)
        session_ids = [service.open_session() for _ in range(64)]
        ready = threading.Barrier(64)

        def destroy(session_id: str) -> tuple[int, dict[str, object]]:
            ready.wait()
            with connected(loopback) as connection:
                return delete(connection, session_id)

        with LoopbackService(service) as loopback, ThreadPoolExecutor(64) as threads:
            outcomes = list(threads.map(destroy, session_ids))
        assert all(status == 200 and "sessionDurationMs" in body for status, body in outcomes)
        assert service.sessions_left_open == []

    @pytest.mark.parametrize(
        "method", ["CONNECT", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
    )
    def test_other_methods_reach_the_service_and_their_body_is_dropped(
        self, service: FakeService, method: str
    ) -> None:
        with LoopbackService(service) as loopback, connected(loopback) as connection:
            connection.request(method, "/v2/interact/1", body=bytes(200_000), headers=KEY)
            body = connection.getresponse().read()
            assert f"Cannot {method} /v2/interact/1<".encode() in body
            assert delete(connection, "1")[0] == 404

    def test_a_response_to_head_has_no_body(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            received = exchange(client, b"HEAD / HTTP/1.1\r\nAuthorization: Bearer fc-test\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 404 ")
        assert received.endswith(b"\r\n\r\n")

    @pytest.mark.parametrize(
        ("request_", "response"),
        [
            (plain_delete("1", "Transfer-Encoding: chunked"), b"HTTP/1.1 411 Length Required\r\n"),
            (plain_delete("1", "Content-Length: many"), b"HTTP/1.1 411 Length Required\r\n"),
            (b"good day\x00\xff to you all\r\n\r\n", b"Error code: 400"),
        ],
    )
    def test_what_is_no_request_to_read_is_refused(
        self, service: FakeService, request_: bytes, response: bytes
    ) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(request_)
            assert response in all_from(client)
        assert service.requests == []

    def test_a_request_reaches_the_service_as_it_was_sent(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            exchange(client, plain_delete("a%2Fb", "User-Agent: test"))
        assert service.requests == [Request("DELETE", "/v2/interact/a%2Fb", {"User-Agent": "test"})]

    @pytest.mark.parametrize("sent", [plain_delete("unknown") * 3, b"DELETE /v2/int"])
    def test_a_client_that_goes_away_disturbs_nobody(self, sent: bytes) -> None:
        with LoopbackService(FakeService(latency=0.01)) as loopback:
            with plainly_connected(loopback) as client:
                client.sendall(sent)
            assert await_status(loopback) == 404

    def test_time_runs_by_itself_while_it_serves_and_stands_afterwards(self) -> None:
        service = FakeService(latency=0.05)
        service.sleep(1000)
        with LoopbackService(service) as loopback:
            before = service.monotonic()
            await_status(loopback)
        after = service.monotonic()
        assert 1000 <= before < before + 0.05 <= after
        assert service.monotonic() == after


class TestFaults:
    @pytest.mark.parametrize("is_outage", [False, True], ids=["once", "an outage"])
    @pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
    def test_no_connection_is_a_reset_that_reaches_nothing(
        self, service: FakeService, kept: bool, is_outage: bool
    ) -> None:
        session_id = service.open_session()
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            if kept:
                exchange(client, plain_delete("unknown"))
            if is_outage:
                service.outage(3600)
            else:
                service.queue(NoConnection())
            with pytest.raises(ConnectionError):
                exchange(client, plain_delete(session_id))
        assert len(service.requests) == kept
        assert service.is_open(session_id)

    def test_no_response_is_silence_and_destroys_nothing(self, service: FakeService) -> None:
        session_id = service.open_session()
        service.queue(NoResponse())
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.settimeout(0.05)
            client.sendall(plain_delete(session_id))
            with pytest.raises(TimeoutError):
                client.recv(65536)
        assert service.is_open(session_id)

    def test_a_lost_response_is_a_closed_connection_after_the_service_acted(
        self, service: FakeService
    ) -> None:
        session_id = service.open_session()
        service.queue(LostResponse())
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            assert exchange(client, plain_delete(session_id)) == b""
            assert not service.is_open(session_id)

    def test_a_dripped_response_is_the_real_one_byte_by_byte_from_its_status_line_on(
        self, service: FakeService
    ) -> None:
        service.queue(DrippedResponse(seconds_per_byte=0.0005), DrippedResponse(60))
        with LoopbackService(service) as loopback:
            with connected(loopback) as connection:
                assert delete(connection, service.open_session())[1]["creditsBilled"] == 2
            assert service.monotonic() >= 0.0005 * 200
            with plainly_connected(loopback) as client:
                assert exchange(client, plain_delete("unknown")) == b"H"

    @pytest.mark.parametrize("status", [200, 204, 304, 307, 418, 599, 999])
    def test_a_reply_comes_as_given(self, service: FakeService, status: int) -> None:
        body = b"" if status in (204, 304) else b"\x00<html>"
        service.queue(Reply(status, body, {"Retry-After": "7", "Location": "/\xe9"}))
        with LoopbackService(service) as loopback, connected(loopback) as connection:
            connection.request("DELETE", "/v2/interact/1", headers=KEY)
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, body)
            assert response.headers["retry-after"] == "7"
            assert response.headers["location"] == "/\xe9"
            assert ("content-length" in response.headers) == bool(body)
            assert delete(connection, "1")[0] == 404

    def test_an_outage_refuses_connections_until_it_is_over(self, service: FakeService) -> None:
        service.outage(3600)
        with LoopbackService(service) as loopback:
            for seconds in (0, 0, 0.05):
                wait_until_refused(loopback)
                service.outage(seconds)
                assert await_status(loopback) == 404
                service.outage(3600)
            wait_until_refused(loopback)
        assert len(service.requests) == 3


class TestLeaving:
    @pytest.mark.parametrize(
        ("fault", "latency"),
        [
            (None, 0.0),
            (NoResponse(), 0.0),
            (DrippedResponse(3600), 0.0),
            (None, 3600.0),
            (LostResponse(), 3600.0),
        ],
    )
    def test_ends_a_connection_whether_or_not_a_response_is_due(
        self, fault: Fault | None, latency: float
    ) -> None:
        service = FakeService(latency=latency)
        if fault is not None:
            service.queue(fault)
        with LoopbackService(service) as loopback:
            client = plainly_connected(loopback)
            client.sendall(plain_delete("unknown"))
            while not service.requests:
                pass
            if fault is None and not latency:
                client.recv(65536)
        with client:
            assert all_from(client) in (b"", b"H")

    def test_forgets_no_fault_that_nobody_has_met(self, service: FakeService) -> None:
        service.queue(Reply(503))
        with LoopbackService(service):
            pass
        assert InMemoryTransport(service).send(Request("DELETE", "/", {}), 90).status == 503

    def test_works_when_the_block_raises_and_nothing_was_said(self, service: FakeService) -> None:
        clients = []

        def serve() -> None:
            with LoopbackService(service) as loopback:
                clients.append(plainly_connected(loopback))
                raise KeyError

        with pytest.raises(KeyError):
            serve()
        with clients[0]:
            assert all_from(clients[0]) == b""
