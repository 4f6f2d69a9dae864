"""Both transports behind a proxy: which one is used, what it sees, and how it fails."""

import base64
import re

import pytest

from firecrawl_interact import Urllib3Transport
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction
from firecrawl_interact.adapters.conformance.wire_faults import (
    sends,
    sends_and_closes,
    stays_silent,
)
from firecrawl_interact.core import ConnectFailedError, ConnectionLostError, TimedOutError

from .servers import KEY, OK, PATH, Net, closed_port, server_tls, tunnels

pytestmark = pytest.mark.enable_socket


def test_the_environments_proxy_serves_https_and_never_sees_the_key(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = net.serve(tls=server_tls())
    proxy = net.serve(tunnels)
    monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:p%3Aw@{proxy.authority}")
    client = net.open(service)
    client.send()
    client.send()
    [connect] = proxy.requests
    assert connect.head.startswith(f"CONNECT {service.authority} HTTP/1.1\r\n")
    assert connect.values("host") == [service.authority]
    basic = base64.b64encode(b"us@er:p:w").decode()
    assert connect.values("proxy-authorization") == [f"Basic {basic}"]
    assert KEY not in connect.head
    assert "proxy" not in service.requests[0].head.lower()
    assert [request.connection for request in service.requests] == [1, 1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_asked_for_comes_before_the_environments(
    net: Net, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    service = net.serve(tls=server_tls())
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    proxy = net.serve(*[tunnels] * 2, tls=server_tls() if scheme == "https" else None)
    client = net.open(service, proxy=proxy.api_url)
    client.send()
    client.send()
    # urllib3's TLS inside TLS does not show whether surplus bytes wait in it.
    keeps = scheme == "http" or net.transport_class is not Urllib3Transport
    assert len(proxy.requests) == (1 if keeps else 2)


@pytest.mark.parametrize(("host", "of_proxy"), [("::1", "127.0.0.1"), ("127.0.0.1", "::1")])
def test_a_tunnel_leads_to_an_address_and_from_one(net: Net, host: str, of_proxy: str) -> None:
    service = net.serve(host=host, tls=server_tls(host))
    proxy = net.serve(tunnels, host=of_proxy, tls=server_tls(of_proxy))
    net.open(service, proxy=proxy.api_url).send()
    assert proxy.requests[0].head.startswith(f"CONNECT {service.authority} HTTP/1.1\r\n")
    assert service.requests[0].values("host") == [service.authority]


def test_a_lost_first_request_through_a_tunnel_is_not_stale(net: Net) -> None:
    service = net.serve(Connection.reset, tls=server_tls())
    error = net.open(service, proxy=net.serve(tunnels).api_url).fails(ConnectionLostError)
    assert isinstance(error, ConnectionLostError)
    assert not error.stale


def test_a_timeout_holds_behind_a_proxy(net: Net) -> None:
    service = net.serve(stays_silent, tls=server_tls())
    client = net.open(service, proxy=net.serve(tunnels).api_url)
    assert isinstance(client.fails(TimedOutError, timeout=0.3).__cause__, TimeoutError)


@pytest.mark.parametrize("is_proxys", [True, False], ids=["proxy", "service"])
def test_a_certificate_that_does_not_verify_is_refused_for_good(net: Net, is_proxys: bool) -> None:
    right, wrong = server_tls(), server_tls("other.example")
    service = net.serve(tls=right if is_proxys else wrong)
    proxy = net.serve(tunnels, tls=wrong if is_proxys else None)
    error = net.open(service, proxy=proxy.api_url).fails(ConnectFailedError)
    assert f"{service.authority} through the proxy {proxy.authority}: " in str(error)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert not error.transient
    assert service.requests == []


REFUSED = "the proxy refused the tunnel: "
EMPTY = b"\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "words", "is_transient"),
    [
        (sends_and_closes(b"HTTP/1.1 302 No" + EMPTY), f"{REFUSED}302", False),
        (sends_and_closes(b"HTTP/1.1 407 No\r\nX: 9\r\n\r\n<p>"), f"{REFUSED}407", False),
        (sends_and_closes(b"HTTP/1.1 408 No" + EMPTY), f"{REFUSED}408", True),
        (sends_and_closes(b"HTTP/1.1 429 No" + EMPTY), f"{REFUSED}429", True),
        (sends_and_closes(b"HTTP/1.1 503 Later\r\n\r\n"), f"{REFUSED}503", True),
        (sends_and_closes(b""), "the connection ended before any response", True),
        (sends_and_closes(OK), "the connection ended before the whole response", True),
        (sends_and_closes(b"SSH-2.0-x\r\n\r\n"), "the response is not HTTP/1", True),
        (sends_and_closes(OK + b"X: " + b"x" * 110_000), "more than 69632 bytes in the head", True),
        (sends(OK + b"X: ", stays_silent), "(timed out|no whole response came in time)", True),
        (sends(OK + b"\r\n", stays_silent), "timed out", True),
    ],
)
def test_a_proxy_that_opens_no_tunnel_sent_nothing(
    net: Net, said: FaultFunction, words: str, is_transient: bool
) -> None:
    proxy = net.serve(said)
    client = net.open("https://service.example", proxy=proxy.api_url, connect_timeout=0.5)
    error = client.fails(ConnectFailedError)
    to = f"service.example:443 through the proxy {proxy.authority}"
    assert re.fullmatch(f"(no connection to {to}: )?{words}", str(error))
    assert error.transient is is_transient
    assert proxy.open_connections() == 0
    assert PATH not in "".join(request.head for request in proxy.requests)
