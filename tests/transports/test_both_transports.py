"""What both HTTP transports have besides the port: settings, a connect timeout, a kept pool."""

import asyncio
import inspect
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    TimedOutError,
)

from .driven import PATH, OpenTransport, TransportClass, closed_port, failure, send, silent_port

pytestmark = pytest.mark.enable_socket

HUGE_HEADERS = {"X-Huge": "x" * 6_000_000}
"""More than all buffers on the way hold."""


# --- settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("api_url", "http://service.example", "allow_plain_http"),
        ("pool_size", 0, "pool_size"),
        ("connect_timeout", 0, "connect_timeout"),
        ("ssl_context", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "verify"),
        ("proxy", "socks5://127.0.0.1", "socks5"),
        ("user_agent", "", "user_agent"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(
    transport_class: TransportClass, setting: str, value: object, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        transport_class(**{setting: value})  # type: ignore[arg-type]  # each of its own type


def test_a_transport_with_an_ssl_context_says_that_it_cannot_be_pickled(
    transport_class: TransportClass,
) -> None:
    transport = transport_class(ssl_context=ssl.create_default_context())
    with pytest.raises(TypeError, match="SSL_CERT_FILE"):
        pickle.dumps(transport)


def test_a_repr_names_the_service_and_hides_a_proxys_password(
    transport_class: TransportClass,
) -> None:
    transport = transport_class("https://service.example/api", proxy="http://user:secret@proxy:1")
    expected = "Transport('https://service.example/api', proxy='http://***@proxy:1')"
    assert repr(transport).endswith(expected)
    assert "secret" not in repr(vars(transport))


@pytest.mark.parametrize(
    ("settings", "expected"), [({}, "firecrawl-interact/0."), ({"user_agent": "test/1"}, "test/1")]
)
def test_the_user_agent_is_this_library_or_what_the_user_says(
    open_transport: OpenTransport, settings: dict[str, str], expected: str
) -> None:
    with FaultServer() as server:
        send(open_transport(server.api_url, **settings))
        assert server.requests[0].values("user-agent")[0].startswith(expected)


# --- time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_no_time_is_refused(
    transport_class: TransportClass, timeout: float
) -> None:
    async def send_with_it() -> None:
        response = transport_class().send(Request("DELETE", "/", {}), timeout)
        if inspect.isawaitable(response):
            await response

    with pytest.raises(ValueError, match="timeout"):
        asyncio.run(send_with_it())


def test_a_timeout_of_any_length_works(open_transport: OpenTransport) -> None:
    with FaultServer() as server:
        send(open_transport(server.api_url), timeout=1e300)


def test_the_connect_timeout_ends_a_handshake_long_before_the_timeout_would(
    open_transport: OpenTransport,
) -> None:
    with silent_port() as port:
        driver = open_transport(f"https://127.0.0.1:{port}", connect_timeout=0.2)
        before = time.monotonic()
        assert failure(driver, ConnectFailedError, timeout=60).transient
        assert time.monotonic() - before < 30


def test_all_addresses_of_a_name_share_one_connect_timeout(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_port() as port:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 4)
        driver = open_transport("https://service.example", connect_timeout=1)
        before = time.monotonic()
        failure(driver, ConnectFailedError, timeout=60)
        assert 0.9 < time.monotonic() - before < 3  # and not one for each of the four


def test_a_name_that_resolves_too_late_is_not_connected_to(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, never = socket.getaddrinfo, threading.Event()

    def resolve_late(*args: object, **kwargs: object) -> object:
        never.wait(0.1)
        return resolve(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(socket, "getaddrinfo", resolve_late)
    with FaultServer() as server:
        driver = open_transport(server.api_url.replace("127.0.0.1", "localhost"))
        failure(driver, ConnectFailedError, timeout=0.05)
        assert server.connections == 0


def test_a_request_that_nobody_reads_ends_in_time(open_transport: OpenTransport) -> None:
    def reads_nothing(connection: Connection) -> None:
        connection.pause(10)

    with FaultServer(reads_nothing) as server:
        outcome = open_transport(server.api_url).send(PATH, 0.3, headers=HUGE_HEADERS)
    assert type(outcome) is TimedOutError


# --- connections ---------------------------------------------------------------------------


def test_a_connection_that_breaks_amid_the_first_request_is_lost(
    open_transport: OpenTransport,
) -> None:
    def resets(connection: Connection) -> None:
        connection.receive()
        connection.reset()

    with FaultServer(resets) as server:
        outcome = open_transport(server.api_url).send(PATH, headers=HUGE_HEADERS)
    assert isinstance(outcome, ConnectionLostError)
    assert not outcome.stale


def test_a_kept_connection_that_breaks_amid_a_request_is_stale(
    open_transport: OpenTransport,
) -> None:
    def resets(connection: Connection) -> None:
        connection.respond(connection.read_request())
        connection.receive()
        connection.reset()

    with FaultServer(resets) as server:
        driver = open_transport(server.api_url)
        send(driver)
        outcome = driver.send(PATH, headers=HUGE_HEADERS)
    assert isinstance(outcome, ConnectionLostError)
    assert outcome.stale


def test_a_new_connection_in_place_of_a_kept_one_is_not_stale(
    open_transport: OpenTransport,
) -> None:
    def closes_on_a_request(connection: Connection) -> None:
        connection.read_request()
        connection.close()

    def responds_and_closes(connection: Connection) -> None:
        connection.respond(connection.read_request())
        connection.close()

    with FaultServer(responds_and_closes, closes_on_a_request) as server:
        driver = open_transport(server.api_url)
        send(driver)
        assert server.fault_is_over.wait(5)
        assert not failure(driver, ConnectionLostError).stale
        assert server.connections == 2


IDLE = """
import sys, time

seconds_passed = 0
monotonic = time.monotonic
time.monotonic = lambda: monotonic() + seconds_passed

from firecrawl_interact import adapters
from firecrawl_interact.adapters.conformance.driver import Driver
from firecrawl_interact.core import Response

driver = Driver(getattr(adapters, sys.argv[1])(sys.argv[2]))
for seconds in (0, 29, 31):
    seconds_passed += seconds
    assert isinstance(driver.send("/", 1e6), Response)
driver.close()
"""


def test_a_connection_that_was_idle_for_30_seconds_is_not_used_again(
    transport_class: TransportClass,
) -> None:
    with FaultServer() as server:
        subprocess.run(
            [sys.executable, "-c", IDLE, transport_class.__name__, server.api_url], check=True
        )
        assert [request.connection for request in server.requests] == [1, 1, 2]


def test_a_refused_connection_names_the_service_and_the_reason(
    open_transport: OpenTransport,
) -> None:
    port = closed_port()
    error = failure(open_transport(f"http://127.0.0.1:{port}"), ConnectFailedError)
    assert f"no connection to 127.0.0.1:{port}: " in str(error)
    assert "Connect call failed" in str(error) or "Connection refused" in str(error)


# --- certificates --------------------------------------------------------------------------


def test_ssl_cert_file_names_the_authorities(
    open_transport: OpenTransport, service_with_private_ca: FaultServer
) -> None:
    send(open_transport(service_with_private_ca.api_url))


def test_authorities_that_cannot_be_read_are_no_connection(
    open_transport: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ssl.SSLError("no such authorities")

    monkeypatch.setattr(ssl, "create_default_context", fail)
    assert not failure(open_transport(), ConnectFailedError).transient
