"""What the HTTP transports have besides the port, and what is particular to that of urllib3.

OpenTelemetry's spans of urllib3 are tested with the page that shows them.
"""

import asyncio
import gc
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.adapters.conformance.driver import Driver
from firecrawl_interact.adapters.conformance.server import (
    Connection,
    FaultFunction,
    FaultServer,
    good_response,
)
from firecrawl_interact.adapters.conformance.wire_faults import (
    responds,
    responds_in_slow_pieces,
    sends_and_closes,
)
from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

from .driven import PATH, TransportClass, Wire, closed_port, failure, look_up_gives, send

pytestmark = pytest.mark.enable_socket

REQUEST = Request("DELETE", PATH, {"Authorization": "Bearer fc-test"})


@pytest.mark.parametrize("header", ["a\r\nX-Injected: b", "a\nb", "a\rb", "\u2028"])
def test_a_header_that_is_not_one_line_of_ascii_is_never_sent(wire: Wire, header: str) -> None:
    server = wire.serve()
    outcome = wire.open(server).send(PATH, headers={"X": header})
    assert "the request failed: " in str(outcome)
    assert server.requests == []


# --- time ----------------------------------------------------------------------------------


def test_the_time_is_that_of_a_clock_which_nobody_corrects(transport_class: TransportClass) -> None:
    assert abs(transport_class().monotonic() - time.monotonic()) < 60


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_no_time_is_refused(wire: Wire, timeout: float) -> None:
    with pytest.raises(AssertionError, match=r"raised ValueError\(timeout "):
        wire.open("https://service.example").send(PATH, timeout)


def test_a_timeout_of_any_length_works_and_the_user_agent_is_this_library(wire: Wire) -> None:
    server = wire.serve(responds_in_slow_pieces)
    send(wire.open(server, connect_timeout=0.2), timeout=1e300)  # That time is for the connect.
    assert server.requests[0].values("user-agent")[0].startswith("firecrawl-interact/0.")


def test_a_handshake_has_all_of_the_connect_timeout_and_no_more(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = wire.serve(Connection.wait_for_close)
    look_up_gives(monkeypatch, *[server] * 4)
    driver = wire.open("https://service.example", connect_timeout=0.4)
    before = time.monotonic()
    error = failure(driver, ConnectFailedError, timeout=60)
    assert time.monotonic() - before > 0.39
    # After 2.5 s the server would have ended the connection, and that would be the reason.
    assert re.search("timed out|too long", str(error))
    assert error.transient
    assert server.connections == 1


def test_a_name_that_resolves_too_late_is_not_connected_to(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, server = socket.getaddrinfo, wire.serve()

    def resolve_late(*args: Any, **kwargs: Any) -> object:  # Any: handed on as they came
        server.stopping.wait(0.2)
        return resolve(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_late)
    driver = wire.open(server.api_url.replace("127.0.0.1", "localhost"))
    failure(driver, ConnectFailedError, timeout=0.05)
    assert server.connections == 0


# --- connections ---------------------------------------------------------------------------


def reads_nothing(connection: Connection) -> None:
    connection.pause(10)


def resets(connection: Connection) -> None:
    connection.receive()
    connection.reset()


@pytest.mark.parametrize("before", ["new", "kept", "in place of a kept one"])
@pytest.mark.parametrize(
    ("fault", "kind"), [(reads_nothing, TimedOutError), (resets, ConnectionLostError)]
)
def test_a_request_that_cannot_be_written_whole(
    wire: Wire, fault: FaultFunction, kind: type[Exception], before: str
) -> None:
    is_second = before == "in place of a kept one"
    faults = [responds(Connection.close), fault] if is_second else [fault]
    server = wire.serve(*([responds(fault)] if before == "kept" else faults))
    driver = wire.open(server)
    if before != "new":
        send(driver)
    assert not is_second or server.fault_is_over.wait(5)
    # More than all buffers on the way hold.
    seconds = 0.5 if kind is TimedOutError else 5
    outcome = driver.send(PATH, seconds, headers={"X-Huge": "x" * 6_000_000})
    assert server.connections == 1 + is_second
    assert type(outcome) is kind
    assert getattr(outcome, "stale", False) is (before == "kept" and kind is ConnectionLostError)


IDLE = """
import json, sys, time

seconds_passed = 0
monotonic = time.monotonic
time.monotonic = lambda: monotonic() + seconds_passed

from firecrawl_interact import adapters
from firecrawl_interact.adapters.conformance.driver import Driver
from firecrawl_interact.core import Response

driver = Driver(getattr(adapters, sys.argv[1])(sys.argv[2]))
for seconds in json.loads(sys.argv[3]):
    seconds_passed += seconds
    assert isinstance(driver.send("/", 1e6), Response)
driver.close()
"""


def send_when_idle(wire: Wire, server: FaultServer, idle: list[float]) -> None:
    transport = wire.transport_class.__name__
    command = [sys.executable, "-c", IDLE, transport, server.api_url, json.dumps(idle)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize(
    ("keep_alive", "idle", "connections"),
    [
        ("", [0, 29, 31], [1, 1, 2]),
        ("Keep-Alive: timeout=5\r\n", [0, 4.1], [1, 2]),
        ("Keep-Alive: timeout=5\r\n", [0, 3.5, 29], [1, 1, 1]),
        ('keep-alive: max=9, Timeout = "5"\r\n', [0, 4.1], [1, 2]),
        ("Keep-Alive: max=9\r\nKeep-Alive: timeout=5\r\n", [0, 4.1], [1, 2]),
        ("Keep-Alive: timeout=0\r\n", [0, 0], [1, 2]),
        ("Keep-Alive: timeout=99\r\n", [0, 29, 31], [1, 1, 2]),
        ("Keep-Alive: max=9\r\n", [0, 29, 31], [1, 1, 2]),
    ],
)
def test_an_idle_connection_is_used_for_30_seconds_or_as_long_as_its_response_says_less_one(
    wire: Wire, keep_alive: str, idle: list[float], connections: list[int]
) -> None:
    server = wire.serve(responds(headers=keep_alive))
    send_when_idle(wire, server, idle)
    assert [request.connection for request in server.requests] == connections


def test_a_connection_that_was_idle_for_too_long_is_closed_before_another_is_used(
    wire: Wire,
) -> None:
    def waits_for_that(_: Connection) -> None:
        assert server.fault_is_over.wait(1)

    server = wire.serve(responds(Connection.wait_for_close), waits_for_that)
    send_when_idle(wire, server, [0, 31])


def test_a_connection_that_may_not_be_used_again_is_closed_at_once(wire: Wire) -> None:
    server = wire.serve(responds(headers="Keep-Alive: timeout=0\r\n"))
    send(wire.open(server))
    assert server.open_connections() == 0


def test_surplus_bytes_in_a_record_of_tls_are_not_left_unread(wire: Wire) -> None:
    """They do not show on the socket: OpenSSL has taken the whole record, of up to 16 KiB."""
    headers = "X: {}\r\n"
    missing = 8192 - len(good_response(PATH, headers=headers.format("")))
    fault = responds(headers=headers.format("x" * missing), surplus=b"x")
    driver = wire.open(wire.serve(fault, tls=certificates.trusted()))
    send(driver)
    send(driver)


@pytest.mark.parametrize("pool_size", [1, 2])
def test_connections_beyond_the_pools_size_are_closed(wire: Wire, pool_size: int) -> None:
    all_sent = threading.Barrier(3, timeout=10)

    def responds_when_all_are_there(connection: Connection) -> None:
        path = connection.read_request()
        all_sent.wait()
        connection.respond(path)

    server = wire.serve(*[responds_when_all_are_there] * 3)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(send, [wire.open(server, pool_size=pool_size)] * 3))
    assert server.open_connections() == pool_size


def test_a_copy_of_a_closed_transport_is_open(wire: Wire) -> None:
    closed = wire.open(wire.serve())
    send(closed)
    closed.close_transport()
    failure(closed, ConnectFailedError)
    other = Driver(closed.pickled())
    wire.callback(other.close)
    send(other)


def test_a_transport_that_is_forgotten_closes_its_connections(wire: Wire) -> None:
    server = wire.serve()
    driver = wire.open(server)
    send(driver)
    driver.transport = wire.transport_class()
    assert server.open_connections() == 0


async def weakly_held_error(transport: Urllib3Transport | AsyncioTransport) -> object:
    try:
        response = transport.send(REQUEST, 5)
        _ = response if isinstance(response, Response) else await response
    except ConnectFailedError as error:
        return weakref.ref(error)
    raise AssertionError("it did not fail")


def test_an_error_is_freed_without_the_garbage_collector(wire: Wire) -> None:
    transport = wire.transport_class(f"http://127.0.0.1:{closed_port()}")
    gc.disable()
    try:
        error: Any = asyncio.run(weakly_held_error(transport))  # Any: a weak reference
        assert error() is None
    finally:
        gc.enable()


# --- reasons: what was wrong, so that somebody can mend it ------------------------------------


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_ssl_cert_file_that_is_not_a_file_of_certificates(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    for url, proxy in (("https://service.example", None), ("http://localhost", "https://proxy")):
        error = failure(wire.open(url, proxy=proxy), ConnectFailedError)
        assert f"SSL_CERT_FILE is not a file of certificates: {file}" in str(error)
        assert not error.transient


def test_a_port_that_sends_requests_instead_of_tls_is_refused_for_good(wire: Wire) -> None:
    server = wire.serve(
        lambda connection: connection.send(b"GET / HTTP/1.1\r\n\r\n"),
        tls=certificates.trusted(),
        in_handshake=True,
    )
    error = failure(wire.open(server), ConnectFailedError)
    assert "HTTP_REQUEST" in str(error)
    assert not error.transient


def spoils_tls(connection: Connection) -> None:
    connection.read_request()
    os.write(connection._sock.fileno(), b"no TLS")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (sends_and_closes(b""), "any response"),
        (sends_and_closes(b"HTTP"), "the whole response"),
        (spoils_tls, r"any response: \[SSL.*"),
    ],
)
def test_a_lost_connection_says_how_far_the_response_was(
    wire: Wire, fault: FaultFunction, reason: str
) -> None:
    error = failure(wire.open(wire.serve(fault, tls=certificates.trusted())), ConnectionLostError)
    assert re.fullmatch(f"the connection ended before {reason}", str(error))


# --- what others put around urllib3 ----------------------------------------------------------

URLOPEN = urllib3.HTTPConnectionPool.urlopen


def send_by(transport: Urllib3Transport) -> None:
    assert PATH.encode() in transport.send(REQUEST, 10).body


@pytest.mark.parametrize(
    ("sends", "error", "kind"),
    [
        (True, RuntimeError("the recorder's disk is full"), BadResponseError),
        (True, ConnectFailedError("no connection for a retry"), ConnectionLostError),
        (False, RuntimeError("the recorder has no such response"), BadResponseError),
        (True, urllib3.exceptions.ReadTimeoutError(..., "/", "late"), TimedOutError),  # type: ignore[arg-type]  # a pool
        (False, urllib3.exceptions.NewConnectionError(..., "refused"), BadResponseError),  # type: ignore[arg-type]  # a pool
    ],
    ids=str,
)
def test_what_fails_around_urllib3_may_have_reached_the_service(
    monkeypatch: pytest.MonkeyPatch, sends: bool, error: Exception, kind: type[TransportError]
) -> None:
    def fail(*args: Any, **kwargs: Any) -> object:  # Any: handed on as they came
        if sends:
            URLOPEN(*args, **kwargs)
        raise error

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", fail)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        with pytest.raises(TransportError) as caught:
            transport.send(REQUEST, 10)
        assert (type(caught.value), caught.value.__cause__) == (kind, error)
        assert str(error) not in str(caught.value)


# --- its connections -----------------------------------------------------------------------


def test_a_connection_waits_for_no_acknowledgement_before_it_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TCP_NODELAY, which urllib3 sets and we must not lose."""

    def note(_: socket.socket, *option: object) -> None:
        if threading.current_thread() is threading.main_thread():  # The server sets it, too.
            set_options.append(option)

    set_options: list[tuple[object, ...]] = []
    with FaultServer() as server:
        with Urllib3Transport(server.api_url) as transport:
            monkeypatch.setattr(socket.socket, "setsockopt", note)
            send_by(transport)
        with pytest.raises(ConnectFailedError, match="closed"):
            send_by(transport)
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in set_options


@pytest.mark.parametrize(
    ("owner", "name"),
    [(urllib3.HTTPConnectionPool, "urlopen"), (os, "getpid")],
    ids=["late", "early"],
)
def test_a_transport_that_is_closed_at_the_last_moment_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    original = getattr(owner, name)

    def close_first(*args: Any, **kwargs: Any) -> object:  # Any: handed on as they came
        monkeypatch.undo()
        transport.close()
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, close_first)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        with pytest.raises(ConnectFailedError, match="closed"):
            send_by(transport)
        assert server.requests == []
