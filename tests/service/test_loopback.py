"""The fake service behind a real socket."""

import contextlib
import gc
import http.client
import os
import re
import socket
import threading
import time
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

    def test_it_is_on_127_0_0_1_at_a_port_of_the_systems_choice(self, service: FakeService) -> None:
        with LoopbackService(service) as one, LoopbackService(service) as other:
            assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", one.api_url)
            assert one.api_url != other.api_url

    def test_it_shows_where_it_is_and_whether_it_runs(self, service: FakeService) -> None:
        loopback = LoopbackService(service)
        assert repr(loopback) == f"<LoopbackService not running: {service!r}>"
        with loopback:
            assert repr(loopback) == f"<LoopbackService at {loopback.api_url}: {service!r}>"

    def test_it_is_at_the_port_asked_for_again_and_again(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback:
            port = int(loopback.api_url.rpartition(":")[2])
        again = LoopbackService(service, port=port)
        for _ in range(2):
            with contextlib.ExitStack() as clients, again:
                assert again.api_url.endswith(f":{port}")
                connection = clients.enter_context(connected(again))
                assert delete(connection, "unknown")[0] == 404

    def test_a_port_in_use_is_an_error_and_the_clock_stands(self, service: FakeService) -> None:
        with LoopbackService(FakeService()) as loopback:
            port = int(loopback.api_url.rpartition(":")[2])
            with pytest.raises(OSError, match="in use"), LoopbackService(service, port):
                pass
        assert service.monotonic() == service.monotonic()

    def test_it_has_no_address_outside_of_its_block(self, service: FakeService) -> None:
        loopback = LoopbackService(service)
        with pytest.raises(FakeServiceError):
            _ = loopback.api_url
        with loopback:
            pass
        with pytest.raises(FakeServiceError):
            _ = loopback.api_url

    def test_it_cannot_be_entered_twice_at_once(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback:
            with pytest.raises(FakeServiceError), loopback:
                pass
            with connected(loopback) as connection:
                assert delete(connection, "unknown")[0] == 404

    def test_it_keeps_connections(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            for _ in range(20):
                client.sendall(plain_delete("unknown"))
                assert client.recv(65536).startswith(b"HTTP/1.1 404 Not Found\r\n")

    def test_it_ends_a_connection_if_asked_to(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(plain_delete("unknown", "Connection: close"))
            assert b"\r\nconnection: close\r\n" in all_from(client)

    def test_a_response_comes_in_one_piece(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(plain_delete("unknown"))
            assert client.recv(65536).endswith(b'"error":"Browser session not found."}')

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
        assert not any(service.is_open(session_id) for session_id in session_ids)

    @pytest.mark.parametrize(
        "method", ["CONNECT", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
    )
    def test_other_methods_reach_the_service_too(self, service: FakeService, method: str) -> None:
        with LoopbackService(service) as loopback, connected(loopback) as connection:
            connection.request(method, "/v2/interact/1", headers=KEY)
            response = connection.getresponse()
            body = response.read()
            assert response.status == 404
            assert response.headers["content-type"] == "text/html; charset=utf-8"
            assert f"Cannot {method} /v2/interact/1<".encode() in body
            assert service.requests[0].method == method
            assert delete(connection, "1")[0] == 404

    def test_a_response_to_head_has_no_body(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(b"HEAD / HTTP/1.1\r\nAuthorization: Bearer fc-test\r\n\r\n")
            received = client.recv(65536)
        assert received.startswith(b"HTTP/1.1 404 ")
        assert received.endswith(b"\r\n\r\n")

    def test_a_requests_body_is_read_and_dropped(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, connected(loopback) as connection:
            connection.request("POST", "/v2/interact", body=bytes(200_000), headers=KEY)
            assert b"Cannot POST /v2/interact<" in connection.getresponse().read()
            assert delete(connection, "unknown")[0] == 404

    @pytest.mark.parametrize("line", ["Transfer-Encoding: chunked", "Content-Length: many"])
    def test_a_body_of_unknown_length_is_refused(self, service: FakeService, line: str) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(plain_delete("unknown", line))
            assert all_from(client).startswith(b"HTTP/1.1 411 Length Required\r\n")
        assert service.requests == []

    def test_what_is_not_http_is_refused(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(b"good day\x00\xff to you all\r\n\r\n")
            assert b"Error code: 400" in all_from(client)
        assert service.requests == []

    def test_requests_are_on_record_without_their_credentials(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(plain_delete("a%2Fb", "User-Agent: test"))
            client.recv(65536)
        assert service.requests == [Request("DELETE", "/v2/interact/a%2Fb", {"User-Agent": "test"})]

    def test_a_client_that_goes_away_disturbs_nobody(self) -> None:
        service = FakeService(latency=0.01)
        with LoopbackService(service) as loopback:
            with plainly_connected(loopback) as client:
                client.sendall(plain_delete("unknown") * 3)
            with plainly_connected(loopback) as client:
                client.sendall(b"DELETE /v2/int")
            with connected(loopback) as connection:
                assert delete(connection, "unknown")[0] == 404


class TestTime:
    def test_runs_by_itself_while_it_serves_and_stands_afterwards(
        self, service: FakeService
    ) -> None:
        service.sleep(1000)
        with LoopbackService(service):
            before = service.monotonic()
            while service.monotonic() == before:
                pass
        after = service.monotonic()
        assert 1000 <= before < after < 1060
        assert service.monotonic() == after

    def test_of_a_session_is_the_systems(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, connected(loopback) as connection:
            session_id = service.open_session()
            duration = delete(connection, session_id)[1]["sessionDurationMs"]
        assert isinstance(duration, float)
        assert 0 < duration < 60_000

    def test_of_a_response_is_the_latency_at_least(self) -> None:
        with (
            LoopbackService(FakeService(latency=0.05)) as loopback,
            connected(loopback) as connection,
        ):
            began = time.monotonic()
            delete(connection, "unknown")
            assert time.monotonic() - began >= 0.05


class TestFaults:
    @pytest.mark.parametrize("kept", [False, True])
    def test_no_connection_is_a_reset_that_reaches_nothing(
        self, service: FakeService, kept: bool
    ) -> None:
        session_id = service.open_session()
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            if kept:
                client.sendall(plain_delete("unknown"))
                client.recv(65536)
            service.queue(NoConnection())
            client.sendall(plain_delete(session_id))
            with pytest.raises(ConnectionResetError):
                client.recv(65536)
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
            client.sendall(plain_delete(session_id))
            assert client.recv(65536) == b""
            assert not service.is_open(session_id)

    def test_a_dripped_response_is_the_real_one_byte_by_byte(self, service: FakeService) -> None:
        session_id = service.open_session()
        service.queue(DrippedResponse(seconds_per_byte=0.0005))
        with LoopbackService(service) as loopback, connected(loopback) as connection:
            began = time.monotonic()
            status, receipt = delete(connection, session_id)
            assert time.monotonic() - began >= 0.0005 * 200
            assert (status, receipt["creditsBilled"]) == (200, 2)
            assert delete(connection, session_id)[0] == 200

    def test_a_drip_begins_with_the_status_line(self, service: FakeService) -> None:
        service.queue(DrippedResponse(seconds_per_byte=60))
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(plain_delete("unknown"))
            assert client.recv(65536) == b"H"

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


class TestAnOutage:
    def test_without_connections_refuses_them_until_it_is_over(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback:
            for _ in range(3):
                service.outage(3600)
                wait_until_refused(loopback)
                service.outage(0)
                assert await_status(loopback) == 404
        assert len(service.requests) == 3

    def test_without_connections_resets_those_that_clients_kept(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback, plainly_connected(loopback) as client:
            client.sendall(plain_delete("unknown"))
            client.recv(65536)
            service.outage(3600)
            client.sendall(plain_delete("unknown"))
            with pytest.raises(ConnectionResetError):
                client.recv(65536)
        assert len(service.requests) == 1

    def test_ends_by_itself(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback:
            service.outage(3600)
            wait_until_refused(loopback)
            service.outage(0.05)
            assert await_status(loopback) == 404
            assert service.current_outage is None

    def test_of_replies_is_served(self, service: FakeService) -> None:
        service.outage(3600, Reply(503))
        with LoopbackService(service) as loopback, connected(loopback) as connection:
            for _ in range(2):
                connection.request("DELETE", "/v2/interact/1", headers=KEY)
                response = connection.getresponse()
                assert (response.status, response.read()) == (503, b"")

    def test_may_last_when_the_service_starts_and_when_it_ends(self, service: FakeService) -> None:
        service.outage(3600)
        with LoopbackService(service) as loopback:
            wait_until_refused(loopback)


class TestLeaving:
    def test_ends_the_connections_that_clients_keep(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback:
            client = plainly_connected(loopback)
            client.sendall(plain_delete("unknown"))
            client.recv(65536)
        with client:
            assert all_from(client) == b""

    def test_ends_the_connections_on_which_nothing_was_said(self, service: FakeService) -> None:
        with LoopbackService(service) as loopback:
            client = plainly_connected(loopback)
        with client:
            assert all_from(client) == b""

    @pytest.mark.parametrize(
        ("fault", "latency"),
        [
            (NoResponse(), 0.0),
            (DrippedResponse(3600), 0.0),
            (None, 3600.0),
            (LostResponse(), 3600.0),
        ],
    )
    def test_does_not_wait_for_a_response_that_is_due(
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
        with client:
            assert all_from(client) in (b"", b"H")

    def test_forgets_no_fault_that_nobody_has_met(self, service: FakeService) -> None:
        service.queue(Reply(503))
        with LoopbackService(service):
            pass
        assert InMemoryTransport(service).send(Request("DELETE", "/", {}), 90).status == 503

    def test_works_when_the_block_raises(self, service: FakeService) -> None:
        clients = []

        def serve() -> None:
            with LoopbackService(service) as loopback:
                clients.append(plainly_connected(loopback))
                raise KeyError

        with pytest.raises(KeyError):
            serve()
        with clients[0]:
            assert all_from(clients[0]) == b""
