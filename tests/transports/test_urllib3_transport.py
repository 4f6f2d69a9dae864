"""What is particular to the urllib3 adapter."""

import copy
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
import vcr  # type: ignore[import-untyped]  # it is not typed

from firecrawl_interact.adapters import Urllib3Transport
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    TimedOutError,
    TransportError,
)

from .driven import PATH

pytestmark = pytest.mark.enable_socket

REQUEST = Request("DELETE", PATH, {"Authorization": "Bearer fc-test"})
URLOPEN = urllib3.HTTPConnectionPool.urlopen


def send(transport: Urllib3Transport, timeout: float = 10) -> None:
    assert PATH.encode() in transport.send(REQUEST, timeout).body


def work_in_threads(number: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- what others put into urllib3, and around it -------------------------------------------


def test_instruments_on_urlopen_see_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def instrumented(*args: object, **kwargs: object) -> object:
        response = URLOPEN(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
        seen.append((args[1], response.status, response.headers["content-type"]))
        return response

    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        send(transport)
        monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", instrumented)
        send(transport)
        assert server.connections == 1
    assert seen == [("DELETE", 200, "application/json")]


def test_a_recorder_has_the_connections_while_it_records_and_no_longer(tmp_path: Path) -> None:
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        for expected_requests in (2, 3):
            send(transport)
            with vcr.use_cassette(str(tmp_path / "cassette.yaml")):
                send(transport)
            assert len(server.requests) == expected_requests  # The second time it plays back.
        send(transport)
        assert len({request.head for request in server.requests}) == 1


def sends_and_fails(*args: object, **kwargs: object) -> object:
    URLOPEN(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
    raise RuntimeError("the recorder's disk is full")


def sends_and_finds_no_connection_for_a_retry(*args: object, **kwargs: object) -> object:
    URLOPEN(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
    raise ConnectFailedError("no connection")


def fails(*args: object, **kwargs: object) -> object:
    raise RuntimeError("the recorder has no such response")


def has_a_connection_of_its_own(*args: object, **kwargs: object) -> object:
    raise urllib3.exceptions.NewConnectionError(args[0], "refused")  # type: ignore[arg-type]  # a pool


def waits_in_vain(*args: object, **kwargs: object) -> object:
    raise urllib3.exceptions.ReadTimeoutError(args[0], "/", "timed out")  # type: ignore[arg-type]  # a pool


@pytest.mark.parametrize(
    ("wrapped", "kind"),
    [
        (sends_and_fails, BadResponseError),
        (sends_and_finds_no_connection_for_a_retry, ConnectionLostError),
        (fails, BadResponseError),
        (has_a_connection_of_its_own, BadResponseError),
        (waits_in_vain, TimedOutError),
    ],
)
def test_what_fails_around_urllib3_may_have_reached_the_service(
    monkeypatch: pytest.MonkeyPatch, wrapped: Callable[..., object], kind: type[TransportError]
) -> None:
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", wrapped)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        with pytest.raises(TransportError) as caught:
            transport.send(REQUEST, 10)
        assert type(caught.value) is kind


# --- connections ---------------------------------------------------------------------------


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
        assert server.open_connections() == 1
    assert caplog.records == []


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


def test_a_connection_that_is_reset_before_the_request_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system may have taken the request before it knew of the reset."""
    request = urllib3.connection.HTTPConnection.request
    is_connected = threading.Event()

    def resets(connection: Connection) -> None:
        is_connected.wait(10)
        connection.reset()

    def send_late(*args: object, **kwargs: object) -> None:
        is_connected.set()
        assert server.fault_is_over.wait(10)
        request(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "request", send_late)
    with (
        FaultServer(resets) as server,
        Urllib3Transport(server.api_url) as transport,
        pytest.raises(ConnectionLostError) as caught,
    ):
        send(transport)
    assert not caught.value.stale


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


def test_threads_that_send_first_at_once_share_one_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    make = urllib3.PoolManager.connection_from_host
    all_make_one = threading.Barrier(4, timeout=10)
    pools: set[object] = set()

    def make_at_once(*args: object) -> object:
        all_make_one.wait()
        return make(*args)  # type: ignore[arg-type]  # handed on as they came

    def remember(*args: object, **kwargs: object) -> object:
        pools.add(args[0])
        return URLOPEN(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(urllib3.PoolManager, "connection_from_host", make_at_once)
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", remember)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        work_in_threads(4, lambda: send(transport))
        assert len(server.requests) == 4
    assert len(pools) == 1


# --- its end, and copies -------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment", [(urllib3.HTTPConnectionPool, "urlopen"), (os, "getpid")], ids=["late", "early"]
)
def test_a_transport_that_is_closed_at_the_last_moment_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, moment: tuple[object, str]
) -> None:
    original = getattr(*moment)

    def close_first(*args: object, **kwargs: object) -> object:
        monkeypatch.undo()
        transport.close()
        return original(*args, **kwargs)

    monkeypatch.setattr(*moment, close_first)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        with pytest.raises(ConnectFailedError, match="closed"):
            send(transport)
        assert server.requests == []


def pickled(transport: Urllib3Transport) -> Urllib3Transport:
    arrived: Urllib3Transport = pickle.loads(pickle.dumps(transport))  # noqa: S301 - our own bytes
    return arrived


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_has_connections_of_its_own_which_close_with_it(
    duplicate: Callable[[Urllib3Transport], Urllib3Transport],
) -> None:
    with FaultServer() as server, Urllib3Transport(server.api_url) as original:
        send(original)
        with duplicate(original) as closed:
            send(closed)
        forgotten = duplicate(original)
        send(forgotten)
        del forgotten
        assert server.connections == 3
        assert server.open_connections() == 1
        send(original)
        assert server.connections == 3
