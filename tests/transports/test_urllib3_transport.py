"""What is particular to the urllib3 adapter."""

import copy
import io
import pickle
import socket
import threading
import time
from collections.abc import Callable

import pytest
import urllib3

from firecrawl_interact.adapters import Urllib3Transport
from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import sends, stays_silent
from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    TimedOutError,
)

from .driven import PATH, closed_port

pytestmark = pytest.mark.enable_socket

REQUEST = Request("DELETE", PATH, {"Authorization": "Bearer fc-test"})


def send(transport: Urllib3Transport, timeout: float = 10) -> None:
    assert PATH.encode() in transport.send(REQUEST, timeout).body


def work_in_threads(number: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_connections_beyond_the_pools_size_are_closed_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    all_sent = threading.Barrier(3)

    def responds_when_all_are_there(connection: Connection) -> None:
        path = connection.read_request()
        all_sent.wait(10)
        connection.respond(path)

    with (
        FaultServer(*[responds_when_all_are_there] * 3) as server,
        Urllib3Transport(server.api_url, pool_size=1) as transport,
    ):
        work_in_threads(3, lambda: send(transport))
    assert caplog.records == []


# --- what others put into urllib3 ----------------------------------------------------------


def test_instruments_on_urlopen_see_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def instrumented(*args: object, **kwargs: object) -> object:
        seen.append(args[1])
        return urlopen(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", instrumented)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        send(transport)
        send(transport)
    assert seen == ["DELETE", "DELETE"]


def test_a_connection_class_that_replaces_urllib3s_is_left_alone_while_it_is_there() -> None:
    class Recorder(urllib3.connection.HTTPConnection):
        requests = 0

        def request(self, *args: object, **kwargs: object) -> None:
            Recorder.requests += 1
            super().request(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        send(transport)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(urllib3.HTTPConnectionPool, "ConnectionCls", Recorder)
            send(transport)
        assert Recorder.requests == 1
        send(transport)
        assert Recorder.requests == 1
        assert server.connections == 2


def test_failures_of_a_replaced_connection_are_the_ports_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Recorder(urllib3.connection.HTTPConnection):
        pass

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "ConnectionCls", Recorder)
    nonsense = sends(b"nonsense\r\n\r\n")
    for fault, kind in ((nonsense, ConnectionLostError), (stays_silent, TimedOutError)):
        with (
            FaultServer(fault) as server,
            Urllib3Transport(server.api_url) as transport,
            pytest.raises(kind),
        ):
            send(transport, timeout=0.1)
    with (
        Urllib3Transport(f"http://127.0.0.1:{closed_port()}") as transport,
        pytest.raises(ConnectFailedError),
    ):
        send(transport)


# --- connections ---------------------------------------------------------------------------


def test_a_connection_waits_for_no_acknowledgement_before_it_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TCP_NODELAY, which urllib3 sets and we must not lose."""
    set_options = []

    def setsockopt(sock: socket.socket, *option: int) -> None:
        set_options.append(option)

    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        monkeypatch.setattr(socket.socket, "setsockopt", setsockopt)
        send(transport)
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in set_options


def test_the_address_that_responds_gets_all_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stays_in_the_handshake(connection: Connection) -> None:
        connection.wait_for_close()

    with FaultServer(stays_in_the_handshake) as server:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [address, address])
        before = time.monotonic()
        with (
            Urllib3Transport("https://service.example", connect_timeout=0.4) as transport,
            pytest.raises(ConnectFailedError),
        ):
            send(transport)
        assert time.monotonic() - before >= 0.39


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %06d\r\n\r\n"


@pytest.mark.parametrize("size", [100, io.DEFAULT_BUFFER_SIZE - len(HEAD % 0)])
def test_surplus_bytes_under_tls_end_the_connection(size: int) -> None:
    """Also where they wait within TLS, decrypted, and the socket shows nothing."""
    response = HEAD % size + PATH.encode().ljust(size)
    with (
        FaultServer(sends(response + b"surplus"), tls=certificates.trusted()) as server,
        Urllib3Transport(server.api_url, ssl_context=certificates.client_context()) as transport,
    ):
        send(transport)
        send(transport)
        assert server.connections == 2


def test_threads_that_send_first_at_once_share_one_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    make, urlopen = urllib3.PoolManager.connection_from_host, urllib3.HTTPConnectionPool.urlopen
    all_make_one = threading.Barrier(4, timeout=10)
    pools: set[object] = set()

    def make_at_once(*args: object) -> object:
        all_make_one.wait()
        return make(*args)  # type: ignore[arg-type]  # handed on as they came

    def remember(*args: object, **kwargs: object) -> object:
        pools.add(args[0])
        return urlopen(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(urllib3.PoolManager, "connection_from_host", make_at_once)
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", remember)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        work_in_threads(4, lambda: send(transport))
        assert len(server.requests) == 4
    assert len(pools) == 1


def test_a_transport_that_is_closed_at_the_last_moment_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def close_first(*args: object, **kwargs: object) -> object:
        transport.close()
        return urlopen(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", close_first)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        with pytest.raises(ConnectFailedError, match="closed"):
            send(transport)
        assert server.requests == []


# --- copies that arrive in a process -------------------------------------------------------


def test_a_pickled_transport_works_and_shares_one_pool_with_its_equals() -> None:
    with FaultServer() as server:
        original = Urllib3Transport(server.api_url, pool_size=1)
        for _ in range(3):
            with pickle.loads(pickle.dumps(original)) as arrival:  # noqa: S301 - our own bytes
                send(arrival)
        send(copy.deepcopy(original))
        assert server.connections == 1
        with pytest.raises(ConnectFailedError, match="closed"):
            send(arrival)


def test_transports_that_differ_share_nothing() -> None:
    with FaultServer() as server:
        for size in (1, 2):
            with copy.copy(Urllib3Transport(server.api_url, pool_size=size)) as transport:
                send(transport)
        assert server.connections == 2
