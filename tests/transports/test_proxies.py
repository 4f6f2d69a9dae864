"""Both transports behind a proxy: which one is used, what it sees, and how it fails."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from firecrawl_interact.adapters import Urllib3Transport
from firecrawl_interact.adapters.conformance import certificates, wire_faults
from firecrawl_interact.adapters.conformance.driver import KEY
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction, FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import (
    sends,
    sends_and_closes,
    sends_and_drips,
)
from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    TimedOutError,
    TransportError,
)

from .driven import PATH, Tunnel, Wire, closed_port, failure, look_up_gives, send, settings_for

pytestmark = pytest.mark.enable_socket
TINYPROXY = shutil.which("tinyproxy")


@pytest.fixture
def service(wire: Wire) -> FaultServer:
    return wire.serve(tls=certificates.trusted())


def basic(credentials: bytes) -> list[str]:
    return [f"Basic {base64.b64encode(credentials).decode()}"]


# --- which proxy ---------------------------------------------------------------------------


def test_the_environments_proxy_serves_https_and_never_sees_the_key(
    wire: Wire, service: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = wire.serve(Tunnel())
    monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:p%3Aw@{proxy.authority}")
    driver = wire.open(service)
    send(driver)
    send(driver)
    [connect] = proxy.requests
    assert connect.head.startswith(f"CONNECT {service.authority} HTTP/1.")
    assert connect.values("proxy-authorization") == basic(b"us@er:p:w")
    assert KEY not in connect.head
    assert all(not request.values("proxy-authorization") for request in service.requests)
    assert [request.connection for request in service.requests] == [1, 1]
    assert all(request.target == PATH for request in service.requests)


@pytest.mark.skipif(TINYPROXY is None, reason="needs tinyproxy: apt-get install tinyproxy-bin")
def test_debians_tinyproxy_carries_https(wire: Wire, service: FaultServer, tmp_path: Path) -> None:
    port, configuration = closed_port(), tmp_path / "tinyproxy.conf"
    configuration.write_text(f"Port {port}\nListen 127.0.0.1\nMaxClients 8\n")
    command = [TINYPROXY or "", "-d", "-c", str(configuration)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "Accepting connections" not in process.stdout.readline():
            assert process.poll() is None
        try:
            send(wire.open(service, proxy=f"http://127.0.0.1:{port}"))
        finally:
            process.terminate()
        assert f"CONNECT {service.authority}" in process.stdout.read()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_asked_for_comes_before_the_environments(
    wire: Wire, service: FaultServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    proxy = wire.serve(Tunnel(), tls=certificates.trusted() if scheme == "https" else None)
    send(wire.open(service, proxy=proxy))
    assert len(proxy.requests) == 1


def test_a_proxy_that_is_asked_for_carries_plain_http_with_paths_as_they_are(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "there is none")  # Nobody needs it.
    proxy = wire.serve()
    look_up_gives(monkeypatch, proxy)
    driver = wire.open(
        "http://service.example/prefix",
        proxy=f"user:pw@proxy.example:{proxy.port}",
        allow_plain_http=True,
    )
    send(driver, path="/v2/%2e%2e/%7Ea//b%2F")
    send(driver)
    first, second = proxy.requests
    assert first.target == "http://service.example/prefix/v2/%2e%2e/%7Ea//b%2F"
    assert second.target == f"http://service.example/prefix{PATH}"
    assert second.values("host") == ["service.example"]
    assert second.values("proxy-authorization") == basic(b"user:pw")
    assert proxy.connections == 1


def test_urllib3_keeps_no_connection_with_tls_inside_tls(wire: Wire, service: FaultServer) -> None:
    """Bytes that nobody asked for could wait in it unseen."""
    proxy = wire.serve(afterwards=Tunnel(), tls=certificates.trusted())
    with Urllib3Transport(**settings_for(service, proxy=proxy)) as transport:
        for _ in range(2):
            assert transport.send(Request("DELETE", "/", {}), 5).status == 200
    assert proxy.connections == 2


def test_a_connection_whose_first_request_is_lost_is_not_stale_behind_a_tunnel_either(
    wire: Wire,
) -> None:
    service = wire.serve(sends_and_closes(b""), tls=certificates.trusted())
    error = failure(wire.open(service, proxy=wire.serve(Tunnel())), ConnectionLostError)
    assert isinstance(error, ConnectionLostError)
    assert not error.stale


# --- time ----------------------------------------------------------------------------------

while_connecting_and_responding = pytest.mark.parametrize(
    "kind", [ConnectFailedError, TimedOutError], ids=["connecting", "responding"]
)


@while_connecting_and_responding
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_timeouts_hold_behind_a_proxy_that_drips(
    wire: Wire, scheme: str, kind: type[TransportError]
) -> None:
    def responds_slowly(connection: Connection) -> None:
        path = connection.read_request()
        tunnel.is_slow.set()
        connection.respond(path)

    tls, tunnel = certificates.trusted(), Tunnel()
    if kind is ConnectFailedError:
        tunnel.is_slow.set()
    service = wire.serve(responds_slowly, tls=tls)
    proxy = wire.serve(tunnel, tls=tls if scheme == "https" else None)
    failure(wire.open(service, proxy=proxy, connect_timeout=1), kind, timeout=1)


@while_connecting_and_responding
def test_the_time_of_a_tunnel_that_opens_late_counts(
    wire: Wire, kind: type[TransportError]
) -> None:
    def opens_late(connection: Connection) -> None:
        connection.pause(1.3)
        Tunnel()(connection)

    is_silent = {"in_handshake": kind is ConnectFailedError, "tls": certificates.trusted()}
    service, proxy = wire.serve(Connection.wait_for_close, **is_silent), wire.serve(opens_late)
    # If it did not count, the call would take longer than the driver allows.
    failure(wire.open(service, proxy=proxy, connect_timeout=2), kind, timeout=2)


# --- proxies that fail ---------------------------------------------------------------------


@pytest.mark.parametrize("is_proxys", [True, False], ids=["proxy", "service"])
def test_a_certificate_that_does_not_verify_is_refused_for_good(
    wire: Wire, is_proxys: bool
) -> None:
    bad = certificates.for_another_host()
    service = wire.serve(tls=certificates.trusted() if is_proxys else bad)
    proxy = wire.serve(Tunnel(), tls=bad if is_proxys else None)
    error = failure(wire.open(service, proxy=proxy), ConnectFailedError)
    assert f"the proxy {proxy.authority}" in str(error)
    assert ("through" in str(error)) is not is_proxys
    assert not error.transient
    assert (len(service.requests), len(proxy.requests)) == (0, 0 if is_proxys else 1)


OK = b"HTTP/1.1 200 OK\r\n"
REFUSALS = {302: False, 407: False, 408: True, 429: True, 500: True}


@pytest.mark.parametrize(
    ("fault", "reason", "is_transient"),
    [
        *(
            (sends(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status), str(status), can_pass)
            for status, can_pass in REFUSALS.items()
        ),
        (wire_faults.closes_at_once, "", True),
        (sends_and_closes(OK), "", True),
        (sends(b"nonsense\r\n\r\n"), "", True),
        (sends(OK + b"X: " + b"x" * 110_000), "", True),
        (sends_and_drips(OK + b"X: ", b"x" * 100), "", True),
    ],
    ids=[*map(str, REFUSALS), "closed", "cut", "no HTTP", "endless", "drip"],
)
def test_a_proxy_that_opens_no_tunnel_sent_nothing(
    wire: Wire, fault: FaultFunction, reason: str, is_transient: bool
) -> None:
    proxy = wire.serve(fault)
    driver = wire.open("https://service.example", proxy=proxy, connect_timeout=0.5)
    error = failure(driver, ConnectFailedError)
    assert proxy.open_connections() == 0
    assert {request.target for request in proxy.requests} <= {"service.example:443"}
    no_connection = f"no connection to service.example:443 through the proxy {proxy.authority}"
    assert (f"the proxy refused the tunnel: {reason}" if reason else no_connection) in str(error)
    assert error.transient is is_transient
