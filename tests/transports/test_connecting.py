"""How both transports reach the service and come to trust it: addresses, time, certificates."""

import socket
import ssl
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from firecrawl_interact import Urllib3Transport
from firecrawl_interact.adapters.conformance.server import FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import stays_silent
from firecrawl_interact.core import ConnectFailedError, TransportError

from .servers import HttpTransport, Net, authority, closed_port, look_up_gives, server_tls

pytestmark = pytest.mark.enable_socket


# --- addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_ipv6_address_is_reached(net: Net, scheme: str) -> None:
    server = net.serve(host="::1", tls=server_tls() if scheme == "https" else None)
    net.open(server).send()
    assert server.requests[0].values("host") == [server.authority]


def test_a_name_that_ends_with_a_dot_is_the_one_in_the_certificate(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = net.serve(tls=server_tls("service.example"))
    look_up_gives(monkeypatch, server.port)
    net.open("https://service.example.").send()
    assert server.requests[0].values("host") == ["service.example."]


def test_an_address_that_refuses_hides_no_other(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    server = net.serve()
    look_up_gives(monkeypatch, closed_port(), server.port)
    client = net.open("http://service.example", allow_plain_http=True)
    client.send()
    client.close_transport()
    assert server.open_connections() == 0


def test_a_silent_address_costs_its_share_of_the_connect(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is an equal share in the blocking transport, and an eighth in the awaited one."""
    server = net.serve()
    client = net.open("http://service.example", allow_plain_http=True, connect_timeout=1.6)
    with FaultServer(listening=False) as silent, silent.full_backlog():
        look_up_gives(monkeypatch, silent.port, server.port)
        began = time.monotonic()
        client.send()
        seconds = time.monotonic() - began
    least = 0.8 if isinstance(client.transport, Urllib3Transport) else 0.2
    assert least <= seconds < least + 0.5


def test_a_name_without_an_address_was_not_sent_to(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=unknown))
    error = net.open("https://service.example").fails(ConnectFailedError)
    assert str(error).startswith("no connection to service.example:443: ")
    assert "Name or service not known, check the host in the API URL" in str(error)
    assert error.transient


def test_a_handshake_has_no_more_than_the_connect_timeout(net: Net) -> None:
    server = net.serve(stays_silent)
    client = net.open(server.api_url.replace("http", "https"), connect_timeout=0.2)
    began = time.monotonic()
    error = client.fails(ConnectFailedError, timeout=60)
    assert 0.2 <= time.monotonic() - began < 10
    assert error.transient
    assert server.open_connections() == 0


# --- trust ---------------------------------------------------------------------------------


def test_an_authority_is_refused_unless_ssl_cert_file_names_it(
    net: Net, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = net.serve(tls=server_tls())
    error = net.open(server, ssl_context=None).fails(ConnectFailedError)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert str(error).endswith("the CAs that it trusts (SSL_CERT_FILE, ssl_context)")
    assert not error.transient
    authority().cert_pem.write_to_path(str(tmp_path / "authorities.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))
    net.open(server, ssl_context=None).send()
    assert [request.connection for request in server.requests] == [2]


def test_a_path_in_place_of_a_context_is_refused_with_what_to_pass(
    transport_class: type[HttpTransport],
) -> None:
    advice = r"not str. For a file of CAs, pass ssl.create_default_context\(cafile=...\)"
    with pytest.raises(TypeError, match=advice):
        transport_class(ssl_context="/etc/ssl/ca.pem")  # type: ignore[arg-type]  # the point


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_requires_a_client_certificate_is_sent_nothing(
    net: Net, version: ssl.TLSVersion
) -> None:
    service = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    service.maximum_version = version
    service.verify_mode = ssl.CERT_REQUIRED
    authority().configure_trust(service)
    authority().issue_cert("127.0.0.1").configure_cert(service)
    server = net.serve(tls=service)
    with pytest.raises(TransportError):
        net.open(server).send()
    assert server.requests == []
